/**
 * Whom TLS is to find at hosts, by the requests that go there, with Weft's proxy and the real Envoy on the same bootstrap:
 * which server name is asked for, and which certificates are taken.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { chainToPem, keyToPem } from '@weft/identity';
import { makeCertificate, makeLooseRoot } from '@weft/identity/testing';
import { DATA_PLANES, type DataPlane } from './harness.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { type Plane, startPlane } from './proxy-testing/plane.ts';
import { properAnswer, send } from './proxy-testing/raw-client.ts';
import { httpText } from './proxy-testing/wire.ts';

const root = makeLooseRoot();
const leaf = makeCertificate('', { uris: [], dnsNames: ['a.example', '*.wide.example'] }, root);

/** Answers with the server name that its client asked for. */
async function startUpstream(test: TestContext): Promise<number> {
  const credentials = { cert: chainToPem([leaf.certificate.der]), key: keyToPem(leaf.privateKey) };
  const server = createServer(credentials, ({ socket }, response) => {
    response.end(`name: ${(socket as TLSSocket & { readonly servername?: string | false }).servername}`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  test.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const bound = server.address();
  return typeof bound === 'object' && bound ? bound.port : 0;
}

async function startSide(test: TestContext, dataPlane: DataPlane): Promise<Plane> {
  const folder = temporaryFolder(test);
  writeFileSync(join(folder, 'roots.pem'), chainToPem([root.certificate.der]));
  const ports = { 10081: await startUpstream(test) };
  return startPlane(test, { dataPlane, bootstrap: 'names.yaml', folder, ports });
}

/** The path, the host and more fields of a request, with the status that it comes to, and the name. */
const CASES: readonly (readonly [path: string, host: string, fields: readonly string[], expected: string])[] = [
  ['/named', 'a.example', [], '200 name: a.example'],
  ['/named', 'b.example:8080', [], '200 name: b.example'],
  ['/named', '127.0.0.1', [], '200 name: false'],
  ['/checked', 'a.example', [], '200 name: a.example'],
  ['/checked', 'A.example', [], '200 name: a.example'],
  ['/checked', 'x.wide.example:80', [], '200 name: x.wide.example'],
  ['/checked', 'x.y.wide.example', [], '503'],
  ['/checked', 'b.example', [], '503'],
  ['/checked', '127.0.0.1', [], '503'],
  ['/checked', 'a.example', [], '200 name: a.example'],
  ['/rewritten', 'b.example', [], '200 name: a.example'],
  ['/header', 'a.example', ['x-name: c.example'], '200 name: c.example'],
  ['/header', 'a.example', [], '200 name: a.example'],
];

test('hosts are asked for the name of each request, and taken by their certificates', async (t) => {
  const sides = await Promise.all(DATA_PLANES.map((dataPlane) => startSide(t, dataPlane)));
  for (const [path, host, fields, expected] of CASES) {
    const text = httpText(`GET ${path} HTTP/1.1`, [`Host: ${host}`, ...fields]);
    const outcomes = await Promise.all(
      sides.map(async (plane) => {
        const answer = properAnswer(await send(plane.port(), text, { answers: 1 }));
        const status = answer?.start.split(' ')[1] ?? '';
        return status === '200' ? `200 ${answer?.body}` : status;
      }),
    );
    assert.deepEqual(outcomes, [expected, expected], `${path} of ${host} ${fields.join()}`);
  }
  const counted = await Promise.all(sides.map((plane) => plane.stat('cluster.checked.ssl.fail_verify_san')));
  assert.deepEqual(counted, [3, 3]);
});
