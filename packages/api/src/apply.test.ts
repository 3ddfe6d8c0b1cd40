import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Bus } from '@weft/bus';
import { openEmbeddedBus } from '@weft/bus/embedded';
import { type ApplyRequest, CONFLICT_METADATA, Conflict } from '@weft/contracts/admin';
import { type ChangeSet, logs } from '@weft/contracts/bus';
import { WeftError } from '@weft/contracts/error';
import type { ServiceContext } from '@weft/service';
import pino from 'pino';
import { Registry } from 'prom-client';
import { Applier } from './apply.ts';
import { apiMetrics } from './metrics.ts';
import { MeshView } from './view.ts';

interface Fixture {
  readonly bus: Bus;
  readonly view: MeshView;
  readonly applier: Applier;
  apply(change: Partial<ApplyRequest>): ReturnType<Applier['apply']>;
}

const NEVER = new AbortController().signal;

function contextOf(bus: Bus, signal: AbortSignal): ServiceContext {
  return {
    bus,
    log: pino({ level: 'silent' }),
    metrics: new Registry(),
    clock: { now: () => Date.now() },
    instanceId: 'api-1',
    signal,
  };
}

function start(bus: Bus, signal: AbortSignal): Fixture {
  const context = contextOf(bus, signal);
  const view = new MeshView(context);
  view.run().catch(() => undefined);
  const metrics = apiMetrics(context.metrics, view);
  const applier = new Applier({ log: bus.log(logs.config), view, clock: context.clock, metrics });
  const apply = (change: Partial<ApplyRequest>) =>
    applier.apply({ documents: [], deletions: [], author: 'ann@laptop', reason: '', dryRun: false, ...change }, NEVER);
  return { bus, view, applier, apply };
}

async function fixture(t: TestContext): Promise<Fixture> {
  const bus = await openEmbeddedBus({ path: ':memory:' });
  const stop = new AbortController();
  t.after(async () => {
    stop.abort();
    await bus.close();
  });
  return start(bus, stop.signal);
}

function service(name: string, spec: object = {}) {
  const json = JSON.stringify({ apiVersion: 'weft.mesh/v1', kind: 'Service', metadata: { name }, spec });
  return { source: `${name}.yaml`, json };
}

async function conflictOf(applied: Promise<unknown>): Promise<{ error: WeftError; conflict: Conflict }> {
  try {
    await applied;
  } catch (thrown) {
    assert.ok(thrown instanceof WeftError);
    assert.equal(thrown.code, 'FAILED_PRECONDITION');
    const bytes = thrown.metadata[CONFLICT_METADATA];
    assert.ok(bytes instanceof Uint8Array);
    return { error: thrown, conflict: Conflict.decode(bytes) };
  }
  throw new Error('there was no conflict');
}

test('a change-set is one entry of the log, and can be read at once', async (t) => {
  const { apply, bus, view } = await fixture(t);
  const response = await apply({ documents: [service('cart'), service('stock')], reason: 'first' });
  assert.equal(response.revision, 1);
  assert.deepEqual(
    response.changes.map(({ key, kind }) => `${key?.name} ${kind}`),
    ['cart CREATED', 'stock CREATED'],
  );
  assert.deepEqual([...view.stored.keys()], ['Service/default/cart', 'Service/default/stock']);
  assert.equal(view.stored.get('Service/default/cart')?.author, 'ann@laptop');
  assert.equal(await bus.log(logs.config).last(), 1);
});

test('what has not changed is told, and a change-set without a change appends nothing', async (t) => {
  const { apply, bus } = await fixture(t);
  await apply({ documents: [service('cart')] });
  const again = await apply({ documents: [service('cart')] });
  assert.equal(again.revision, 1);
  assert.equal(again.changes[0]?.kind, 'UNCHANGED');
  const mixed = await apply({ documents: [service('cart'), service('stock')] });
  assert.equal(mixed.revision, 2);
  assert.equal(await bus.log(logs.config).last(), 2);
  for await (const { value } of bus.log(logs.config).read({ from: 2 })) assert.equal(value.operations.length, 1);
});

test('when anything is wrong nothing is applied, and everything is told', async (t) => {
  const { apply, bus } = await fixture(t);
  const response = await apply({
    documents: [service('cart'), service('UPPER'), service('stock', { protocl: 'http' })],
    deletions: [{ kind: 'Service', namespace: 'default', name: 'gone' }],
  });
  assert.equal(response.violations.length, 3);
  assert.deepEqual(response.changes, []);
  assert.equal(await bus.log(logs.config).last(), 0);
});

test('a dry run tells what would become of it, and appends nothing', async (t) => {
  const { apply, bus } = await fixture(t);
  const response = await apply({ documents: [service('cart')], dryRun: true });
  assert.equal(response.changes[0]?.kind, 'CREATED');
  assert.equal(await bus.log(logs.config).last(), 0);
});

test('an old expected revision is a conflict that names the newest, its author and time', async (t) => {
  const { apply } = await fixture(t);
  await apply({ documents: [service('cart')] });
  await apply({ documents: [service('stock')], author: 'bob@desk' });
  const { error, conflict } = await conflictOf(apply({ documents: [service('pay')], expectedRevision: 1 }));
  assert.match(error.message, /revision 1 was expected, and the newest is 2, which bob@desk applied at 20/);
  assert.equal(conflict.expectedRevision, 1);
  assert.equal(conflict.revision, 2);
  assert.equal(conflict.author, 'bob@desk');
  assert.ok(conflict.atMs > 0);
});

test('a revision that does not exist yet is a conflict', async (t) => {
  const { apply } = await fixture(t);
  const { error } = await conflictOf(apply({ documents: [service('pay')], expectedRevision: 7 }));
  assert.match(error.message, /revision 7 was expected, and the newest is 0/);
});

test('of many that expect the same revision at once exactly one is applied', async (t) => {
  const { apply, bus } = await fixture(t);
  const attempts = Array.from({ length: 10 }, (_, index) =>
    apply({ documents: [service(`s${index}`)], expectedRevision: 0 }),
  );
  const results = await Promise.allSettled(attempts);
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
  assert.equal(await bus.log(logs.config).last(), 1);
});

test('two instances that race without an expected revision both get their change in', async (t) => {
  const one = await fixture(t);
  const stop = new AbortController();
  t.after(() => stop.abort());
  const two = start(one.bus, stop.signal);
  await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      (index % 2 === 0 ? one : two).apply({ documents: [service(`s${index}`)] }),
    ),
  );
  assert.equal(await one.bus.log(logs.config).last(), 10);
  assert.equal(one.view.stored.size, 10);
});

test('the same change-set sent again after its answer was lost is no conflict', async (t) => {
  const { apply, bus } = await fixture(t);
  const request = { documents: [service('cart')], expectedRevision: 0, reason: 'first' };
  await apply(request);
  const again = await apply(request);
  assert.equal(again.revision, 1);
  assert.equal(await bus.log(logs.config).last(), 1);
  await conflictOf(apply({ ...request, author: 'bob@desk' }));
});

test('a larger change-set than the one before is a conflict, and not taken for that one', async (t) => {
  const { apply } = await fixture(t);
  await apply({ documents: [service('cart')], expectedRevision: 0 });
  await conflictOf(apply({ documents: [service('cart'), service('pay')], expectedRevision: 0 }));
});

test('an append whose answer is lost is found in the log, and not made twice', async (t) => {
  const { bus, view, apply } = await fixture(t);
  await apply({ documents: [service('cart')] });
  const log = bus.log(logs.config);
  const forgetful = {
    ...log,
    last: () => log.last(),
    append: async (value: ChangeSet, options?: { readonly expectedSequence?: number }) => {
      await log.append(value, options);
      throw new WeftError('DEADLINE_EXCEEDED', 'no answer');
    },
  };
  const metrics = apiMetrics(new Registry(), view);
  const applier = new Applier({ log: forgetful, view, clock: { now: () => 42 }, metrics });
  const request = { documents: [service('stock')], deletions: [], author: 'ann', reason: '', dryRun: false };
  const response = await applier.apply(request, NEVER);
  assert.equal(response.revision, 2);
  assert.equal(await log.last(), 2);
});

test('sizes past the limits are told plainly', async (t) => {
  const { apply } = await fixture(t);
  const many = await apply({ documents: Array.from({ length: 5001 }, (_, index) => service(`s${index}`)) });
  assert.match(many.violations[0]?.message ?? '', /5001 resources: expected at most 5000/);
  const big = await apply({ documents: [{ source: 'big.yaml', json: `"${'x'.repeat(600 * 1024)}"` }] });
  assert.match(big.violations[0]?.message ?? '', /601 KiB: expected a resource of at most 512 KiB/);
});

test('a deletion deletes', async (t) => {
  const { apply, view } = await fixture(t);
  await apply({ documents: [service('cart')] });
  const response = await apply({ deletions: [{ kind: 'Service', namespace: 'default', name: 'cart' }] });
  assert.equal(response.changes[0]?.kind, 'DELETED');
  assert.equal(view.stored.size, 0);
  assert.equal(view.world.resources.size, 0);
});
