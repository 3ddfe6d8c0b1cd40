import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../testing/until.ts';
import { StreamInfo } from './stream-info.ts';
import { downstream } from './testing/downstream.ts';
import { Proxied, TextUpstream } from './testing/proxied.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

test('requests are logged as they begin, again and again, and as they end', async () => {
  await using upstream = await new TextUpstream().start();
  const manager = { access_log_options: { flush_access_log_on_new_request: true, access_log_flush_interval: '0.02s' } };
  await using proxied = await new Proxied([upstream.port], { manager }).start();
  using client = proxied.client();
  client.send(GET);
  await until(() => proxied.logged.length >= 3);
  assert.deepEqual(proxied.logTypes.slice(0, 3), ['DownstreamStart', 'DownstreamPeriodic', 'DownstreamPeriodic']);
  client.socket.destroy();
  await until(() => proxied.logTypes.at(-1) === 'DownstreamEnd');
  const { length } = proxied.logged;
  assert.equal(proxied.manager.activeRequests, 0);
  // Another request is logged at the same pace: while that goes on, the first one would be, were its timer left.
  using other = proxied.client();
  other.send(GET);
  await until(() => proxied.logged.length >= length + 3);
  assert.equal(proxied.logged.lastIndexOf(proxied.logged[0] as StreamInfo), length - 1);
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

test('what filters find out and hosts that are reached afterwards are not part of what was told then', () => {
  const info = new StreamInfo(downstream(), 0, 0);
  const host = (key: string) => ({ key, endpoint: { hostname: '' } });
  info.addMetadata('a', { b: 1 });
  for (const key of ['one', 'two']) info.reached(host(key));
  const then = info.snapshot();
  info.addMetadata('a', { b: 2 });
  info.reached(host('three'));
  assert.deepEqual(then.dynamicMetadata?.get('a'), { b: 1 });
  assert.deepEqual(
    then.hostsBefore?.map(({ key }) => key),
    ['one'],
  );
});
