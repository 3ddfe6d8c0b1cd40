import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Bus } from '@weft/bus';
import { states } from '@weft/contracts/bus';
import { Registry } from 'prom-client';
import { discoveryMetrics } from './metrics.ts';
import { registryHandlers } from './registry.ts';
import { CART, callBy, memoryBus, workload } from './testing.ts';
import { LiveWorkloads } from './workloads.ts';

interface Fixture {
  readonly handlers: ReturnType<typeof registryHandlers>;
  readonly heard: string[];
  readonly live: LiveWorkloads;
}

function instance(bus: Bus, maxWorkloadsPerIdentity = 100): Fixture {
  const live = new LiveWorkloads();
  const heard: string[] = [];
  const handlers = registryHandlers({
    state: bus.state(states.workloads),
    live,
    declared: () => undefined,
    clock: { now: () => 42 },
    heartbeatEveryMs: 5000,
    expiresAfterMs: 15_000,
    maxWorkloadsPerIdentity,
    metrics: discoveryMetrics(new Registry(), () => live.byHealth()),
    heard: (key) => heard.push(key),
    usable: async () => undefined,
  });
  return { handlers, heard, live };
}

async function fixture(t: TestContext): Promise<Fixture & { bus: Bus }> {
  const bus = await memoryBus(t);
  return { bus, ...instance(bus) };
}

const BEAT = { workloadId: 'cart-1', incarnation: 'i1', health: 'STARTING' } as const;

test("a registration is written with the identity of the certificate and discovery's time", async (t) => {
  const { handlers, bus, heard } = await fixture(t);
  const forged = workload({ spiffeId: 'spiffe://mesh.test/ns/shop/sa/pay', registeredAtMs: 7 });
  const response = await handlers.register({ workload: forged }, callBy(CART));
  const entry = await bus.state(states.workloads).get('shop/cart-1');
  assert.equal(entry?.value.spiffeId, 'spiffe://mesh.test/ns/shop/sa/cart');
  assert.equal(entry?.value.registeredAtMs, 42);
  assert.equal(response.registryRevision, entry?.revision);
  assert.equal(response.expiresAfterMs, 15_000);
  assert.deepEqual(heard, ['shop/cart-1']);
});

test('who shows no certificate is refused', async (t) => {
  const { handlers } = await fixture(t);
  const nobody = callBy(undefined);
  await assert.rejects(handlers.register({ workload: workload() }, nobody), { code: 'UNAUTHENTICATED' });
  await assert.rejects(handlers.heartbeat(BEAT, nobody), { code: 'UNAUTHENTICATED' });
  await assert.rejects(handlers.deregister({ workloadId: 'cart-1', incarnation: 'i1' }, nobody), {
    code: 'UNAUTHENTICATED',
  });
});

test('what is wrong with a registration is told at once', async (t) => {
  const { handlers, bus } = await fixture(t);
  const bad = workload({ address: 'nowhere', outboundPort: 70_000 });
  await assert.rejects(handlers.register({ workload: bad }, callBy(CART)), {
    code: 'INVALID_ARGUMENT',
    message: /workload\.address: .*; workload\.outbound_port: /,
  });
  await assert.rejects(handlers.register({}, callBy(CART)), {
    code: 'INVALID_ARGUMENT',
    message: /workload: is missing/,
  });
  assert.deepEqual(await bus.state(states.workloads).list(), []);
});

test('heartbeats write nothing, changes of health do', async (t) => {
  const { handlers, bus, heard } = await fixture(t);
  const { registryRevision } = await handlers.register({ workload: workload() }, callBy(CART));
  heard.length = 0;
  assert.equal((await handlers.heartbeat(BEAT, callBy(CART))).registryRevision, registryRevision);
  const after = await handlers.heartbeat({ ...BEAT, health: 'READY' }, callBy(CART));
  assert.ok(after.registryRevision > registryRevision);
  const entry = await bus.state(states.workloads).get('shop/cart-1');
  assert.equal(entry?.value.health, 'READY');
  assert.ok(heard.length >= 2 && heard.every((key) => key === 'shop/cart-1'));
});

test('a heartbeat of a workload that is not registered asks for a registration', async (t) => {
  const { handlers } = await fixture(t);
  await assert.rejects(handlers.heartbeat(BEAT, callBy(CART)), { code: 'NOT_FOUND', message: /register it again/ });
});

test('a newer start takes the place of an older one, whose heartbeats are told so', async (t) => {
  const { handlers, bus } = await fixture(t);
  await handlers.register({ workload: workload() }, callBy(CART));
  await handlers.register({ workload: workload({ incarnation: 'i2', host: 'desk' }) }, callBy(CART));
  await assert.rejects(handlers.heartbeat(BEAT, callBy(CART)), { code: 'ABORTED', message: /taken over .* on desk/ });
  await handlers.deregister({ workloadId: 'cart-1', incarnation: 'i1' }, callBy(CART));
  assert.equal((await bus.state(states.workloads).get('shop/cart-1'))?.value.incarnation, 'i2');
  await handlers.heartbeat({ ...BEAT, incarnation: 'i2' }, callBy(CART));
});

test('what another instance registered is known here', async (t) => {
  const { handlers, bus } = await fixture(t);
  await instance(bus).handlers.register({ workload: workload() }, callBy(CART));
  await handlers.heartbeat({ ...BEAT, health: 'READY' }, callBy(CART));
  assert.equal((await bus.state(states.workloads).get('shop/cart-1'))?.value.health, 'READY');
});

test('nobody speaks for the workload of another identity', async (t) => {
  const { handlers } = await fixture(t);
  await handlers.register({ workload: workload() }, callBy(CART));
  const pay = callBy({ ...CART, serviceAccount: 'pay' });
  const refused = { code: 'PERMISSION_DENIED', message: /belongs to spiffe:\/\/mesh\.test\/ns\/shop\/sa\/cart/ };
  await assert.rejects(handlers.register({ workload: workload({ service: 'pay' }) }, pay), refused);
  await assert.rejects(handlers.heartbeat(BEAT, pay), refused);
  await assert.rejects(handlers.deregister({ workloadId: 'cart-1', incarnation: 'i1' }, pay), refused);
});

test('a deregistration takes the workload out, and can be repeated', async (t) => {
  const { handlers, bus } = await fixture(t);
  const { registryRevision } = await handlers.register({ workload: workload() }, callBy(CART));
  const request = { workloadId: 'cart-1', incarnation: 'i1' };
  const first = await handlers.deregister(request, callBy(CART));
  assert.ok(first.registryRevision > registryRevision);
  assert.equal(await bus.state(states.workloads).get('shop/cart-1'), undefined);
  const second = await handlers.deregister(request, callBy(CART));
  assert.ok(second.registryRevision >= first.registryRevision);
});

test('many that write at once all get through', async (t) => {
  const { bus } = await fixture(t);
  const instances = [instance(bus), instance(bus)];
  const registrations = Array.from({ length: 30 }, (_, index) =>
    instances[index % 2]?.handlers.register({ workload: workload({ incarnation: `i${index}` }) }, callBy(CART)),
  );
  await Promise.all(registrations);
  assert.equal((await bus.state(states.workloads).list()).length, 1);
});

test('one identity has a bounded number of workloads', async (t) => {
  const bus = await memoryBus(t);
  const { handlers } = instance(bus, 2);
  for (const id of ['a', 'b', 'b']) await handlers.register({ workload: workload({ id }) }, callBy(CART));
  await assert.rejects(handlers.register({ workload: workload({ id: 'c' }) }, callBy(CART)), {
    code: 'RESOURCE_EXHAUSTED',
    message: /has 2 workloads already/,
  });
});
