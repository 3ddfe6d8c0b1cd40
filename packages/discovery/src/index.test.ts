import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bus } from '@weft/bus';
import { logs, states } from '@weft/contracts/bus';
import { WeftError } from '@weft/contracts/error';
import { Registry } from '@weft/contracts/node';
import type { CallContext } from '@weft/rpc';
import type { RunningService } from '@weft/service';
import { type DiscoveryOptions, startDiscovery } from './index.ts';
import { CART, callBy, memoryBus, serviceContext, workload } from './testing.ts';

type Call = (request: unknown, call: CallContext) => Promise<unknown>;

interface Instance {
  readonly running: RunningService;
  readonly stop: () => Promise<void>;
  readonly metrics: () => Promise<string>;
  call(method: keyof typeof Registry, request: unknown): Promise<unknown>;
}

async function start(t: TestContext, bus: Bus, id: string, options: DiscoveryOptions = {}): Promise<Instance> {
  const { context, stop } = serviceContext(bus, id);
  const running = await startDiscovery(context, options);
  const end = async () => {
    stop();
    await running.stop();
  };
  t.after(end);
  return {
    running,
    stop: end,
    metrics: () => context.metrics.metrics(),
    call: (method, request) => {
      const mounted = running.node[0]?.methods.get(Registry[method].path);
      assert.ok(mounted?.type === 'typed');
      return (mounted.handler as Call)(request, callBy(CART));
    },
  };
}

async function until(condition: () => Promise<boolean> | boolean, timeoutMs = 15_000): Promise<void> {
  const endAt = performance.now() + timeoutMs;
  while (!(await condition())) {
    assert.ok(performance.now() < endAt, `not within ${timeoutMs} ms`);
    await delay(10);
  }
}

async function isThere(bus: Bus): Promise<boolean> {
  return (await bus.state(states.workloads).get('shop/cart-1')) !== undefined;
}

const BEAT = { workloadId: 'cart-1', incarnation: 'i1', health: 'STARTING' } as const;
const SHORT = { heartbeatEveryMs: 100, expiresAfterMs: 600 };

test('a workload that falls silent is taken out of the registry; one that speaks stays', async (t) => {
  const bus = await memoryBus(t);
  const one = await start(t, bus, 'one', SHORT);
  await one.call('register', { workload: workload() });
  const spokenUntil = performance.now() + 1500;
  while (performance.now() < spokenUntil) {
    await one.call('heartbeat', BEAT);
    await delay(50);
  }
  assert.ok(await isThere(bus));
  await until(async () => !(await isThere(bus)));
  assert.match(await one.metrics(), /weft_discovery_expired_total 1/);
  await assert.rejects(one.call('heartbeat', BEAT), { code: 'NOT_FOUND' });
});

test('what one instance hears counts at every instance', async (t) => {
  const bus = await memoryBus(t);
  const one = await start(t, bus, 'one', SHORT);
  const two = await start(t, bus, 'two', SHORT);
  await one.call('register', { workload: workload() });
  const spokenUntil = performance.now() + 1500;
  while (performance.now() < spokenUntil) {
    await one.call('heartbeat', BEAT);
    await delay(50);
  }
  assert.doesNotMatch(await two.metrics(), /weft_discovery_expired_total 1/);
  assert.ok(await isThere(bus));
});

test('any instance expires what the one that registered it has left behind', async (t) => {
  const bus = await memoryBus(t);
  const one = await start(t, bus, 'one', SHORT);
  await one.call('register', { workload: workload() });
  await one.stop();
  await start(t, bus, 'two', SHORT);
  assert.ok(await isThere(bus));
  await until(async () => !(await isThere(bus)));
});

test('nobody is expired, and heartbeats are refused, while the bus is away', async (t) => {
  const bus = await memoryBus(t);
  let trouble: string | undefined;
  const shaky: Bus = { ...bus, trouble: () => trouble };
  const one = await start(t, shaky, 'one', SHORT);
  await one.call('register', { workload: workload() });
  trouble = 'no NATS server answers';
  await assert.rejects(one.call('heartbeat', BEAT), (thrown: unknown) => {
    assert.ok(thrown instanceof WeftError);
    return thrown.code === 'UNAVAILABLE' && /no NATS server answers/.test(thrown.message);
  });
  assert.equal(one.running.notReadyBecause(), 'no NATS server answers');
  await delay(1500);
  assert.ok(await isThere(bus));
  trouble = undefined;
  await until(async () => !(await isThere(bus)));
});

test('a Service resource lets other service accounts be the service', async (t) => {
  const bus = await memoryBus(t);
  const one = await start(t, bus, 'one');
  const asStock = { workload: workload({ service: 'stock' }) };
  await assert.rejects(one.call('register', asStock), { code: 'PERMISSION_DENIED' });
  const key = { kind: 'Service', namespace: 'shop', name: 'stock' };
  const json = JSON.stringify({ kind: 'Service', spec: { serviceAccounts: ['cart'] } });
  const operations = [{ action: 'PUT' as const, key, json }];
  await bus.log(logs.config).append({ author: 'ann', atMs: 1, reason: '', operations });
  await until(async () => {
    try {
      await one.call('register', asStock);
      return true;
    } catch (thrown) {
      assert.ok(thrown instanceof WeftError && thrown.code === 'PERMISSION_DENIED');
      return false;
    }
  });
});

test('it is ready once the bus is read, and tells how many workloads there are', async (t) => {
  const bus = await memoryBus(t);
  const one = await start(t, bus, 'one');
  await until(() => one.running.notReadyBecause() === undefined);
  await one.call('register', { workload: workload() });
  await one.call('heartbeat', { ...BEAT, health: 'READY' });
  await until(async () => /weft_discovery_workloads\{health="ready"\} 1/.test(await one.metrics()));
});
