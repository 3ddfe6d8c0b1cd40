import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WeftError } from '@weft/contracts/error';
import { Identity, type JoinResponse } from '@weft/contracts/node';
import { createTestMesh } from '@weft/identity/testing';
import { changingTls, connect, listen, rawService, typedService } from './index.ts';

const empty: JoinResponse = { chain: [], notBeforeMs: 0, notAfterMs: 0, nowMs: 7 };

test('a call over mutual TLS reaches its handler with the identity of the caller', async () => {
  const mesh = createTestMesh();
  const server = mesh.issue('weft-system', 'ca');
  const client = mesh.issue('shop', 'cart');
  const material = (svid: typeof server) => ({
    chainPem: svid.chainPem,
    keyPem: svid.keyPem,
    rootsPem: [mesh.rootPem],
  });
  let seen: unknown;
  const running = await listen({
    address: '127.0.0.1:0',
    tls: changingTls(material(server)),
    services: [
      typedService(Identity, {
        join: async () => empty,
        renew: async (_request, call) => {
          seen = call.caller.identity;
          return empty;
        },
        watchMesh: async function* (_request, call) {
          for (let i = 0; i < 3; i += 1)
            yield {
              trustDomain: `${i}`,
              roots: [],
              caAddresses: [],
              discoveryAddresses: [],
              xdsAddresses: [],
              telemetryAddresses: [],
            };
          call.signal.throwIfAborted();
        },
      }),
      rawService({
        '/x.Y/Echo': (stream) => {
          (async () => {
            for await (const m of stream.messages) if (!stream.send(m)) await stream.drained();
            stream.end();
          })().catch((e) => stream.end(e));
        },
      }),
    ],
  });
  const channel = connect({
    addresses: [running.address],
    tls: { source: changingTls(material(client)), expect: (id) => id.serviceAccount === 'ca' },
  });
  const response = await channel.client(Identity).renew({ csr: Buffer.alloc(0), nowMs: 1 });
  assert.equal(response.nowMs, 7);
  assert.deepEqual(seen, client.id);
  const infos = [];
  for await (const info of channel.client(Identity).watchMesh({})) infos.push(info.trustDomain);
  assert.deepEqual(infos, ['0', '1', '2']);
  const stream = channel.raw('/x.Y/Echo');
  stream.send(Buffer.from('a'));
  stream.send(Buffer.alloc(100_000));
  stream.end();
  const lengths = [];
  for await (const m of stream.messages) lengths.push(m.length);
  assert.deepEqual(lengths, [1, 100_000]);
  channel.close();
  await running.close();
  const nobody = connect({ addresses: [running.address] });
  await assert.rejects(nobody.client(Identity).renew({ csr: Buffer.alloc(0), nowMs: 1 }), (e: WeftError) => {
    console.log(e.message);
    return e.code === 'UNAVAILABLE';
  });
});
