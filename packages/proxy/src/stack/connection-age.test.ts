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

test('requests are logged as they begin, again and again, and as they end', async () => {
  await using upstream = await new TextUpstream().start();
  const manager = { access_log_options: { flush_access_log_on_new_request: true, access_log_flush_interval: '0.02s' } };
  await using proxied = await new Proxied([upstream.port], { manager }).start();
  using client = proxied.client();
  client.send(GET);
  await until(() => proxied.logged.length >= 3);
  assert.equal(proxied.logged[0]?.logType, 'DownstreamPeriodic');
  client.socket.destroy();
  await until(() => proxied.logged.at(-1)?.logType === 'DownstreamEnd');
  const { length } = proxied.logged;
  assert.equal(proxied.manager.activeRequests, 0);
  await until(() => proxied.manager.stats.downstream_cx_active === 0);
  assert.equal(proxied.logged.length, length);
});

test('a log that is not the last tells what there was then', async () => {
  await using upstream = await new TextUpstream().start();
  const manager = { flush_access_log_on_new_request: true };
  await using proxied = await new Proxied([upstream.port], { manager }).start();
  using client = proxied.client();
  client.send(GET);
  await until(() => proxied.logged.length === 1);
  const then = proxied.logged[0]?.snapshot();
  client.socket.destroy();
  await until(() => proxied.logged.length === 2);
  assert.deepEqual([then?.logType, then?.endMs, proxied.logged[1]?.logType], ['DownstreamStart', 0, 'DownstreamEnd']);
});
