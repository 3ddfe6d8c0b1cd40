import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forward, Proxied, type ProxiedOptions, ROUTER, TextUpstream } from '../../stack/testing/proxied.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.buffer.v3';
const BUFFER = { name: 'buffer', typed_config: { '@type': `${TYPE}.Buffer`, max_request_bytes: 10 } };
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const manager = { http_filters: [BUFFER, ROUTER], generate_request_id: false };
const chunked = (...chunks: readonly string[]): string =>
  `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunks
    .map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
    .join('')}0\r\n\r\n`;

async function serve(options: ProxiedOptions = {}) {
  const upstream = await new TextUpstream((text) => (/[^0]\r\n\r\n$/.test(text) ? undefined : OK)).start();
  const proxied = await new Proxied([upstream.port], { manager, ...options }).start();
  return { upstream, proxied };
}

test('the upstream gets the request when all of it has come, with its length', async () => {
  const { upstream, proxied } = await serve();
  await using _ = upstream;
  await using __ = proxied;
  using client = proxied.client();
  const [first, rest] = [chunked('12345', '67').slice(0, -20), chunked('12345', '67').slice(-20)];
  client.send(first);
  client.send(rest);
  await client.until(({ received }) => received.endsWith('ok'));
  assert.match(upstream.received.join(''), /content-length: 7\r\n.*\r\n\r\n1234567$/s);
});

test('a longer body is answered 413, and the upstream never hears of it', async () => {
  const { upstream, proxied } = await serve();
  await using _ = upstream;
  await using __ = proxied;
  assert.match(await proxied.ask(chunked('12345', '67890', '1')), /^HTTP\/1\.1 413 Payload Too Large\r\n/);
  assert.deepEqual(upstream.received, []);
  assert.equal(proxied.logged[0]?.responseDetails, 'request_payload_too_large');
});

test('a route can have another limit, or none', async () => {
  for (const level of [
    { '@type': `${TYPE}.BufferPerRoute`, disabled: true },
    { '@type': `${TYPE}.BufferPerRoute`, buffer: { max_request_bytes: 20 } },
    { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', disabled: true },
  ]) {
    const { upstream, proxied } = await serve({
      routeConfig: forward({}, { typed_per_filter_config: { buffer: level } }),
    });
    await using _ = upstream;
    await using __ = proxied;
    assert.match(await proxied.ask(chunked('12345', '67890', '1')), /^HTTP\/1\.1 200 OK\r\n/);
  }
});
