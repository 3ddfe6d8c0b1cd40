import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { chainToPem, keyToPem } from '@weft/identity';
import { makeCertificate, makeLooseRoot } from '@weft/identity/testing';
import { eventually } from '../agent/testing/eventually.ts';
import { systemClock } from '../clock.ts';
import { TlsStats } from '../stats/groups.ts';
import { Warming } from '../warming.ts';
import { ManualClock } from '../xds/testing/manual-clock.ts';
import { DownstreamTls } from './downstream.ts';
import { KeyUpdates } from './key-updates.ts';
import { SecretStore } from './secrets.ts';
import { certificateConfig, downstreamConfig } from './testing/config.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const leaf = makeCertificate('', { uris: [], dnsNames: ['a.test'], privateKey }, makeLooseRoot());
const config = downstreamConfig({
  certificates: [certificateConfig(chainToPem([leaf.certificate.der]), keyToPem(privateKey))],
});
const NOTHING = { watch: () => () => undefined, watchAll: () => () => undefined };

/** A connection that is let in, and the client of OpenSSL at its other end, which changes its keys with each `K` that it reads. */
async function startPair(t: TestContext) {
  const warming = new Warming(systemClock, () => undefined);
  const secrets = new SecretStore(NOTHING, []);
  const tls = new DownstreamTls({ config, secrets, warming, stats: new TlsStats(), clock: systemClock });
  const secured = Promise.withResolvers<TLSSocket>();
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    tls.handshake(socket, { onSecure: secured.resolve, onFailed: secured.reject });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const client = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_3']);
  client.stdin.on('error', () => undefined);
  client.stdout.resume();
  client.stderr.resume();
  const ended = once(client, 'close');
  t.after(async () => {
    client.kill();
    await ended;
    server.close();
    tls.close();
  });
  const secure = await secured.promise;
  secure.on('error', () => undefined);
  let seen = Promise.withResolvers<void>();
  secure.on('keylog', (line: Buffer) => {
    if (line.toString().startsWith('CLIENT')) seen.resolve();
  });
  secure.on('close', () => seen.resolve());
  /** Has the client change its keys, and waits until that is seen. */
  const change = async (): Promise<void> => {
    if (secure.destroyed) return;
    seen = Promise.withResolvers();
    client.stdin.write('K\n');
    await seen.promise;
  };
  return { secure, client, change };
}

/** More than 30 changes of 27 bytes each. */
const MAX_SILENT_BYTES = 900;

test('a client that does nothing but change its keys is left', async (t) => {
  const { secure, change } = await startPair(t);
  const clock = new ManualClock();
  new KeyUpdates(clock, MAX_SILENT_BYTES).watch(secure);
  secure.resume();
  for (let count = 0; count < 30; count++) await change();
  clock.pass(1000);
  assert.equal(secure.destroyed, false);
  for (let count = 0; count < 10; count++) await change();
  clock.pass(1000);
  assert.equal(secure.destroyed, true);
});

test('every connection is watched', { timeout: 60_000 }, async (t) => {
  const { secure, change } = await startPair(t);
  secure.resume();
  while (!secure.destroyed) await change();
});

test('a client may change its keys as often as it likes between what it says', async (t) => {
  const { secure, client, change } = await startPair(t);
  const clock = new ManualClock();
  new KeyUpdates(clock, MAX_SILENT_BYTES).watch(secure);
  let received = '';
  secure.on('data', (chunk: Buffer) => {
    received += chunk.toString();
  });
  for (let count = 1; count <= 40; count++) {
    await change();
    client.stdin.write('hello\n');
    await eventually(() => received.length >= 6 * count);
    clock.pass(1000);
  }
  assert.equal(secure.destroyed, false);
});
