import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../cluster/testing/cluster.ts';
import { routeConfiguration } from '../../config/route.ts';
import { Place } from '../../config/schema.ts';
import { forward, Proxied, routes, TextUpstream } from '../../stack/testing/proxied.ts';
import { shadowAuthority } from './mirror.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const POST = 'POST /a HTTP/1.1\r\nhost: shop:80\r\ncontent-length: 4\r\nconnection: close\r\n\r\n';

const answering = (text: string) => (text.includes('\r\n\r\n') ? OK : undefined);

test('a copy goes to the other cluster, under another name, and the client gets the first answer', async () => {
  await using upstream = await new TextUpstream(answering).start();
  await using shadow = await new TextUpstream(() => 'HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n').start();
  await using proxied = await new Proxied([upstream.port], {
    clusters: { shadow: shadow.port },
    routeConfig: forward({ request_mirror_policies: [{ cluster: 'shadow' }] }),
  }).start();
  assert.match(await proxied.ask(`${POST}body`), /^HTTP\/1\.1 200/);
  await shadow.receives('body');
  assert.match(shadow.received[0] ?? '', /^POST \/a HTTP\/1\.1\r\nhost: shop-shadow:80\r\n/);
  assert.match(shadow.received[0] ?? '', /x-envoy-internal: true\r\n/);
  assert.match(upstream.received[0] ?? '', /\r\nhost: shop:80\r\n/);
  const stats = proxied.clusters.get('shadow')?.stats;
  await until(() => stats?.upstream_rq_completed === 1);
  assert.equal(stats?.upstream_rq_5xx, 1);
});

test('a body that comes in pieces is copied in pieces, before there is a connection and after', async () => {
  await using upstream = await new TextUpstream((text) => (text.includes('zz') ? OK : undefined)).start();
  await using shadow = await new TextUpstream().start();
  await using proxied = await new Proxied([upstream.port], {
    clusters: { shadow: shadow.port },
    routeConfig: forward({ request_mirror_policies: [{ cluster: 'shadow', disable_shadow_host_suffix_append: true }] }),
  }).start();
  using client = proxied.client();
  client.send(`${POST}ab`);
  await shadow.receives('ab');
  client.send('zz');
  assert.match(await client.toEnd(), /^HTTP\/1\.1 200/);
  await shadow.receives('abzz');
  assert.match(shadow.received[0] ?? '', /\r\nhost: shop:80\r\n/);
});

test('a cluster that is not there, refuses or answers never does no harm', async () => {
  await using upstream = await new TextUpstream(answering).start();
  await using shadow = await new TextUpstream().start();
  const request_mirror_policies = [
    { cluster: 'nowhere' },
    { cluster_header: 'x-to' },
    { cluster: 'shadow' },
    { cluster: 'shadow', runtime_fraction: { default_value: { numerator: 0 } } },
  ];
  await using proxied = await new Proxied([upstream.port], {
    clusters: { shadow: shadow.port },
    routeConfig: forward({ request_mirror_policies, timeout: '0.1s' }),
  }).start();
  assert.match(await proxied.ask(`${POST}body`), /^HTTP\/1\.1 200/);
  const stats = proxied.clusters.get('shadow')?.stats;
  await until(() => stats?.upstream_rq_timeout === 1, 'the timeout of the copy');
  assert.equal(stats?.upstream_rq_total, 1);
  assert.equal(stats?.upstream_rq_active, 0);
});

test('a copy that is not taken is given up, and memory is not held for it', async () => {
  await using upstream = await new TextUpstream((text) => (text.endsWith('end') ? OK : undefined)).start();
  await using shadow = await new TextUpstream((_, socket) => {
    socket.pause();
    return undefined;
  }).start();
  await using proxied = await new Proxied([upstream.port], {
    bufferLimit: 65_536,
    clusters: { shadow: shadow.port },
    routeConfig: forward({ request_mirror_policies: [{ cluster: 'shadow' }] }),
  }).start();
  const size = 32 * 1_048_576;
  const body = `${'x'.repeat(size - 3)}end`;
  const head = `POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: ${size}\r\nconnection: close\r\n\r\n`;
  assert.match(await proxied.ask(head + body), /^HTTP\/1\.1 200/);
  const stats = proxied.clusters.get('shadow')?.stats;
  assert.equal(stats?.retry_or_shadow_abandoned, 1);
  assert.equal(stats?.upstream_rq_active, 0);
});

test('a client that leaves before its request is whole takes the copy along', async () => {
  await using upstream = await new TextUpstream().start();
  await using shadow = await new TextUpstream().start();
  await using proxied = await new Proxied([upstream.port], {
    clusters: { shadow: shadow.port },
    routeConfig: forward({ request_mirror_policies: [{ cluster: 'shadow' }] }),
  }).start();
  using client = proxied.client();
  client.send(`${POST}ab`);
  await shadow.receives('ab');
  client.socket.destroy();
  await until(() => shadow.closed === 1, 'the end of the copy');
});

test('the most specific policies count', async () => {
  await using upstream = await new TextUpstream(answering).start();
  await using shadow = await new TextUpstream().start();
  await using other = await new TextUpstream().start();
  const list = routes(
    { match: { prefix: '/own' }, route: { cluster: 'c', request_mirror_policies: [{ cluster: 'other' }] } },
    { match: { prefix: '/' }, route: { cluster: 'c' } },
  );
  await using proxied = await new Proxied([upstream.port], {
    clusters: { shadow: shadow.port, other: other.port },
    routeConfig: { ...list, request_mirror_policies: [{ cluster: 'shadow' }] },
  }).start();
  const get = (path: string) => proxied.ask(`GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
  await get('/own');
  await get('/any');
  await other.receives('GET /own');
  await shadow.receives('GET /any');
  assert.doesNotMatch(shadow.received.join(''), /own/);
});

test('a host gets its suffix before the port', () => {
  assert.equal(shadowAuthority('a'), 'a-shadow');
  assert.equal(shadowAuthority('a:80'), 'a-shadow:80');
  assert.equal(shadowAuthority('[::1]'), '[::1]-shadow');
  assert.equal(shadowAuthority('[::1]:80'), '[::1]-shadow:80');
});

test('policies that name no cluster, or two, are refused by path', () => {
  const place = new Place();
  const request_mirror_policies = [
    {},
    { cluster: 'a', cluster_header: 'b' },
    { cluster: 'a', host_rewrite_literal: 'x' },
  ];
  routeConfiguration.parse(forward({ request_mirror_policies }), place);
  const at = 'virtual_hosts[0].routes[0].route.request_mirror_policies';
  assert.deepEqual(
    place.issues.map(({ path }) => path),
    [`${at}[0]`, `${at}[1]`, `${at}[2].host_rewrite_literal`],
  );
});
