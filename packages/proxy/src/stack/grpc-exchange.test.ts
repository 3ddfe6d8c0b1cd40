/** What the stack does for gRPC requests, whichever version of HTTP they come in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forward, Proxied, ROUTER, routes, TextUpstream } from './testing/proxied.ts';

const GRPC = 'POST /s/m HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc+proto\r\nTE: trailers\r\n';
const EMPTY = `${GRPC}Content-Length: 0\r\n\r\n`;
const whole = (received: string): boolean => received.includes('\r\n\r\n');

test('an answer of the proxy itself is of gRPC for a gRPC request: 200, a status, and a message in the head', async () => {
  await using proxied = await new Proxied([]).start();
  const got = await proxied.ask(EMPTY, whole);
  assert.match(got, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(got, /\r\ncontent-type: application\/grpc\r\n/);
  assert.match(got, /\r\ngrpc-status: 14\r\n/);
  assert.match(got, /\r\ngrpc-message: no healthy upstream\r\n/);
  assert.match(got, /\r\ncontent-length: 0\r\n/);
  assert.equal(proxied.cluster.stats.upstream_rq_5xx, 1);
  assert.equal(proxied.manager.stats.downstream_rq_2xx, 1);
});

test('the HTTP status that a mapper gives is the one that is told in gRPC', async () => {
  const mapper = {
    filter: { status_code_filter: { comparison: { op: 'EQ', value: { default_value: 404 } } } },
    status_code: 403,
    body: { inline_string: 'nothing für you' },
  };
  const manager = { local_reply_config: { mappers: [mapper] } };
  await using proxied = await new Proxied([], { manager, routeConfig: routes() }).start();
  const got = await proxied.ask(EMPTY, whole);
  assert.match(got, /\r\ngrpc-status: 7\r\n/);
  assert.match(got, /\r\ngrpc-message: nothing f%C3%BCr you\r\n/);
});

test('a route for gRPC is for gRPC alone', async () => {
  const list = [
    { match: { prefix: '/', grpc: {} }, direct_response: { status: 200, body: { inline_string: 'grpc' } } },
    { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'other' } } },
  ];
  await using proxied = await new Proxied([], { routeConfig: routes(...list) }).start();
  assert.match(await proxied.ask(EMPTY, whole), /\r\ngrpc-message: grpc\r\n/);
  assert.match(await proxied.ask('GET / HTTP/1.1\r\nHost: a\r\n\r\n', (text) => text.endsWith('other')), /other$/);
});

test('an answer with a status of gRPC that the policy names is asked for again', async () => {
  let count = 0;
  await using upstream = await new TextUpstream(() => {
    const status = ++count < 3 ? 14 : 0;
    return `HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: ${status}\r\ncontent-length: 0\r\n\r\n`;
  }).start();
  const retry_policy = { retry_on: 'unavailable,cancelled', num_retries: 3 };
  await using proxied = await new Proxied([upstream.port], { routeConfig: forward({ retry_policy }) }).start();
  assert.match(await proxied.ask(EMPTY, whole), /\r\ngrpc-status: 0\r\n/);
  assert.equal(count, 3);
  assert.equal(proxied.cluster.stats.upstream_rq_retry, 2);
});

test('a stream that takes longer than its deadline is ended with DEADLINE_EXCEEDED, and the upstream is told before', async () => {
  await using upstream = await new TextUpstream().start();
  const max_stream_duration = { grpc_timeout_header_max: '0s' };
  await using proxied = await new Proxied([upstream.port], { routeConfig: forward({ max_stream_duration }) }).start();
  const got = await proxied.ask(`${GRPC}grpc-timeout: 50m\r\nContent-Length: 0\r\n\r\n`, whole);
  assert.match(got, /\r\ngrpc-status: 4\r\n/);
  assert.match(got, /\r\ngrpc-message: downstream duration timeout\r\n/);
  assert.match(upstream.received.join(''), /\r\ngrpc-timeout: 50m\r\n/);
  assert.equal(proxied.manager.stats.downstream_rq_max_duration_reached, 1);
  assert.equal(proxied.logged[0]?.responseDetails, 'max_duration_timeout');
});

test('a response that has begun is cut off at the limit of the stream, and never looks complete', async () => {
  await using upstream = await new TextUpstream(
    () => 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n',
  ).start();
  const manager = { http_filters: [ROUTER], common_http_protocol_options: { max_stream_duration: '0.1s' } };
  await using proxied = await new Proxied([upstream.port], { manager }).start();
  const got = await proxied.ask('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match(got, /2\r\nhi\r\n$/);
});
