import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { Cluster } from '../cluster/cluster.ts';
import { closedPort, endpoint, TestUpstream, testCluster, until } from '../cluster/testing/cluster.ts';
import type { Pool } from './pool.ts';
import { call } from './testing/call.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';
const answerAll = (socket: Socket): void => void socket.on('data', () => socket.write(OK));

function poolOf(cluster: Cluster): Pool {
  const [host] = cluster.hosts;
  assert.ok(host);
  return cluster.pool(host);
}

const limits = (thresholds: object): object => ({ circuit_breakers: { thresholds: [thresholds] } });

test('a connection is used again, and a second one made only while the first is busy', async () => {
  await using upstream = await new TestUpstream(answerAll).start();
  const cluster = testCluster({}, [upstream.port]);
  const pool = poolOf(cluster);
  for (let i = 0; i < 3; i++) {
    const one = call(pool);
    await until(() => one.state === 'answered');
  }
  assert.equal(upstream.sockets.length, 1);
  const both = [call(pool), call(pool)];
  await until(() => both.every(({ state }) => state === 'answered'));
  assert.equal(upstream.sockets.length, 2);
  assert.equal(cluster.stats.upstream_cx_active, 2);
  assert.equal(cluster.limits.connections, 2);
  assert.equal(cluster.limits.pending, 0);
  cluster.destroy();
  await until(() => cluster.stats.upstream_cx_active === 0);
  assert.equal(cluster.limits.connections, 0);
});

test('a kept connection that the server closes is not given to anybody', async () => {
  await using upstream = await new TestUpstream(answerAll).start();
  const cluster = testCluster({}, [upstream.port]);
  const pool = poolOf(cluster);
  const first = call(pool);
  await until(() => first.state === 'answered');
  upstream.sockets[0]!.end();
  await until(() => cluster.stats.upstream_cx_destroy_remote === 1);
  const second = call(pool);
  await until(() => second.state === 'answered');
  assert.equal(upstream.sockets.length, 2);
  cluster.destroy();
});

test('a server that says that it closes the connection is counted, and gets a new one', async () => {
  await using upstream = await new TestUpstream((socket) => {
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'));
  }).start();
  const cluster = testCluster({}, [upstream.port]);
  for (let count = 1; count <= 2; count++) {
    const one = call(poolOf(cluster));
    await until(() => one.state === 'answered');
    assert.equal(cluster.stats.upstream_cx_close_notify, count);
  }
  assert.equal(upstream.sockets.length, 2);
  cluster.destroy();
});

test('a connection that ends just as it is used again says so, since the request may be sent once more', async () => {
  await using upstream = await new TestUpstream((socket) => {
    let requests = 0;
    socket.on('data', () => (++requests === 1 ? socket.write(OK) : socket.destroy()));
  }).start();
  const cluster = testCluster({}, [upstream.port]);
  const pool = poolOf(cluster);
  const first = call(pool);
  await until(() => first.state === 'answered');
  const second = call(pool);
  await until(() => second.state === 'reset');
  assert.deepEqual([second.reset?.type, second.reset?.isReused], ['connection-termination', true]);
  assert.equal(cluster.stats.upstream_cx_destroy_remote_with_active_rq, 1);
  cluster.destroy();
});

test('unused connections are closed before usual servers close them', async () => {
  await using upstream = await new TestUpstream(answerAll).start();
  const common_http_protocol_options = { idle_timeout: '0.050s' };
  const type = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const explicit_http_config = { http_protocol_options: {} };
  const config = { '@type': `type.googleapis.com/${type}`, common_http_protocol_options, explicit_http_config };
  const options = { [type]: config };
  const cluster = testCluster({ typed_extension_protocol_options: options }, [upstream.port]);
  const one = call(poolOf(cluster));
  await until(() => cluster.stats.upstream_cx_idle_timeout === 1);
  assert.equal(one.state, 'answered');
  cluster.destroy();
});

test('a connection that has become too old takes no more requests, and is closed once it is not in use', async () => {
  const waiting: Socket[] = [];
  await using upstream = await new TestUpstream((socket) => {
    socket.on('data', () => waiting.push(socket));
  }).start();
  const type = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const common_http_protocol_options = { max_connection_duration: '0.050s', idle_timeout: '100s' };
  const explicit_http_config = { http_protocol_options: {} };
  const config = { '@type': `type.googleapis.com/${type}`, common_http_protocol_options, explicit_http_config };
  const cluster = testCluster({ typed_extension_protocol_options: { [type]: config } }, [upstream.port]);
  const { stats } = cluster;
  const one = call(poolOf(cluster));
  await until(() => stats.upstream_cx_max_duration_reached === 1);
  assert.deepEqual([one.state, stats.upstream_cx_active], ['sent', 1]);
  waiting[0]?.write(OK);
  await until(() => one.state === 'answered' && stats.upstream_cx_active === 0);
  assert.deepEqual([stats.upstream_cx_destroy_local, stats.upstream_cx_destroy_with_active_rq], [1, 0]);
  cluster.destroy();
});

test('requests beyond the connections that may be made wait, and no more of them than may', async () => {
  await using upstream = await new TestUpstream().start();
  const cluster = testCluster(limits({ max_connections: 1, max_pending_requests: 1 }), [upstream.port]);
  const pool = poolOf(cluster);
  const first = call(pool);
  await until(() => first.state === 'sent' && upstream.sockets.length === 1);
  const second = call(pool);
  const third = call(pool);
  assert.deepEqual([second.state, third.state, third.reset?.type], ['waiting', 'refused', 'overflow']);
  assert.equal(cluster.stats.upstream_rq_pending_overflow, 1);
  assert.equal(cluster.stats.upstream_cx_overflow, 1);
  upstream.sockets[0]!.write(OK);
  await until(() => second.state === 'sent');
  assert.equal(first.state, 'answered');
  assert.equal(upstream.sockets.length, 1);
  cluster.destroy();
});

test('a connection that is lost is replaced for those who wait', async () => {
  await using upstream = await new TestUpstream().start();
  const cluster = testCluster(limits({ max_connections: 1 }), [upstream.port]);
  const pool = poolOf(cluster);
  const first = call(pool);
  await until(() => upstream.sockets.length === 1);
  const second = call(pool);
  upstream.sockets[0]!.destroy();
  await until(() => first.state === 'reset' && second.state === 'sent');
  cluster.destroy();
});

test('who cannot be connected to fails those who wait, as not sent', async () => {
  const cluster = testCluster({}, [await closedPort()]);
  const both = [call(poolOf(cluster)), call(poolOf(cluster))];
  await until(() => both.every(({ state }) => state === 'refused'));
  assert.deepEqual(
    both.map(({ reset }) => [reset?.type, reset?.isUnsent]),
    Array(2).fill(['connect-failure', true]),
  );
  assert.equal(cluster.stats.upstream_cx_connect_fail, 2);
  assert.equal(cluster.limits.connections, 0);
  assert.equal(cluster.limits.pending, 0);
});

test('a connection that is not made in time is given up', async () => {
  // An address of documentation (RFC 5737) gives no answer, or is refused at once where there is no way to it.
  const address = { socket_address: { address: '192.0.2.1', port_value: 1 } };
  const load_assignment = { cluster_name: 'c', endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
  const cluster = testCluster({ connect_timeout: '0.050s', load_assignment });
  const one = call(poolOf(cluster));
  await until(() => one.state === 'refused');
  assert.match(one.reset?.type ?? '', /^connect-(timeout|failure)$/);
  assert.equal(cluster.limits.connections, 0);
});

test('who gives up waiting is not given a connection, and none is made for nobody', async () => {
  await using upstream = await new TestUpstream(answerAll).start();
  const cluster = testCluster({}, [upstream.port]);
  const pool = poolOf(cluster);
  const gone = call(pool);
  pool.cancel(gone);
  assert.equal(gone.state, 'waiting');
  assert.deepEqual([cluster.limits.pending, cluster.limits.connections], [0, 0]);
  const next = call(pool);
  await until(() => next.state === 'answered');
  assert.equal(gone.state, 'waiting');
  cluster.destroy();
});

test('a host that goes finishes what it serves, then its connections end', async () => {
  await using upstream = await new TestUpstream().start();
  await using other = await new TestUpstream(answerAll).start();
  const cluster = testCluster({}, [upstream.port]);
  const one = call(poolOf(cluster));
  await until(() => upstream.sockets.length === 1 && one.state === 'sent');
  let isClosed = false;
  upstream.sockets[0]!.on('end', () => {
    isClosed = true;
  });
  upstream.sockets[0]!.resume();
  cluster.update([endpoint(other.port)]);
  assert.equal(one.state, 'sent');
  upstream.sockets[0]!.write(OK);
  await until(() => isClosed, 'the end of the connection');
  assert.equal(one.state, 'answered');
  const two = call(poolOf(cluster));
  await until(() => two.state === 'answered');
  cluster.destroy();
});

test('requests that are under way at once are limited', async () => {
  await using upstream = await new TestUpstream(answerAll).start();
  const cluster = testCluster(limits({ max_requests: 1 }), [upstream.port]);
  cluster.limits.countRequest(1);
  const refused = call(poolOf(cluster));
  assert.equal(refused.state, 'waiting', 'until there is a connection');
  assert.equal(cluster.hosts[0]?.requestsPending, 1);
  await until(() => refused.state === 'refused');
  assert.equal(refused.reset?.type, 'overflow');
  assert.equal(call(poolOf(cluster)).reset?.type, 'overflow', 'at once, where there is a connection already');
  assert.equal(cluster.stats.upstream_rq_active_overflow, 2);
  assert.equal(cluster.hosts[0]?.requestsPending, 0);
  cluster.limits.countRequest(-1);
  const next = call(poolOf(cluster));
  await until(() => next.state === 'answered');
  cluster.destroy();
});

test('who waits for a connection is not refused for requests that are over by then', async () => {
  let asked = 0;
  await using upstream = await new TestUpstream((socket) => {
    socket.on('data', () => void (++asked > 1 && socket.write(OK)));
  }).start();
  const cluster = testCluster(limits({ max_connections: 1, max_requests: 1 }), [upstream.port]);
  const pool = poolOf(cluster);
  const one = call(pool);
  await until(() => asked === 1);
  cluster.limits.countRequest(1);
  const two = call(pool);
  assert.equal(two.state, 'waiting');
  cluster.limits.countRequest(-1);
  upstream.sockets[0]?.write(OK);
  await until(() => one.state === 'answered' && two.state === 'answered');
  cluster.destroy();
});

test('an end of a connection is counted by who ended it, and by whether somebody waited for an answer', async () => {
  const answers = [
    'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
    'HTTP/1.1 200 OK\r\n\r\nto the end',
    'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort',
  ];
  await using upstream = await new TestUpstream((socket) => {
    socket.on('data', () => socket.end(answers.shift() ?? ''));
  }).start();
  const cluster = testCluster({}, [upstream.port]);
  const { stats } = cluster;
  const counted = async (): Promise<readonly number[]> => {
    const one = call(poolOf(cluster));
    await until(() => one.state === 'answered' || one.state === 'reset');
    await until(() => stats.upstream_cx_active === 0);
    return [
      stats.upstream_cx_destroy_local + stats.upstream_cx_destroy_remote,
      stats.upstream_cx_destroy_with_active_rq,
      stats.upstream_cx_destroy_remote_with_active_rq,
      stats.upstream_cx_protocol_error,
    ];
  };
  assert.deepEqual(await counted(), [1, 0, 0, 0], 'after an answer that is the last');
  assert.deepEqual(await counted(), [2, 0, 0, 0], 'with the end of an answer');
  assert.deepEqual(await counted(), [3, 1, 1, 1], 'within an answer');
  assert.ok(stats.upstream_cx_tx_bytes_total > 0);
  cluster.destroy();
});

test('a connection that could not be made is counted among those that ended', async () => {
  const cluster = testCluster({}, [await closedPort()]);
  const one = call(poolOf(cluster));
  await until(() => one.state === 'refused');
  assert.equal(cluster.stats.upstream_cx_destroy_remote, 1);
  cluster.destroy();
});

test('an upstream that answers one request twice does not answer the next one', async () => {
  await using upstream = await new TestUpstream((socket) => {
    socket.on('data', () => socket.write(`${OK}HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n`));
  }).start();
  const cluster = testCluster(limits({ max_connections: 1 }), [upstream.port]);
  const pool = poolOf(cluster);
  const calls = [call(pool), call(pool), call(pool)];
  await until(() => calls.every(({ state }) => state === 'answered'));
  assert.equal(upstream.sockets.length, 3, 'each answer costs its connection');
  cluster.destroy();
});
