import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { LogEvent, StateEvent } from '@weft/bus';
import type { ChangeSet, TrustBundle, Workload } from '@weft/contracts/bus';
import { sketchWorkload } from '@weft/model/testing';
import { sketchService } from '@weft/policies/testing';
import { eventually } from '../testing/ground.ts';
import { WorldKeeper } from './keeper.ts';

/** A watch that tells what it is told to, and breaks when it is told to. */
class Feed<E> {
  #waiting: (E | Error)[] = [];
  #wake: (() => void) | undefined;
  readonly from: (number | undefined)[] = [];

  tell(...events: (E | Error)[]): void {
    this.#waiting.push(...events);
    this.#wake?.();
  }

  async *watch(signal: AbortSignal, options?: { readonly from?: number }): AsyncGenerator<E> {
    this.from.push(options?.from);
    while (!signal.aborted) {
      const next = this.#waiting.shift();
      if (next instanceof Error) throw next;
      if (next !== undefined) yield next;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
    }
  }
}

function open(t: TestContext) {
  const feeds = {
    config: new Feed<LogEvent<ChangeSet>>(),
    workloads: new Feed<StateEvent<Workload>>(),
    trust: new Feed<StateEvent<TrustBundle>>(),
  };
  const sources = { configuration: feeds.config, registry: feeds.workloads, trust: feeds.trust };
  const abort = new AbortController();
  const asked: string[] = [];
  const troubles: string[] = [];
  const keeper = new WorldKeeper({
    sources,
    signal: abort.signal,
    onChange: (urgency) => asked.push(urgency),
    onTrouble: (what, error) => troubles.push(`${what}: ${error}`),
  });
  const running = keeper.run();
  t.after(async () => {
    abort.abort();
    await running;
  });
  return { feeds, keeper, asked, troubles };
}

function entry(sequence: number, name: string): LogEvent<ChangeSet> {
  const key = { kind: 'Service', namespace: 'shop', name };
  const operations = [{ action: 'PUT' as const, key, json: JSON.stringify(sketchService(name)) }];
  return { type: 'entry', sequence, value: { author: '', atMs: 0, reason: '', operations } };
}

function workload(name: string, revision: number): StateEvent<Workload> {
  return { type: 'put', key: `shop/${name}-1`, value: sketchWorkload({ service: name }), revision };
}

const bundle: StateEvent<TrustBundle> = {
  type: 'put',
  key: 'bundle',
  value: { trustDomain: 'weft.test', roots: [] },
  revision: 1,
};

test('there is no world until all of it has been read', async (t) => {
  const { feeds, keeper } = open(t);
  feeds.config.tell(entry(1, 'a'), { type: 'synced', sequence: 1 });
  feeds.workloads.tell(workload('stock', 3));
  feeds.trust.tell(bundle, { type: 'synced', revision: 1 });
  await eventually('the log to be read', () => (keeper.missing?.startsWith('the registry has') ? true : undefined));
  assert.equal(keeper.take(), undefined);
  feeds.workloads.tell({ type: 'synced', revision: 4 });
  const world = await eventually('the world', () => keeper.take());
  assert.deepEqual([world.revision, world.registryRevision, world.trustDomain], [1, 4, 'weft.test']);
  assert.deepEqual([...world.workloads.keys()], ['shop/stock-1']);
  assert.equal(keeper.missing, undefined);
});

test('changes of the registry are urgent, those of the configuration are not', async (t) => {
  const { feeds, keeper, asked } = open(t);
  feeds.config.tell({ type: 'synced', sequence: 0 });
  feeds.workloads.tell({ type: 'synced', revision: 0 });
  feeds.trust.tell(bundle, { type: 'synced', revision: 1 });
  await eventually('the world', () => keeper.take());
  await new Promise((resolve) => setTimeout(resolve, 20));
  asked.length = 0;
  feeds.config.tell(entry(1, 'a'));
  await eventually('the change', () => (asked.length > 0 ? true : undefined));
  feeds.workloads.tell(workload('stock', 9), { type: 'delete', key: 'shop/gone-1', revision: 10 });
  await eventually('the changes', () => (asked.length > 2 ? true : undefined));
  assert.deepEqual(asked, ['gather', 'now', 'now']);
  assert.deepEqual([keeper.take()?.revision, keeper.take()?.registryRevision], [1, 10]);
});

test('a watch that breaks is made anew: nothing is lost, and what is gone is gone', async (t) => {
  const { feeds, keeper, troubles } = open(t);
  feeds.config.tell(entry(1, 'a'), { type: 'synced', sequence: 1 });
  feeds.workloads.tell(workload('stock', 1), workload('cart', 2), { type: 'synced', revision: 2 });
  feeds.trust.tell(bundle, { type: 'synced', revision: 1 });
  await eventually('the world', () => keeper.take());
  feeds.workloads.tell(new Error('lost'), workload('cart', 2), workload('web', 5), { type: 'synced', revision: 6 });
  feeds.config.tell(new Error('lost'), entry(2, 'b'), { type: 'synced', sequence: 2 });
  const changed = () => (keeper.take()?.registryRevision === 6 && keeper.take()?.revision === 2 ? true : undefined);
  await eventually('the world to change', changed);
  assert.deepEqual([...(keeper.take()?.workloads.keys() ?? [])], ['shop/cart-1', 'shop/web-1']);
  assert.deepEqual(feeds.config.from, [1, 2]);
  assert.deepEqual(troubles.sort(), ['the configuration: Error: lost', 'the registry: Error: lost']);
});
