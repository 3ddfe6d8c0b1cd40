import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { TLSSocket, connect as tlsConnect } from 'node:tls';
import { derToPem, keyToPem } from '@weft/identity';
import { makeCertificate, makeLooseRoot } from '@weft/identity/testing';
import { systemClock } from '../clock.ts';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import { FlushQueue } from '../net/flush-queue.ts';
import { listen } from '../testing/index.ts';
import { until } from '../testing/until.ts';
import { Http1ClientConnection } from './client-connection.ts';
import { Telling } from './testing/upstream.ts';

const OPTIONS = { maxHeadBytes: 8192, maxFields: 50, enableTrailers: true, idleTimeoutMs: 0, maxRequests: 0 };
const { certificate, privateKey } = makeCertificate('spiffe://a/up', {}, makeLooseRoot());
const IDENTITY = { cert: derToPem(certificate.der), key: keyToPem(privateKey) };

type End = 'alert' | 'bare FIN';

/** What is told of an answer over TLS that ends so. */
async function answered(t: TestContext, bytes: string, end: End, maxVersion: 'TLSv1.2' | 'TLSv1.3') {
  const server = createServer({ allowHalfOpen: true }, (plain: Socket) => {
    const secure = new TLSSocket(plain, { isServer: true, ...IDENTITY, maxVersion });
    for (const socket of [plain, secure]) socket.on('error', () => undefined);
    secure.once('data', () => {
      secure.write(bytes, () => {
        if (end === 'alert') secure.end();
        else plain.end();
      });
    });
  });
  const port = await listen(t, server);
  const plain = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(plain, 'connect');
  const secure = tlsConnect({ socket: plain, rejectUnauthorized: false });
  t.after(() => secure.destroy());
  await once(secure, 'secureConnect');
  const owner = { onIdle: () => undefined, onClosed: () => undefined, onBytes: () => undefined };
  const connection = new Http1ClientConnection(secure, owner, OPTIONS, new FlushQueue(), systemClock);
  const telling = new Telling();
  connection.begin(telling).sendHead(new RequestHead('GET', '/', 'a', '', new HeaderList()), true);
  await until(
    () => telling.isOver,
    () => telling.told,
  );
  return telling.told;
}

const UNTIL_CLOSE = 'HTTP/1.1 200 OK\r\n\r\nhello';

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${version}: a body up to the end of the connection is whole where TLS was closed`, async (t) => {
    const told = await answered(t, UNTIL_CLOSE, 'alert', version);
    assert.deepEqual(told, ['head 200 -1', 'body hello', 'end']);
  });

  test(`${version}: a body up to the end of the connection is cut off where TLS was not closed`, async (t) => {
    const told = await answered(t, UNTIL_CLOSE, 'bare FIN', version);
    assert.deepEqual(told, ['head 200 -1', 'body hello', 'reset protocol-error']);
  });

  test(`${version}: a body that tells its length is whole however the connection ends`, async (t) => {
    const told = await answered(t, 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'bare FIN', version);
    assert.deepEqual(told, ['head 200 5 content-length 5', 'body hello', 'end']);
  });
}
