import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../harness.ts';
import {
  type Compose,
  composeUp,
  type DataPlane,
  docker,
  type Options,
  settled,
  shopIsOpen,
  startTraffic,
  succeed,
} from './compose.ts';

const CANARY = join(import.meta.dirname, '../../examples/shop/canary.yaml');
const CONTROL_PLANE = ['ca', 'discovery', 'xds-server', 'telemetry', 'api'] as const;
const SHOP = ['web', 'cart', 'stock-v1', 'stock-v2'] as const;
const BOTH: readonly DataPlane[] = ['weft', 'envoy'];

async function open(t: TestContext, options: Options = {}): Promise<Compose> {
  const compose = await composeUp(options);
  t.after(() => compose.down());
  return compose;
}

interface Link {
  readonly service: string;
  readonly version: string;
  readonly caller?: string;
  readonly called: readonly Link[];
}

/** The chain web → cart → stock of one answer of the shop. */
async function chain(compose: Compose, dataPlane: DataPlane): Promise<readonly [Link, Link, Link]> {
  const { status, body } = await compose.ask(dataPlane);
  assert.equal(status, 200, body);
  const web = JSON.parse(body) as Link;
  const cart = web.called[0];
  const stock = cart?.called[0];
  assert.ok(cart && stock, body);
  return [web, cart, stock];
}

/** How many of `count` requests version 2 of stock answered. */
async function shareOfV2(compose: Compose, dataPlane: DataPlane, count: number): Promise<number> {
  let seen = 0;
  for (let i = 0; i < count; i++) {
    const [, , stock] = await chain(compose, dataPlane);
    if (stock.version === 'v2') seen++;
  }
  return seen;
}

async function restartCount(id: string): Promise<number> {
  return Number(await docker('inspect', '--format', '{{.RestartCount}}', id));
}

test('the shop opens with its services started first and NATS last, and is closed to the outside', async (t) => {
  const compose = await open(t, { order: [SHOP, CONTROL_PLANE, ['nats']] });
  await shopIsOpen(compose, ['weft']);

  await t.test('each hop shows the certificate of its caller', async () => {
    const [web, cart, stock] = await chain(compose, 'weft');
    assert.deepEqual([web.service, cart.service, stock.service], ['web', 'cart', 'stock']);
    assert.equal(cart.caller, 'spiffe://weft.local/ns/default/sa/web');
    assert.equal(stock.caller, 'spiffe://weft.local/ns/default/sa/cart');
  });

  await t.test('weft status tells that all is well, with every workload ready', async () => {
    await settled(compose, 4);
  });

  await t.test('ports are published on loopback alone', async () => {
    const addresses = await docker(
      'inspect',
      '--format',
      '{{range $port, $list := .NetworkSettings.Ports}}{{range $list}}{{.HostIp}} {{end}}{{end}}',
      ...(await compose.containers()),
    );
    assert.deepEqual([...new Set(addresses.split(/\s+/).filter(Boolean))], ['127.0.0.1']);
  });

  await t.test('no process is root, and the join token is for its owner alone', async () => {
    for (const service of ['nats', 'ca', 'web']) {
      assert.equal(await docker('exec', await compose.container(service), 'id', '-u'), '65532', service);
    }
    assert.equal(
      await docker('exec', await compose.container('web'), 'stat', '-c', '%a %U', '/join/token'),
      '600 weft',
    );
  });

  await t.test('a workload reaches neither NATS nor the admin API', async () => {
    const script = `Promise.allSettled(['nats', 'api'].map((name) => require('node:dns/promises').lookup(name)))
      .then((all) => console.log(all.map(({ status }) => status).join()))`;
    const looked = await docker('exec', await compose.container('web'), 'node', '-e', script);
    assert.equal(looked, 'rejected,rejected');
  });

  await t.test('sidecars end by themselves when they are stopped, and nothing is left', async () => {
    const shop = await Promise.all(SHOP.map((service) => compose.container(service)));
    await docker('stop', '--time', '60', ...shop);
    const codes = await docker('inspect', '--format', '{{.State.ExitCode}}', ...shop);
    // The code of the shop's programs, which end in order; 137 would be SIGKILL.
    assert.deepEqual([...new Set(codes.split('\n'))], ['0'], codes);
    await compose.down();
    assert.deepEqual(await compose.containers(), []);
    const label = `label=com.docker.compose.project=${compose.project}`;
    assert.equal(await docker('volume', 'ls', '--quiet', '--filter', label), '');
    assert.equal(await docker('network', 'ls', '--quiet', '--filter', label), '');
  });
});

test('both shops go on through every restart of the control plane and of NATS', async (t) => {
  const compose = await open(t, { profiles: ['envoy'] });
  await shopIsOpen(compose, BOTH);
  await settled(compose, 8);

  await t.test('the second shop runs real Envoy, in its own namespace', async () => {
    assert.match(await succeed(compose, 'get', 'proxies'), /^web-\S+ +envoy 1\.40\.\d+ +yes/m);
    const [, , stock] = await chain(compose, 'envoy');
    assert.equal(stock.caller, 'spiffe://weft.local/ns/envoy/sa/cart');
  });

  await t.test('a canary that is applied through the admin API is acknowledged by all and followed', async () => {
    assert.match(await succeed(compose, 'apply', '-f', CANARY), /acknowledged by 8 of 8 proxies/);
    const share = await shareOfV2(compose, 'weft', 200);
    assert.ok(share >= 4 && share <= 45, `${share} of 200 answers are of version 2, where a tenth is to be`);
  });

  const traffic = startTraffic(compose, BOTH);
  t.after(() => traffic.failures());
  for (const service of CONTROL_PLANE) {
    await t.test(`no request fails while the container of ${service} is restarted`, async () => {
      await traffic.further(20);
      await docker('restart', await compose.container(service));
      await traffic.further(40);
      await settled(compose, 8);
    });
  }

  await t.test('a service that crashes is started again by the engine', async () => {
    const id = await compose.container('xds-server');
    const before = await restartCount(id);
    process.kill(Number(await docker('inspect', '--format', '{{.State.Pid}}', id)), 'SIGKILL');
    await until('a restart', async () => ((await restartCount(id)) > before ? true : undefined));
    await traffic.further(40);
    await settled(compose, 8);
  });

  await t.test('NATS is killed and comes back', async () => {
    const nats = await compose.container('nats');
    await docker('kill', nats);
    await traffic.further(80);
    await docker('start', nats);
    await settled(compose, 8);
    assert.match(await succeed(compose, 'get', 'routes'), /stock-canary/);
    assert.match(await succeed(compose, 'delete', 'HTTPRoute/stock-canary'), /acknowledged by 8 of 8 proxies/);
    await traffic.further(20);
  });

  await t.test('not one request failed meanwhile', async () => {
    assert.deepEqual(await traffic.failures(), []);
  });
});
