import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../testing/until.ts';
import { Proxied, TextUpstream } from './testing/proxied.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const age = (more: object = {}) => ({
  manager: { common_http_protocol_options: { max_connection_duration: '0.05s' }, drain_timeout: '0.1s', ...more },
});

test('a connection that is older than it may be ends, though nothing is asked on it', async () => {
  await using upstream = await new TextUpstream(() => ANSWER).start();
  await using proxied = await new Proxied([upstream.port], age()).start();
  using client = proxied.client();
  client.send(GET);
  await client.toEnd();
  assert.match(client.received, /^HTTP\/1.1 200/);
  assert.equal(proxied.manager.stats.downstream_cx_max_duration_reached, 1);
});

test('where that is to be safe, it ends with an answer alone', async () => {
  await using upstream = await new TextUpstream(() => ANSWER).start();
  await using proxied = await new Proxied([upstream.port], age({ http1_safe_max_connection_duration: true })).start();
  using client = proxied.client();
  client.send(GET);
  await until(() => proxied.manager.stats.downstream_cx_max_duration_reached === 1);
  client.send(GET);
  assert.match(await client.toEnd(), /200 OK.*200 OK\r\n.*connection: close\r\n/s);
});
