import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../cluster/testing/cluster.ts';
import { Proxied, TextUpstream } from './testing/proxied.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

interface Ended {
  readonly local: number;
  readonly remote: number;
  readonly busy: number;
}

async function isCounted({ manager: { stats } }: Proxied, expected: Ended): Promise<void> {
  await until(() => stats.downstream_cx_destroy === 1, 'the end of the connection');
  const counted = {
    local: stats.downstream_cx_destroy_local,
    remote: stats.downstream_cx_destroy_remote,
    busy: stats.downstream_cx_destroy_active_rq,
  };
  assert.deepEqual(counted, expected);
  assert.equal(stats.downstream_cx_destroy_local_active_rq, expected.local * expected.busy);
  assert.equal(stats.downstream_cx_destroy_remote_active_rq, expected.remote * expected.busy);
}

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

test('an idle connection that the client ends is one of those that were ended there', async () => {
  await using upstream = await new TextUpstream(() => ANSWER).start();
  await using proxied = await new Proxied([upstream.port]).start();
  using client = proxied.client();
  client.send(GET);
  await client.until(({ received }) => received.includes('200'));
  client.socket.end();
  await isCounted(proxied, { local: 0, remote: 1, busy: 0 });
});

test('a client that leaves its request is counted as such', async () => {
  await using upstream = await new TextUpstream().start();
  await using proxied = await new Proxied([upstream.port]).start();
  using client = proxied.client();
  client.send(GET);
  await upstream.receives('GET /');
  client.socket.resetAndDestroy();
  await isCounted(proxied, { local: 0, remote: 1, busy: 1 });
});

test('a client that ends the connection when it is asked to ended it', async () => {
  await using upstream = await new TextUpstream(() => ANSWER).start();
  await using proxied = await new Proxied([upstream.port]).start();
  await proxied.ask('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await isCounted(proxied, { local: 0, remote: 1, busy: 0 });
});

test('a connection that the client does not end when it is asked to is ended here', async () => {
  await using upstream = await new TextUpstream(() => ANSWER).start();
  await using proxied = await new Proxied([upstream.port], { manager: { delayed_close_timeout: '0.05s' } }).start();
  using client = proxied.client();
  client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await client.toEnd();
  await isCounted(proxied, { local: 1, remote: 0, busy: 0 });
});

test('a connection that is destroyed here while a request is served', async () => {
  await using upstream = await new TextUpstream().start();
  await using proxied = await new Proxied([upstream.port]).start();
  using client = proxied.client();
  client.send(GET);
  await upstream.receives('GET /');
  proxied.manager.destroy();
  await isCounted(proxied, { local: 1, remote: 0, busy: 1 });
});
