/** The snapshots on a real Envoy: two sidecars with mutual TLS between them, over ADS in both variants. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { states, type Workload } from '@weft/contracts/bus';
import { Rollout } from '@weft/contracts/node';
import { sketchWorkload } from '@weft/model/testing';
import { sketchRoute, sketchService } from '@weft/policies/testing';
import { connect } from '@weft/rpc';
import { type Application, call, startApplication, startEcho, talk } from './testing/applications.ts';
import { envoyPath, freePort, type RunningEnvoy, startEnvoy } from './testing/envoy.ts';
import { eventually, Ground, type RunningServer } from './testing/ground.ts';

const path = await envoyPath();
const skip = path === undefined ? 'there is no Envoy on this machine' : false;
const VARIANTS = ['DELTA_GRPC', 'GRPC'] as const;

interface Shop {
  readonly ground: Ground;
  readonly server: RunningServer;
  readonly web: RunningEnvoy;
  readonly proxyPort: number;
  readonly upstreamPort: number;
  readonly dbPort: number;
  readonly apps: readonly Application[];
  readonly stocks: readonly Workload[];
  readonly envoys: readonly RunningEnvoy[];
}

async function stockWorkload(id: string, applicationPort: number): Promise<Workload> {
  const inboundPort = await freePort();
  const labels = { version: id };
  return sketchWorkload({
    service: 'stock',
    id,
    address: '127.0.0.1',
    inboundPort,
    applicationPort,
    outboundPort: 0,
    labels,
  });
}

/** Two instances of stock and a database behind Envoys, and a caller. */
async function openShop(t: TestContext, variant: (typeof VARIANTS)[number]): Promise<Shop> {
  const ground = await Ground.open(t);
  const server = await ground.serve();
  const apps = [await startApplication(t, 'v1'), await startApplication(t, 'v2')];
  const stocks = await Promise.all(apps.map((app, index) => stockWorkload(`v${index + 1}`, app.port)));
  const db = sketchWorkload({
    service: 'db',
    protocol: 'TCP',
    address: '127.0.0.1',
    inboundPort: await freePort(),
    applicationPort: await startEcho(t, 'hello\n'),
    outboundPort: 0,
  });
  const [proxyPort, upstreamPort, dbPort] = [await freePort(), await freePort(), await freePort()];
  const upstreams = [
    { namespace: 'shop', service: 'stock', localPort: upstreamPort },
    { namespace: 'shop', service: 'db', localPort: dbPort },
  ];
  const caller = sketchWorkload({
    service: 'web',
    inboundPort: 0,
    address: '127.0.0.1',
    outboundPort: proxyPort,
    upstreams,
  });
  const envoys: RunningEnvoy[] = [];
  for (const workload of [...stocks, db, caller]) {
    await ground.register(workload);
    const options = { id: `shop/${workload.id}`, cluster: workload.service, server: server.address, variant };
    envoys.push(await startEnvoy(t, path ?? '', options));
  }
  const web = envoys.at(-1);
  assert.ok(web);
  for (const { id } of [...stocks, db, caller]) {
    await ground.status(`shop/${id}`, (status) => status.acknowledgedRegistryRevision >= 4 && status.snapshot !== '');
  }
  return { ground, server, web, proxyPort, upstreamPort, dbPort, apps, stocks, envoys };
}

const get = (shop: Shop, url: string, rest: object = {}) => call({ port: shop.proxyPort, path: url, ...rest });

async function assertNoRefusal({ ground, envoys, server }: Shop): Promise<void> {
  for (const envoy of envoys) assert.doesNotMatch(envoy.log(), /\[(?:error|critical)\]|rejected/, envoy.log());
  for (const { value } of await ground.bus.state(states.proxies).list()) assert.deepEqual(value.nacks, []);
  const metric = await server.metrics.getSingleMetric('weft_xds_server_nacks_total')?.get();
  assert.deepEqual(metric?.values, []);
}

async function hostsAndIdentities(shop: Shop): Promise<void> {
  const ok = await get(shop, 'http://stock.mesh/a//b?x=1', {
    headers: { 'x-forwarded-client-cert': 'URI=spiffe://evil' },
  });
  assert.equal(ok.status, 200, ok.text);
  assert.equal(ok.told.path, '/a/b?x=1');
  const shown = ok.told.headers?.['x-forwarded-client-cert'] ?? '';
  assert.match(shown, /URI=spiffe:\/\/weft\.test\/ns\/shop\/sa\/web$/);
  assert.doesNotMatch(shown, /evil/);
  assert.equal((await get(shop, 'http://stock.shop.mesh:8080/')).status, 200);
  const unknown = await get(shop, 'http://www.example.com/');
  assert.equal(unknown.status, 404);
  assert.match(unknown.text, /^weft: no service answers to "www.example.com"/);
  const http10 = await talk(shop.proxyPort, 'GET http://stock.mesh/ten HTTP/1.0\r\n\r\n', '}');
  assert.match(http10, /^HTTP\/1.0 200 OK/);
  assert.equal((await call({ port: shop.upstreamPort, path: '/local' })).told.path, '/local');
}

async function tunnels(shop: Shop): Promise<void> {
  const connectTo = (host: string, then: string) => `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n${then}`;
  const http = connectTo('stock.mesh:80', 'GET /tunnel HTTP/1.1\r\nHost: stock.mesh\r\n\r\n');
  assert.match(await talk(shop.proxyPort, http, '}'), /^HTTP\/1.1 200 [\s\S]*"path":"\/tunnel"/);
  assert.match(await talk(shop.proxyPort, connectTo('db.mesh:5432', ''), 'hello\n'), /^HTTP\/1.1 200/);
  assert.match(
    await talk(shop.proxyPort, connectTo('elsewhere:443', ''), '.mesh\n'),
    /^HTTP\/1.1 404[\s\S]*"elsewhere:443"/,
  );
  assert.equal(await talk(shop.dbPort, 'ping\n', 'ping\n'), 'hello\nping\n');
  const plain = await get(shop, 'http://db.mesh/');
  assert.deepEqual([plain.status, plain.text.slice(0, 31)], [400, 'weft: shop/db speaks TCP, not H']);
}

async function tcpWeights(shop: Shop): Promise<void> {
  const rules = [
    {
      backendRefs: [
        { name: 'db', weight: 1 },
        { name: 'db-spare', weight: 1 },
      ],
    },
  ];
  const spare = sketchService('db-spare', { protocol: 'tcp', selector: { service: 'db' } });
  const revision = await shop.ground.apply(spare, sketchRoute({ kind: 'TCPRoute', name: 'db', parent: 'db', rules }));
  await shop.ground.status('shop/web-1', (status) => status.acknowledgedRevision >= revision);
  const connections = () => shop.web.stat('cluster.outbound/shop/db-spare.upstream_cx_total');
  await eventually('a connection to the other', async () => {
    assert.equal(await talk(shop.dbPort, 'ping\n', 'ping\n'), 'hello\nping\n');
    return (await connections()) > 0 ? true : undefined;
  });
  const before = await connections();
  await eventually('a tunnel to the other', async () => {
    await talk(shop.proxyPort, 'CONNECT db.mesh:1 HTTP/1.1\r\nHost: db.mesh:1\r\n\r\n', 'hello\n');
    return (await connections()) > before ? true : undefined;
  });
}

async function routes(shop: Shop): Promise<void> {
  const versions = [1, 2].map((n) =>
    sketchService(`stock-v${n}`, { selector: { service: 'stock', version: `v${n}` } }),
  );
  const rules = [
    { matches: [{ headers: [{ name: 'x-user', value: 'tester' }] }], backendRefs: [{ name: 'stock-v2' }] },
    {
      matches: [{ path: { value: '/old' } }],
      filters: [
        {
          type: 'RequestRedirect',
          requestRedirect: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' } },
        },
      ],
    },
    {
      matches: [{ path: { value: '/api' } }],
      filters: [
        { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } } },
        { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-share', value: '100%' }] } },
        { type: 'ResponseHeaderModifier', responseHeaderModifier: { add: [{ name: 'x-by', value: 'weft' }] } },
      ],
      backendRefs: [{ name: 'stock-v1' }],
    },
    { matches: [{ path: { value: '/none' } }], backendRefs: [{ name: 'stock-v1', weight: 0 }] },
    {
      matches: [{ path: { value: '/only' } }],
      backendRefs: [
        { name: 'stock-v1', weight: 1 },
        { name: 'stock-v2', weight: 0 },
      ],
    },
  ];
  const revision = await shop.ground.apply(...versions, sketchRoute({ parent: 'stock', rules }));
  await shop.ground.status('shop/web-1', (status) => status.acknowledgedRevision >= revision);
  for (let n = 0; n < 4; n++) {
    assert.equal((await get(shop, 'http://stock.mesh/', { headers: { 'x-user': 'tester' } })).told.name, 'v2');
    assert.equal((await get(shop, 'http://stock.mesh/only')).told.name, 'v1');
  }
  const redirect = await get(shop, 'http://stock.mesh/old/x?q=1');
  assert.deepEqual([redirect.status, redirect.headers.location], [302, 'http://stock.mesh/new/x?q=1']);
  const rewritten = await get(shop, 'http://stock.mesh/api/x');
  assert.deepEqual(
    [rewritten.told.path, rewritten.told.headers?.['x-share'], rewritten.headers['x-by']],
    ['/x', '100%', 'weft'],
  );
  assert.equal((await get(shop, 'http://stock.mesh/none')).status, 500);
  assert.equal((await get(shop, 'http://stock.mesh/else')).status, 404);
}

async function lossOfAnInstance(shop: Shop): Promise<void> {
  const revision = await shop.ground.apply(
    sketchRoute({ parent: 'stock', rules: [{ backendRefs: [{ name: 'stock' }] }] }),
  );
  await shop.ground.status('shop/web-1', (status) => status.acknowledgedRevision >= revision);
  await shop.apps[0]?.stop();
  const post = () => get(shop, 'http://stock.mesh/order', { method: 'POST', body: 'one' });
  const answers = await Promise.all(Array.from({ length: 40 }, post));
  assert.deepEqual(new Set(answers.map(({ status, told }) => `${status} ${told.name}`)), new Set(['200 v2']));
  await shop.envoys[0]?.stop();
  const others = await Promise.all(Array.from({ length: 40 }, post));
  assert.deepEqual(new Set(others.map(({ status }) => status)), new Set([200]));
  const forged = await get(shop, 'http://stock.mesh/forge');
  assert.deepEqual([forged.status, forged.headers['x-weft-refused']], [503, undefined]);
}

async function removal(shop: Shop): Promise<void> {
  const [first] = shop.stocks;
  assert.ok(first);
  const registryRevision = await shop.ground.deregister(first);
  const channel = connect({ addresses: [shop.server.address] });
  const answer = await channel.client(Rollout).waitPropagated({ registryRevision, timeoutMs: 10_000 });
  channel.close();
  // The proxy of the instance that was stopped is gone by now, so that three are left.
  assert.deepEqual(answer, { propagated: true, proxies: 3 });
  const clusters = await shop.web.admin('/clusters');
  assert.doesNotMatch(clusters, new RegExp(`outbound/shop/stock::127.0.0.1:${first.ports[0]?.inboundPort}::`));
}

for (const variant of VARIANTS) {
  test(`Envoy takes everything and serves it, over ${variant}`, { skip, timeout: 120_000 }, async (t) => {
    const shop = await openShop(t, variant);
    await t.test('hosts, identities and headers', () => hostsAndIdentities(shop));
    await t.test('TCP and tunnels', () => tunnels(shop));
    await t.test('TCP by weight', () => tcpWeights(shop));
    await t.test('routes', () => routes(shop));
    await t.test('an instance that is lost loses no request', () => lossOfAnInstance(shop));
    await t.test('an instance that is taken out is gone from every proxy', () => removal(shop));
    await t.test('access logs arrive', async () => {
      for (const entry of ['shop/web-1 outbound', 'shop/v2 inbound']) {
        await eventually(entry, () => (shop.ground.accessLogs.includes(entry) ? true : undefined));
      }
    });
    await t.test('nothing was refused', () => assertNoRefusal(shop));
  });
}
