import assert from 'node:assert/strict';
import type { ServerHttp2Stream } from 'node:http2';
import { test } from 'node:test';
import type { Cluster } from '../cluster/cluster.ts';
import { closedPort, TestUpstream, testCluster, until } from '../cluster/testing/cluster.ts';
import type { Pool } from './pool.ts';
import { type Call, call } from './testing/call.ts';
import { answer, Http2Upstream, neverAnswer } from './testing/http2-upstream.ts';

const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

interface Fields {
  readonly http2?: object;
  readonly common?: object;
  readonly thresholds?: object;
}

function http2Cluster(port: number, { http2 = {}, common = {}, thresholds = {} }: Fields = {}): Cluster {
  const options = {
    '@type': `type.googleapis.com/${OPTIONS}`,
    explicit_http_config: { http2_protocol_options: http2 },
    common_http_protocol_options: common,
  };
  const circuit_breakers = { thresholds: [thresholds] };
  return testCluster({ typed_extension_protocol_options: { [OPTIONS]: options }, circuit_breakers }, [port]);
}

function poolOf(cluster: Cluster): Pool {
  const [host] = cluster.hosts;
  assert.ok(host);
  return cluster.pool(host);
}

const all = (calls: readonly Call[], state: Call['state']): boolean => calls.every((one) => one.state === state);

async function gone(cluster: Cluster): Promise<void> {
  cluster.destroy();
  await until(() => cluster.stats.upstream_cx_active === 0, 'the end of all connections');
  assert.equal(cluster.limits.connections, 0);
  assert.equal(cluster.limits.pending, 0);
}

test('many requests at once share one connection', async () => {
  await using upstream = await new Http2Upstream(answer).start();
  const cluster = http2Cluster(upstream.port);
  const calls = Array.from({ length: 50 }, () => call(poolOf(cluster)));
  await until(() => all(calls, 'answered'));
  assert.equal(upstream.sessions.length, 1);
  assert.equal(calls[0]?.connection?.protocol, 'HTTP/2');
  assert.equal(cluster.stats.upstream_cx_http2_total, 1);
  assert.equal(cluster.stats.upstream_cx_http1_total, 0);
  assert.equal(cluster.stats.upstream_rq_pending_total, 50);
  const later = call(poolOf(cluster));
  assert.equal(later.state, 'sent');
  await until(() => later.state === 'answered');
  assert.equal(upstream.sessions.length, 1);
  await gone(cluster);
});

test('another connection is made when the others are full by what the server allows', async () => {
  const settings = { maxConcurrentStreams: 2 };
  const onStream = (stream: ServerHttp2Stream, index: number) => (index === 0 ? answer(stream) : undefined);
  await using upstream = await new Http2Upstream(onStream, { settings }).start();
  const cluster = http2Cluster(upstream.port);
  const first = call(poolOf(cluster));
  await until(() => first.state === 'answered');
  const more = Array.from({ length: 5 }, () => call(poolOf(cluster)));
  await until(() => all(more, 'sent') && upstream.streams.length === 6);
  assert.equal(upstream.sessions.length, 3);
  await gone(cluster);
});

test('no more streams are opened on a connection than this side allows itself', async () => {
  await using upstream = await new Http2Upstream(neverAnswer).start();
  const cluster = http2Cluster(upstream.port, { http2: { max_concurrent_streams: 1 } });
  const calls = [call(poolOf(cluster)), call(poolOf(cluster)), call(poolOf(cluster))];
  await until(() => upstream.streams.length === 3);
  assert.ok(all(calls, 'sent'));
  assert.equal(upstream.sessions.length, 3);
  await gone(cluster);
});

test('requests wait for a stream where no connection may be added, and get it as soon as one ends', async () => {
  await using upstream = await new Http2Upstream(neverAnswer).start();
  const cluster = http2Cluster(upstream.port, {
    http2: { max_concurrent_streams: 1 },
    thresholds: { max_connections: 1 },
  });
  const first = call(poolOf(cluster));
  await until(() => upstream.streams.length === 1);
  const second = call(poolOf(cluster));
  assert.equal(second.state, 'waiting');
  assert.equal(cluster.stats.upstream_cx_overflow, 1);
  assert.equal(cluster.limits.pending, 1);
  answer(upstream.streams[0] as never);
  await until(() => first.state === 'answered' && second.state === 'sent');
  await until(() => upstream.streams.length === 2);
  assert.equal(upstream.sessions.length, 1);
  await gone(cluster);
});

test('requests beyond what may wait, or run, are refused', async () => {
  await using upstream = await new TestUpstream().start();
  const cluster = http2Cluster(upstream.port, { thresholds: { max_pending_requests: 1 } });
  const calls = [call(poolOf(cluster)), call(poolOf(cluster))];
  assert.deepEqual([calls[1]?.state, calls[1]?.reset?.type, calls[1]?.reset?.isUnsent], ['refused', 'overflow', true]);
  for (let count = 0; count < cluster.limits.maxRequests; count++) cluster.limits.countRequest(1);
  await until(() => calls[0]?.state === 'refused');
  assert.equal(calls[0]?.reset?.type, 'overflow');
  assert.equal(cluster.stats.upstream_rq_pending_overflow, 1);
  assert.equal(cluster.stats.upstream_rq_active_overflow, 1);
  await gone(cluster);
});

test('after GOAWAY new requests get a new connection, and those that run on the old one end there', async () => {
  await using upstream = await new Http2Upstream((stream, index) => {
    if (index > 0) answer(stream);
  }).start();
  const cluster = http2Cluster(upstream.port);
  const old = call(poolOf(cluster));
  await until(() => upstream.streams.length === 1);
  upstream.sessions[0]?.goaway(0, 1);
  await until(() => cluster.stats.upstream_cx_close_notify === 1, 'GOAWAY');
  const next = call(poolOf(cluster));
  await until(() => next.state === 'answered');
  assert.equal(upstream.sessions.length, 2);
  answer(upstream.streams[0] as never);
  await until(() => old.state === 'answered');
  await until(() => cluster.stats.upstream_cx_active === 1, 'the end of the old connection');
  await gone(cluster);
});

test('a request above the last one that GOAWAY tells was refused, and may be sent again', async () => {
  const upstream = await new Http2Upstream(neverAnswer).start();
  await using _ = upstream;
  const cluster = http2Cluster(upstream.port);
  const calls = [call(poolOf(cluster)), call(poolOf(cluster))];
  await until(() => upstream.streams.length === 2);
  upstream.sessions[0]?.goaway(0, 1);
  await until(() => calls[1]?.state === 'reset');
  assert.deepEqual([calls[1]?.reset?.type, calls[1]?.reset?.isUnsent], ['refused-stream', true]);
  assert.equal(calls[0]?.state, 'sent');
  await gone(cluster);
});

test('a connection serves no more requests than it may, and is closed after them', async () => {
  await using upstream = await new Http2Upstream(answer).start();
  const cluster = http2Cluster(upstream.port, { common: { max_requests_per_connection: 2 } });
  for (let i = 0; i < 5; i++) {
    const one = call(poolOf(cluster));
    await until(() => one.state === 'answered');
  }
  assert.equal(upstream.sessions.length, 3);
  await until(() => cluster.stats.upstream_cx_max_requests === 2, 'the end of those that are used up');
  assert.equal(cluster.stats.upstream_cx_close_notify, 0);
  await gone(cluster);
});

test('a connection that is not used for long is closed', async () => {
  await using upstream = await new Http2Upstream(answer).start();
  const cluster = http2Cluster(upstream.port, { common: { idle_timeout: '0.05s' } });
  const one = call(poolOf(cluster));
  await until(() => one.state === 'answered');
  await until(() => cluster.stats.upstream_cx_idle_timeout === 1);
  assert.equal(cluster.stats.upstream_cx_active, 0);
  await gone(cluster);
});

test('a connection that has become too old is closed', async () => {
  await using upstream = await new Http2Upstream(answer).start();
  const cluster = http2Cluster(upstream.port, { common: { max_connection_duration: '0.05s' } });
  const one = call(poolOf(cluster));
  await until(() => one.state === 'answered');
  await until(() => cluster.stats.upstream_cx_max_duration_reached === 1);
  await until(() => cluster.stats.upstream_cx_active === 0);
  const two = call(poolOf(cluster));
  await until(() => two.state === 'answered');
  await gone(cluster);
});

test('all that wait hear of it when nobody listens', async () => {
  const cluster = http2Cluster(await closedPort());
  const calls = [call(poolOf(cluster)), call(poolOf(cluster)), call(poolOf(cluster))];
  await until(() => all(calls, 'refused'));
  assert.equal(calls[0]?.reset?.type, 'connect-failure');
  assert.equal(cluster.stats.upstream_cx_connect_fail, 1);
  assert.equal(cluster.stats.upstream_rq_pending_failure_eject, 3);
  await gone(cluster);
});

test('a server that speaks something else is told as that, at once, and not asked again and again', async () => {
  await using upstream = await new TestUpstream((socket) => {
    socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'));
  }).start();
  const cluster = http2Cluster(upstream.port);
  const one = call(poolOf(cluster));
  await until(() => one.state === 'reset');
  assert.equal(one.reset?.type, 'protocol-error');
  assert.equal(cluster.stats.upstream_cx_protocol_error, 1);
  assert.equal(cluster.stats.upstream_cx_total, 1);
  await gone(cluster);
});

test('a host that is gone keeps what runs on it, and its connection ends after that', async () => {
  await using upstream = await new Http2Upstream(neverAnswer).start();
  const cluster = http2Cluster(upstream.port);
  const one = call(poolOf(cluster));
  await until(() => upstream.streams.length === 1);
  cluster.update([]);
  answer(upstream.streams[0] as never);
  await until(() => one.state === 'answered');
  await until(() => cluster.stats.upstream_cx_active === 0);
  await gone(cluster);
});

test('a request that is taken back leaves the others alone', async () => {
  await using upstream = await new Http2Upstream(neverAnswer).start();
  const cluster = http2Cluster(upstream.port);
  const calls = [call(poolOf(cluster)), call(poolOf(cluster))];
  await until(() => upstream.streams.length === 2);
  calls[0]?.stream?.abort();
  await until(() => upstream.streams[0]?.destroyed === true);
  assert.equal(upstream.streams[0]?.rstCode, 8);
  answer(upstream.streams[1] as never);
  await until(() => calls[1]?.state === 'answered');
  assert.equal(upstream.sessions.length, 1);
  await gone(cluster);
});
