/** Clients that leave in the middle of a handshake of TLS leave nothing behind; after it a direction ends by itself. */
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { DATA_PLANES, freePort, listen, until } from './harness.ts';
import { makeCredentials, writeCertificates } from './proxy-testing/certificates.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { startPlane } from './proxy-testing/plane.ts';

const CLIENTS = 20;
/** Nothing; a record that is not whole; a whole one with a message that is not. */
const OPENINGS = ['', '16030100c80100', '1603010005010000c803'].map((hex) => Buffer.from(hex, 'hex'));

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane} keeps no connection of a client that left before the handshake was done`, async (t) => {
    const folder = temporaryFolder(t);
    writeCertificates(folder, makeCredentials());
    const ports = { 10081: await freePort() };
    const plane = await startPlane(t, { dataPlane, bootstrap: 'mtls-server.yaml', folder, ports });
    const active = async (): Promise<number> => {
      const { body } = await plane.admin('/stats?filter=^listener\\.[0-9._]*\\.downstream_cx_active$');
      return body.split('\n').reduce((sum, line) => sum + Number(line.split(': ')[1] ?? 0), 0);
    };
    for (const opening of OPENINGS) {
      for (const how of ['end', 'reset'] as const) {
        const clients = Array.from({ length: CLIENTS }, () => connect({ host: '127.0.0.1', port: plane.port('http') }));
        for (const client of clients) client.on('error', () => client.destroy()).write(opening);
        await until('the connections', async () => ((await active()) === CLIENTS ? true : undefined));
        const leftMs = performance.now();
        for (const client of clients) {
          if (how === 'end') client.destroy();
          else client.resetAndDestroy();
        }
        await until(`their end by ${how}`, async () => ((await active()) === 0 ? true : undefined), 10_000);
        assert.ok(performance.now() - leftMs < 3000, `${how} after ${opening.toString('hex')}`);
      }
    }
  });

  test(`${dataPlane} answers over TLS after the client has ended its direction`, async (t) => {
    const credentials = makeCredentials();
    const folder = temporaryFolder(t);
    writeCertificates(folder, credentials);
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      let bytes = 0;
      socket.on('error', () => socket.destroy());
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      socket.on('end', () => socket.end(`heard ${bytes}`));
    });
    const ports = { 10081: await listen(t, server) };
    const plane = await startPlane(t, { dataPlane, bootstrap: 'mtls-server.yaml', folder, ports });
    const identity = { cert: credentials.cart.chainPem, key: credentials.cart.keyPem };
    const options = { host: '127.0.0.1', port: plane.port('tcp'), rejectUnauthorized: false, allowHalfOpen: true };
    const heard = await new Promise<string>((resolve, reject) => {
      let text = '';
      const client = connectTls({ ...options, ...identity }, () => client.end('x'.repeat(100_000)));
      client.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      client.on('end', () => resolve(text));
      client.on('error', reject);
    });
    assert.equal(heard, 'heard 100000');
  });
}
