/** Which of several certificates clients are shown. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { chainToPem, keyToPem } from '@weft/identity';
import { makeCertificate, makeLooseRoot } from '@weft/identity/testing';
import type { CertificateConfig, DownstreamTlsConfig } from '../config/tls.ts';
import { certificateConfig, downstreamConfig } from './testing/config.ts';
import { startTls, type TestServer } from './testing/handshakes.ts';

const root = makeLooseRoot();

function made(subject: string, dnsNames: readonly string[], kind: 'P-256' | 'P-384' | 'rsa'): CertificateConfig {
  const { privateKey } =
    kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: kind });
  const { certificate } = makeCertificate('', { uris: [], dnsNames, subject, privateKey }, root);
  return certificateConfig(chainToPem([certificate.der]), keyToPem(privateKey));
}

const firstRsa = made('first, RSA', ['first.test', '*.wild.test'], 'rsa');
const firstEc = made('first, ECDSA', ['first.test'], 'P-256');
const second = made('second, RSA', ['second.test'], 'rsa');
const named = made('by its subject', [], 'P-256');
const p384 = made('P-384', ['p384.test'], 'P-384');

function start(test: TestContext, fields: Partial<DownstreamTlsConfig> = {}): Promise<TestServer> {
  return startTls(test, downstreamConfig({ certificates: [firstRsa, firstEc, second, p384], ...fields }));
}

const ONLY_RSA = { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const;

async function shown(server: TestServer, options: object): Promise<string> {
  return String((await server.meet(options)).shown?.CN);
}

test('a client is shown the certificate for the name that it asks for, the one with an ECDSA key first', async (t) => {
  const server = await start(t);
  assert.equal(await shown(server, { servername: 'second.test' }), 'second, RSA');
  assert.equal(await shown(server, { servername: 'first.test' }), 'first, ECDSA');
  assert.equal(await shown(server, { servername: 'first.test', maxVersion: 'TLSv1.2' }), 'first, ECDSA');
  assert.equal(await shown(server, { servername: 'FIRST.Test' }), 'first, ECDSA');
});

test('a client that cannot verify ECDSA is shown an RSA key, in TLS 1.3 and before', async (t) => {
  const server = await start(t);
  assert.equal(await shown(server, { servername: 'first.test', ...ONLY_RSA }), 'first, RSA');
  assert.equal(await shown(server, { servername: 'first.test', sigalgs: 'rsa_pss_rsae_sha256' }), 'first, RSA');
});

test('a star stands for one label, and only where no name is the very one', async (t) => {
  const server = await start(t);
  assert.equal(await shown(server, { servername: 'any.wild.test' }), 'first, RSA');
  const apart = await start(t, { certificates: [second, firstRsa] });
  assert.equal(await shown(apart, { servername: 'any.wild.test' }), 'first, RSA');
  assert.equal(await shown(apart, { servername: 'far.any.wild.test' }), 'second, RSA');
});

test('for a name that none has the first is shown, or the best of all where that is asked for', async (t) => {
  assert.equal(await shown(await start(t), { servername: 'nobody.test' }), 'first, RSA');
  const scanning = await start(t, { scansAllCertificates: true });
  assert.equal(await shown(scanning, { servername: 'nobody.test' }), 'first, ECDSA');
});

test('a client that asks for no name is shown the best of all', async (t) => {
  const server = await start(t);
  assert.equal(await shown(server, {}), 'first, ECDSA');
  assert.equal(await shown(server, ONLY_RSA), 'first, RSA');
});

test('a curve that the client does not know is passed over', async (t) => {
  const server = await start(t, { certificates: [firstRsa, p384], scansAllCertificates: true });
  const only256 = 'ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256';
  assert.equal(await shown(server, { sigalgs: only256 }), 'first, RSA');
  assert.equal(await shown(server, {}), 'P-384');
});

test('the subject is a name where there are no others', async (t) => {
  const server = await start(t, { certificates: [firstRsa, named] });
  assert.equal(await shown(server, { servername: 'by its subject' }), 'by its subject');
});

test('sessions go on whichever certificate is chosen', async (t) => {
  const server = await start(t);
  const { session } = await server.meet({ servername: 'first.test' });
  assert.equal((await server.meet({ servername: 'first.test', ...(session && { session }) })).isResumed, true);
});

/** Hands on what comes a few bytes at a time. */
async function startSlowly(test: TestContext, port: number): Promise<number> {
  const server = createServer((client) => {
    const upstream = connect({ port, host: '127.0.0.1', noDelay: true });
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    upstream.pipe(client);
    client.on('data', async (bytes: Buffer) => {
      client.pause();
      for (let at = 0; at < bytes.length; at += 100) {
        await new Promise((resolve) => upstream.write(bytes.subarray(at, at + 100), () => setImmediate(resolve)));
      }
      client.resume();
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  test.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

test('a hello may come in pieces', async (t) => {
  const server = await start(t);
  const port = await startSlowly(t, server.port);
  assert.equal(await shown(server, { port, servername: 'second.test' }), 'second, RSA');
});

test('what is no hello is refused as with one certificate', async (t) => {
  const { port, stats, meet } = await start(t);
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.end('GET / HTTP/1.1\r\n\r\n');
  socket.resume();
  await once(socket, 'close');
  assert.equal((await meet()).refusal, '');
  assert.equal(stats.connection_error, 1);
});
