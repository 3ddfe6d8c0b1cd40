import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolConnection, PoolWaiter } from '../pool/pool.ts';
import type { Cluster } from './cluster.ts';
import type { Host } from './host.ts';
import { endpoint, TestUpstream, testCluster, until } from './testing/cluster.ts';
import { type SocketMatch, SocketMatchStats } from './transport-sockets.ts';

const told = (values: SocketMatch['values']): SocketMatch => {
  return { values, transport: { tls: undefined, proxyProtocol: 'V1' }, stats: new SocketMatchStats() };
};
const client = (remotePort: number) => {
  return { remoteHost: '192.0.2.1', remotePort, localHost: '192.0.2.2', localPort: 80 };
};

/** A connection from the pool for that client; `undefined` where none could be made. */
function connection(cluster: Cluster, host: Host, remotePort: number): Promise<PoolConnection | undefined> {
  return new Promise((resolve) => {
    const waiter: PoolWaiter = { onPoolReady: resolve, onPoolFailure: () => resolve(undefined) };
    cluster.pool(host, 'HTTP/1.1', 'DEFAULT', client(remotePort)).acquire(waiter);
  });
}

test('the first match that the metadata of the endpoint has counts, then that of its locality, then none', () => {
  const matches = [told({ a: 1 }), told({ b: { c: [1] } })];
  const cluster = testCluster({}, [], { socketMatches: matches });
  cluster.update([
    endpoint(1, { socketMetadata: [{ a: 1, b: { c: [1] } }] }),
    endpoint(2, { socketMetadata: [{ b: { c: [1] } }, { a: 1 }] }),
    endpoint(3, { socketMetadata: [{}, { a: 1 }] }),
    endpoint(4, { socketMetadata: [{ a: '1', b: { c: 1 } }] }),
    endpoint(5),
  ]);
  const versions = cluster.hosts.map((host) => cluster.connectOf(host).proxyProtocol);
  assert.deepEqual(versions, ['V1', 'V1', 'V1', undefined, undefined]);
  assert.deepEqual(
    matches.map(({ stats }) => stats.total_match_count),
    [2, 1],
  );
});

test('a match that asks for nothing fits every endpoint', () => {
  const cluster = testCluster({}, [1], { socketMatches: [told({})] });
  assert.equal(cluster.connectOf(cluster.hosts[0] as Host).proxyProtocol, 'V1');
});

test('a host whose metadata changes is connected to anew, in the new way', async () => {
  const seen: string[] = [];
  await using upstream = await new TestUpstream((socket) => {
    const index = seen.push('') - 1;
    socket.on('data', (chunk: Buffer) => {
      seen[index] += chunk.toString();
    });
  }).start();
  const cluster = testCluster({}, [], { socketMatches: [told({ a: 1 })] });
  cluster.update([endpoint(upstream.port)]);
  const host = cluster.hosts[0] as Host;
  assert.ok(await connection(cluster, host, 1));
  cluster.update([endpoint(upstream.port, { socketMetadata: [{ a: 1 }] })]);
  assert.equal(cluster.hosts[0], host);
  assert.ok(await connection(cluster, host, 1));
  const header = 'PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\n';
  await until(() => seen.includes(header), 'the header');
  assert.deepEqual(seen, ['', header]);
  cluster.destroy();
});

test('clients have connections of their own where hosts are told of them, and share them elsewhere', async () => {
  await using upstream = await new TestUpstream().start();
  for (const [proxyProtocol, expected] of [
    ['V2', 2],
    [undefined, 1],
  ] as const) {
    const cluster = testCluster({}, [upstream.port], { proxyProtocol });
    const host = cluster.hosts[0] as Host;
    const pools = [1, 1, 2].map((port) => cluster.pool(host, 'HTTP/1.1', 'DEFAULT', client(port)));
    assert.equal(new Set(pools).size, expected);
    cluster.destroy();
  }
});

test('the pool of a client is gone with its last connection', async () => {
  await using upstream = await new TestUpstream().start();
  const cluster = testCluster({}, [upstream.port], { proxyProtocol: 'V2' });
  const host = cluster.hosts[0] as Host;
  const first = cluster.pool(host, 'HTTP/1.1', 'DEFAULT', client(1));
  await connection(cluster, host, 1);
  assert.equal(cluster.pool(host, 'HTTP/1.1', 'DEFAULT', client(1)), first);
  await until(() => upstream.sockets.length > 0, 'the connection');
  for (const socket of upstream.sockets) socket.destroy();
  await until(() => host.connectionsActive === 0, 'its end');
  assert.notEqual(cluster.pool(host, 'HTTP/1.1', 'DEFAULT', client(1)), first);
  cluster.destroy();
});

test('checks may choose how they connect by what they say, and not by the metadata of hosts', () => {
  const matches = [told({ a: 1 })];
  const cluster = testCluster({}, [], { socketMatches: matches });
  cluster.update([endpoint(1), endpoint(2, { socketMetadata: [{ a: 1 }] })]);
  const [plain, matched] = cluster.hosts as readonly [Host, Host];
  const versions = [
    cluster.connectForCheck(plain, { a: 1 }),
    cluster.connectForCheck(matched, { b: 1 }),
    cluster.connectForCheck(matched, undefined),
  ].map(({ proxyProtocol }) => proxyProtocol);
  assert.deepEqual(versions, ['V1', undefined, 'V1']);
});
