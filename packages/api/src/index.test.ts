import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Bus } from '@weft/bus';
import { openEmbeddedBus } from '@weft/bus/embedded';
import { Admin } from '@weft/contracts/admin';
import { calls, type ProxyStatus, states, type Workload } from '@weft/contracts/bus';
import { WeftError } from '@weft/contracts/error';
import { type Client, connect, listen } from '@weft/rpc';
import pino from 'pino';
import { Registry } from 'prom-client';
import { checkAdminAddress, startApi } from './index.ts';

interface Fixture {
  readonly bus: Bus;
  readonly client: Client<typeof Admin>;
  readonly address: string;
  connectAs(token?: string): Client<typeof Admin>;
}

async function fixture(t: TestContext, adminToken?: string): Promise<Fixture> {
  const bus = await openEmbeddedBus({ path: ':memory:' });
  const controller = new AbortController();
  const running = await startApi(
    {
      bus,
      log: pino({ level: 'silent' }),
      metrics: new Registry(),
      clock: { now: () => Date.now() },
      instanceId: 'api-1',
      signal: controller.signal,
    },
    adminToken === undefined ? {} : { adminToken },
  );
  const server = await listen({ address: '127.0.0.1:0', services: running.admin });
  const { address } = server;
  const connectAs = (token?: string): Client<typeof Admin> => {
    const channel = connect({ addresses: [address], ...(token === undefined ? {} : { bearerToken: token }) });
    t.after(() => channel.close());
    return channel.client(Admin);
  };
  t.after(async () => {
    controller.abort();
    await running.stop();
    await server.close();
    await bus.close();
  });
  return { bus, client: connectAs(adminToken), address, connectAs };
}

function workload(id: string, change: Partial<Workload> = {}): Workload {
  return {
    id,
    namespace: 'default',
    service: 'cart',
    spiffeId: 'spiffe://mesh.test/ns/default/sa/cart',
    labels: {},
    address: '127.0.0.1',
    ports: [{ applicationPort: 8080, protocol: 'HTTP', inboundPort: 15_006 }],
    outboundPort: 15_001,
    upstreams: [],
    dataPlane: 'WEFT',
    health: 'READY',
    registeredAtMs: 1,
    incarnation: 'i',
    host: 'laptop',
    ...change,
  };
}

function proxy(id: string, change: Partial<ProxyStatus> = {}): ProxyStatus {
  return {
    id,
    xdsInstance: 'x',
    connectedAtMs: 1,
    changedAtMs: 1,
    userAgent: 'weft 0.1.0',
    acknowledgedRevision: 0,
    acknowledgedRegistryRevision: 0,
    sentRevision: 0,
    snapshot: '',
    nacks: [],
    ...change,
  };
}

const NACK = { typeUrl: 'cluster', version: '1', message: 'no such field', atMs: 1 };

function document(name: string) {
  const json = JSON.stringify({ apiVersion: 'weft.mesh/v1', kind: 'Service', metadata: { name }, spec: {} });
  return { source: `${name}.yaml`, json };
}

function applying(...names: readonly string[]) {
  return { documents: names.map(document), deletions: [], author: 'ann@laptop', reason: 'why', dryRun: false };
}

test('what is applied is listed, with its author, and is in the history', async (t) => {
  const { client } = await fixture(t);
  assert.equal((await client.apply(applying('cart', 'stock'))).revision, 1);
  const { resources, revision } = await client.listResources({ kind: 'Service', namespace: '' });
  assert.equal(revision, 1);
  assert.deepEqual(
    resources.map(({ key, author }) => `${key?.name} ${author}`),
    ['cart ann@laptop', 'stock ann@laptop'],
  );
  assert.deepEqual((await client.listResources({ kind: 'HTTPRoute', namespace: '' })).resources, []);
  assert.deepEqual((await client.listResources({ kind: '', namespace: 'other' })).resources, []);
  await client.apply(applying('pay'));
  const { changeSets } = await client.listChangeSets({ limit: 1 });
  assert.deepEqual(
    changeSets.map(({ revision: at, changeSet }) => `${at} ${changeSet?.reason}`),
    ['2 why'],
  );
  assert.equal((await client.listChangeSets({ limit: 0 })).changeSets.length, 2);
});

test('a conflict travels with its metadata', async (t) => {
  const { client } = await fixture(t);
  await client.apply(applying('cart'));
  await assert.rejects(client.apply({ ...applying('stock'), expectedRevision: 0 }), (thrown: unknown) => {
    assert.ok(thrown instanceof WeftError);
    assert.equal(thrown.code, 'FAILED_PRECONDITION');
    return /the newest is 1, which ann@laptop applied at/.test(thrown.message);
  });
});

test('services are those that are registered or declared, with how many take requests', async (t) => {
  const { bus, client } = await fixture(t);
  const workloads = bus.state(states.workloads);
  await workloads.put('default/cart-1', workload('cart-1'));
  await workloads.put('default/cart-2', workload('cart-2', { health: 'STARTING' }));
  await workloads.put('shop/db-1', workload('db-1', { namespace: 'shop', service: 'db' }));
  await client.apply(applying('stock'));
  const { services } = await eventually(async () => {
    const listed = await client.listServices({ namespace: '' });
    return listed.services.length === 3 ? listed : undefined;
  });
  const cart = services.find(({ name }) => name === 'cart');
  assert.deepEqual([cart?.ready, cart?.workloads, cart?.declared], [1, 2, false]);
  assert.equal(cart?.hostName, 'cart.default.mesh');
  assert.equal(services.find(({ name }) => name === 'stock')?.declared, true);
  assert.deepEqual(
    (await client.listServices({ namespace: 'shop' })).services.map(({ name }) => name),
    ['db'],
  );
  const listed = await client.listWorkloads({ namespace: 'default', service: 'cart' });
  assert.deepEqual(
    listed.workloads.map(({ id }) => id),
    ['cart-1', 'cart-2'],
  );
});

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  const endAt = performance.now() + 15_000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    assert.ok(performance.now() < endAt, 'not within 15 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('a rollout is told until every connected proxy has acknowledged it or refuses it', async (t) => {
  const { bus, client } = await fixture(t);
  const proxies = bus.state(states.proxies);
  await proxies.put('default/a', proxy('a'));
  await proxies.put('default/b', proxy('b', { nacks: [NACK] }));
  await proxies.put('default/gone', proxy('gone', { xdsInstance: '' }));
  const { revision } = await client.apply(applying('cart'));
  const told: string[] = [];
  for await (const status of client.watchRollout({ revision })) {
    told.push(`${status.acknowledged}/${status.proxies} ${status.nacks.length}`);
    if (told.length === 1) await proxies.put('default/a', proxy('a', { acknowledgedRevision: 1, sentRevision: 1 }));
    if (told.length === 2) {
      await proxies.put('default/b', proxy('b', { sentRevision: 1, nacks: [NACK, { ...NACK, typeUrl: 'listener' }] }));
    }
  }
  assert.deepEqual(told, ['0/2 1', '1/2 1', '1/2 2']);
});

test('a rollout of a revision that there is not is refused, and one without proxies ends at once', async (t) => {
  const { client } = await fixture(t);
  const watch = async (revision: number) => {
    for await (const status of client.watchRollout({ revision })) return status;
    return undefined;
  };
  await assert.rejects(watch(1), { code: 'OUT_OF_RANGE' });
  assert.deepEqual(await watch(0), { revision: 0, proxies: 0, acknowledged: 0, nacks: [] });
});

test('the status names instances, proxies, refusals, problems and the bus', async (t) => {
  const { bus, client } = await fixture(t);
  const now = Date.now();
  const instance = (id: string, seenAtMs: number) => ({
    id,
    service: 'ca',
    address: '127.0.0.1:7441',
    startedAtMs: 1,
    seenAtMs,
    notReadyBecause: '',
    version: '0.1.0',
  });
  await bus.state(states.instances).put('ca/new', instance('new', now));
  await bus.state(states.proxies).put('default/a', proxy('a', { nacks: [NACK], acknowledgedRevision: 1 }));
  for (const id of ['a', 'b', 'c']) await bus.state(states.workloads).put(`default/${id}`, workload(id));
  await bus.state(states.proxies).put('default/b', proxy('b', { xdsInstance: '' }));
  const problem = { key: { kind: 'HTTPRoute', namespace: 'default', name: 'x' }, message: 'cannot be', revision: 1 };
  await bus.state(states.problems).put('x', { xdsInstance: 'x', problems: [problem] });
  await client.apply(applying('cart'));
  const status = await eventually(async () => {
    const found = await client.getStatus({});
    return found.problems.length > 0 && found.proxies > 0 && found.workloads === 3 ? found : undefined;
  });
  assert.deepEqual(
    status.instances.map(({ id }) => id),
    ['new'],
  );
  assert.deepEqual([status.revision, status.proxies, status.acknowledged], [1, 1, 1]);
  assert.deepEqual(status.unconnected, ['default/b', 'default/c']);
  assert.equal(status.nacks[0]?.nack?.message, 'no such field');
  assert.equal(status.problems[0]?.message, 'cannot be');
  assert.deepEqual([status.bus, status.services], ['embedded', 1]);
});

test('edges and tokens are asked of the services that know them', async (t) => {
  const { bus, client } = await fixture(t);
  const signal = AbortSignal.timeout(60_000);
  await bus.serve(calls.edges, async ({ source }) => ({ edges: source === '' ? [] : [] }), signal);
  const kept = {
    id: 'id1',
    secretSha256: Buffer.alloc(32),
    namespace: 'default',
    serviceAccounts: ['cart'],
    createdAtMs: 1,
    expiresAtMs: 0,
    createdBy: '',
  };
  await bus.serve(calls.createToken, async () => ({ token: 'weft1.x', kept }), signal);
  assert.deepEqual((await client.listEdges({ source: '', destination: '' })).edges, []);
  const request = { namespace: 'default', serviceAccounts: ['cart'], lifeMs: 0 };
  assert.deepEqual(await client.createToken(request), { token: 'weft1.x', id: 'id1' });
  await assert.rejects(client.createToken({ ...request, namespace: 'My Shop', serviceAccounts: [] }), {
    code: 'INVALID_ARGUMENT',
    message: /namespace "My Shop": .*; service_accounts: expected at least one/,
  });
});

test('with a token nobody gets in without it', async (t) => {
  const token = 'a-long-enough-secret';
  const { client, connectAs } = await fixture(t, token);
  assert.equal((await client.getStatus({})).bus, 'embedded');
  for (const stranger of [connectAs(), connectAs('another-secret-of-16')]) {
    await assert.rejects(stranger.getStatus({}), { code: 'UNAUTHENTICATED', message: /WEFT_ADMIN_TOKEN/ });
    await assert.rejects(
      async () => {
        for await (const _ of stranger.watchRollout({ revision: 0 }));
      },
      { code: 'UNAUTHENTICATED' },
    );
  }
});

test('an admin address that others can reach needs a token that nobody guesses', () => {
  for (const address of ['127.0.0.1:7445', 'localhost:7445', '[::1]:7445', '127.1.2.3:0', 'unix:/tmp/x']) {
    checkAdminAddress(address, undefined);
  }
  for (const address of ['0.0.0.0:7445', '[::]:7445', '10.0.0.1:7445', 'example.org:7445', ':7445']) {
    assert.throws(() => checkAdminAddress(address, undefined), { code: 'FAILED_PRECONDITION', message: /admin token/ });
    checkAdminAddress(address, 'a-long-enough-secret');
  }
  assert.throws(() => checkAdminAddress('127.0.0.1:7445', 'short'), { code: 'INVALID_ARGUMENT' });
});
