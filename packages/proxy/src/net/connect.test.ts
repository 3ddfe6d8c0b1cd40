import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import { TestUpstream, testCluster } from '../cluster/testing/cluster.ts';
import { sourceFor } from '../config/upstream-bind.ts';
import { type ConnectFailure, Connecting } from './connect.ts';

/** Connects to the first host of a cluster; gives why that failed, or undefined. */
function outcome(cluster: Cluster): Promise<ConnectFailure | undefined> {
  const host = cluster.hosts[0] as Host;
  return new Promise((resolve) => {
    new Connecting(
      host.address,
      {
        onConnected(socket) {
          socket.destroy();
          resolve(undefined);
        },
        onConnectFailed: resolve,
      },
      cluster.connectOf(host),
    );
  });
}

const from = (address: string) => ({ source_address: { address } });

test('a cluster is connected to from the address that it says, or from that of all clusters', async () => {
  const seen: string[] = [];
  await using upstream = await new TestUpstream((socket) => void seen.push(socket.remoteAddress ?? '')).start();
  const bound = { upstream_bind_config: from('127.0.0.6') };
  const sources = [{ host: '127.0.0.7', port: 0, family: 4 as const }];
  for (const cluster of [
    testCluster(bound, [upstream.port]),
    testCluster({}, [upstream.port], { sources }),
    testCluster(bound, [upstream.port], { sources }),
    testCluster({}, [upstream.port]),
  ]) {
    assert.equal(await outcome(cluster), undefined);
    cluster.destroy();
  }
  assert.deepEqual(seen, ['127.0.0.6', '127.0.0.7', '127.0.0.6', '127.0.0.1']);
});

test('a source that this machine has not is an error of binding, and counted', async () => {
  await using upstream = await new TestUpstream().start();
  const cluster = testCluster({ upstream_bind_config: from('192.0.2.1') }, [upstream.port]);
  const failure = await outcome(cluster);
  assert.equal(failure?.type, 'local-connect-failure');
  assert.equal(cluster.stats.bind_errors, 1);
});

test('of several sources that of the family of the host is taken', () => {
  const four = { host: '127.0.0.6', port: 0, family: 4 as const };
  const six = { host: '::1', port: 0, family: 6 as const };
  const at = (host: string) => ({ type: 'tcp' as const, host, port: 1 });
  assert.equal(sourceFor([four, six], at('127.0.0.1')), four);
  assert.equal(sourceFor([four, six], at('::1')), six);
  assert.equal(sourceFor([four], at('::1')), four);
  assert.equal(sourceFor([four, six], { type: 'unix', path: '/x' }), undefined);
  assert.equal(sourceFor([], at('::1')), undefined);
});
