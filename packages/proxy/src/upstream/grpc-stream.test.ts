import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { WeftError } from '@weft/contracts/error';
import { createTestMesh } from '@weft/identity/testing';
import { fixedTls, listen, type RawHandler, rawService } from '@weft/rpc';
import { systemClock } from '../clock.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { closedPort, testCluster, until } from '../cluster/testing/cluster.ts';
import { AnyTls } from '../pool/testing/any-tls.ts';
import { answer, Http2Upstream } from '../pool/testing/http2-upstream.ts';
import type { StreamFactory } from '../streams.ts';
import { upstreamCalls } from './calls.ts';
import { clusterStreams } from './grpc-stream.ts';

const PATH = '/weft.test.v1.Streams/Play';
const HTTP2 = { http2_protocol_options: {} };

const echo: RawHandler = (stream) => {
  void (async () => {
    for await (const message of stream.messages) if (!stream.send(message)) await stream.drained();
    stream.end();
  })();
};

async function serve(t: TestContext, handler: RawHandler, address = '127.0.0.1:0'): Promise<number> {
  const server = await listen({ address, services: [rawService({ [PATH]: handler })] });
  t.after(() => server.close());
  return Number(server.address.split(':')[1]);
}

function clusterOf(t: TestContext, port: number): Cluster {
  const cluster = testCluster(HTTP2, [port]);
  t.after(() => cluster.destroy());
  return cluster;
}

const streamsTo = (cluster: Cluster | undefined): StreamFactory => clusterStreams(() => cluster, systemClock);
const never = (): AbortSignal => new AbortController().signal;

async function failure(messages: AsyncIterable<Buffer>): Promise<WeftError> {
  try {
    for await (const _ of messages);
  } catch (thrown) {
    assert.ok(thrown instanceof WeftError);
    return thrown;
  }
  throw new Error('the stream ended well');
}

test('messages go both ways on a stream over the pool, whatever their size, and it ends as the server ends it', async (t) => {
  const cluster = clusterOf(t, await serve(t, echo));
  const stream = streamsTo(cluster)('c', PATH, never());
  const sent = [Buffer.from('first'), Buffer.alloc(0), Buffer.alloc(300_000, 7), Buffer.from('last')];
  for (const message of sent) stream.send(message);
  stream.end();
  const got: Buffer[] = [];
  for await (const message of stream.messages) got.push(message);
  assert.deepEqual(got, sent);
  assert.ok(stream.signal.aborted);
  assert.equal(cluster.stats.upstream_rq_total, 1);
  assert.equal(cluster.stats.upstream_rq_active, 0);
});

test('a stream over a unix socket is one like any other', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-stream-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 's');
  await serve(t, echo, `unix:${path}`);
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: { pipe: { path } } } }] }];
  const cluster = testCluster({ ...HTTP2, load_assignment: { cluster_name: 'c', endpoints } });
  t.after(() => cluster.destroy());
  const stream = streamsTo(cluster)('c', PATH, never());
  stream.send(Buffer.from('x'));
  stream.end();
  for await (const message of stream.messages) assert.equal(message.toString(), 'x');
});

test('a stream over TLS agrees on HTTP/2', async (t) => {
  const mesh = createTestMesh('weft.local');
  const { chainPem, keyPem } = mesh.issue('shop', 'stock');
  const tls = fixedTls({ chainPem, keyPem, rootsPem: [mesh.rootPem] });
  const services = [rawService({ [PATH]: echo })];
  const server = await listen({ address: '127.0.0.1:0', services, tls, anonymousMethods: [PATH] });
  t.after(() => server.close());
  const client = new AnyTls();
  const cluster = testCluster(HTTP2, [Number(server.address.split(':')[1])], { tls: client });
  t.after(() => cluster.destroy());
  const stream = streamsTo(cluster)('c', PATH, never());
  stream.send(Buffer.from('x'));
  stream.end();
  for await (const message of stream.messages) assert.equal(message.toString(), 'x');
  assert.deepEqual(client.offered, ['h2']);
});

test('the status that the server ends with is the error of the stream', async (t) => {
  const cluster = clusterOf(
    t,
    await serve(t, (stream) => stream.end(new WeftError('PERMISSION_DENIED', 'nicht für dich'))),
  );
  const error = await failure(streamsTo(cluster)('c', PATH, never()).messages);
  assert.equal(error.code, 'PERMISSION_DENIED');
  assert.match(error.message, /nicht für dich/);
});

test('a sender is held back while the server does not read, and memory stays bounded', async (t) => {
  let let_go: (() => void) | undefined;
  const cluster = clusterOf(
    t,
    await serve(t, (stream) => {
      let_go = () => void echo(stream, undefined as never);
    }),
  );
  const stream = streamsTo(cluster)('c', PATH, never());
  const message = Buffer.alloc(60_000, 1);
  let sent = 1;
  while (stream.send(message) && sent < 10_000) {
    sent++;
    await new Promise(setImmediate);
  }
  assert.ok(sent < 10_000, 'the server does not read, and nobody is held back');
  const drained = stream.drained();
  await until(() => let_go !== undefined);
  let_go?.();
  stream.end();
  let got = 0;
  for await (const _ of stream.messages) got++;
  assert.equal(got, sent);
  await drained;
});

test('a stream that is taken back is gone at the server', async (t) => {
  let isGone = false;
  const cluster = clusterOf(
    t,
    await serve(t, (stream) => stream.signal.addEventListener('abort', () => (isGone = true))),
  );
  const abort = new AbortController();
  const stream = streamsTo(cluster)('c', PATH, abort.signal);
  stream.send(Buffer.from('x'));
  await until(() => cluster.stats.upstream_rq_active === 1);
  abort.abort();
  assert.equal((await failure(stream.messages)).code, 'CANCELLED');
  await until(() => isGone, 'the end at the server');
  assert.equal(cluster.stats.upstream_rq_active, 0);
});

test('a stream that cannot be had breaks at once, with a sentence that says why', async (t) => {
  const nobody = clusterOf(t, await closedPort());
  const cases: readonly (readonly [Cluster | undefined, RegExp])[] = [
    [undefined, /^the cluster c is not there$/],
    [testCluster(HTTP2), /^the cluster c has no host that can be used$/],
    [nobody, /^the cluster c: connect failure: .*Connection refused/],
  ];
  for (const [cluster, expected] of cases) {
    const error = await failure(streamsTo(cluster)('c', PATH, never()).messages);
    assert.equal(error.code, 'UNAVAILABLE');
    assert.match(error.message, expected);
  }
  const aborted = streamsTo(nobody)('c', PATH, AbortSignal.abort());
  assert.equal((await failure(aborted.messages)).code, 'CANCELLED');
});

test('what does not speak gRPC is told as that', async (t) => {
  await using upstream = await new Http2Upstream((stream) => {
    stream.respond({ ':status': 404 }, { endStream: true });
  }).start();
  await using silent = await new Http2Upstream(answer).start();
  const missing = await failure(streamsTo(clusterOf(t, upstream.port))('c', PATH, never()).messages);
  assert.equal(missing.code, 'UNIMPLEMENTED');
  const untold = await failure(streamsTo(clusterOf(t, silent.port))('c', PATH, never()).messages);
  assert.equal(untold.code, 'UNKNOWN');
});

test('a connection that is lost breaks its streams', async (t) => {
  await using upstream = await new Http2Upstream((stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.write(Buffer.from([0, 0, 0, 0, 9, 1]));
    setImmediate(() => upstream.sessions[0]?.destroy());
  }).start();
  const stream = streamsTo(clusterOf(t, upstream.port))('c', PATH, never());
  assert.equal((await failure(stream.messages)).code, 'UNAVAILABLE');
});

test('a unary call gives the message of the answer, or the status with its words', async (t) => {
  const cluster = clusterOf(
    t,
    await serve(t, (stream) => {
      void (async () => {
        for await (const message of stream.messages) {
          if (message.length > 0) stream.send(message);
          stream.end(message.length > 0 ? undefined : new WeftError('NOT_FOUND', 'there is nothing'));
        }
      })();
    }),
  );
  const calls = upstreamCalls(() => cluster, systemClock);
  const call = { cluster: 'c', path: PATH, timeoutMs: 10_000 };
  assert.equal(Buffer.from(await calls.unary({ ...call, message: Buffer.from('hello') })).toString(), 'hello');
  await assert.rejects(calls.unary({ ...call, message: Buffer.alloc(0) }), {
    type: 'grpc',
    grpcStatus: 5,
    message: 'c: there is nothing',
  });
  assert.equal(cluster.stats.upstream_rq_total, 2);
  assert.equal(cluster.stats.upstream_rq_active, 0);
  assert.equal(cluster.limits.requests, 0);
});

test('a unary call that takes too long, or is taken back, ends; the server is told', async (t) => {
  let gone = 0;
  const cluster = clusterOf(t, await serve(t, (stream) => stream.signal.addEventListener('abort', () => gone++)));
  const calls = upstreamCalls(() => cluster, systemClock);
  const call = { cluster: 'c', path: PATH, message: Buffer.from('x') };
  await assert.rejects(calls.unary({ ...call, timeoutMs: 50 }), { type: 'timeout', grpcStatus: 4 });
  const { upstream_rq_timeout, upstream_rq_5xx, upstream_rq_tx_reset } = cluster.stats;
  assert.deepEqual([upstream_rq_timeout, upstream_rq_5xx, upstream_rq_tx_reset], [1, 1, 1]);
  const abort = new AbortController();
  const waiting = calls.unary({ ...call, timeoutMs: 0 }, abort.signal);
  await until(() => cluster.stats.upstream_rq_active === 1);
  abort.abort();
  await assert.rejects(waiting, { type: 'cancelled', grpcStatus: 1 });
  await until(() => gone === 2, 'the end of both at the server');
});
