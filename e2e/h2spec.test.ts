/** The whole of h2spec passes: in the clear and over TLS, answered by the proxy itself and by an upstream. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type TestContext, test } from 'node:test';
import { listen } from './harness.ts';
import { makeCredentials, writeCertificates } from './proxy-testing/certificates.ts';
import { findH2spec, runH2spec } from './proxy-testing/h2spec.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { startPlane } from './proxy-testing/plane.ts';

/** As many cases as h2spec has; fewer would mean that some were not run. */
const CASES = 146;

/** An application that reads each request whole and answers it; gives its port. */
async function startApplication(t: TestContext): Promise<number> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end('hello\n'));
  });
  return listen(t, server);
}

test('h2spec passes whole', { timeout: 600_000 }, async (t) => {
  const h2spec = await findH2spec();
  if (!h2spec) {
    t.skip('neither WEFT_H2SPEC nor Go is there, so that h2spec cannot be had');
    return;
  }
  const folder = temporaryFolder(t);
  writeCertificates(folder, makeCredentials());
  const application = await startApplication(t);
  const plane = await startPlane(t, {
    dataPlane: 'weft',
    bootstrap: 'http2.yaml',
    folder,
    ports: { 10080: application },
  });
  for (const listener of ['clear', 'tls']) {
    for (const path of ['/', '/proxied']) {
      await t.test(`${listener} ${path}`, async () => {
        const result = await runH2spec(h2spec, { port: plane.port(listener), path, isTls: listener === 'tls' });
        assert.equal(result.failed, 0, result.report);
        assert.equal(result.passed, CASES);
      });
    }
  }
  assert.equal(await plane.stat('http2.streams_active'), 0);
});
