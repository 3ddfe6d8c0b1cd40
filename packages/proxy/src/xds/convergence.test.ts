/** Whatever comes, goes, breaks and is refused in whatever order: in the end the client has what the server has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceType } from '@weft/envoy-api';
import fc from 'fast-check';
import type { CollectionUpdate, ResourceIssue, Unwatch } from './subscriptions.ts';
import { ClientGround, rest } from './testing/ground.ts';
import { ModelServer } from './testing/model-server.ts';
import { ADS, own } from './testing/recorders.ts';

const TYPES = ['cluster', 'endpoint', 'secret'] as const;
const NAMES = ['a', 'b', 'c'];
const BAD = 'bad-';

const refused = (version: string) => version.startsWith(BAD);

/** What one watcher of a name has. */
class View {
  readonly type: ResourceType;
  readonly name: string;
  readonly leave: Unwatch;
  has: string | undefined;

  constructor({ client }: ClientGround, type: ResourceType, name: string) {
    this.type = type;
    this.name = name;
    this.leave = client.watch(type === 'secret' ? own('agent') : ADS, type, name, {
      onResource: (_resource, version) => {
        if (refused(version)) return [{ path: 'x', message: 'refused' }];
        this.has = version;
        return [];
      },
      onRemoved: () => {
        this.has = undefined;
      },
    });
  }
}

/** What one watcher of everything has. */
class WholeView {
  readonly type: ResourceType;
  readonly leave: Unwatch;
  readonly has = new Map<string, string>();

  constructor({ client }: ClientGround, type: ResourceType) {
    this.type = type;
    this.leave = client.watchAll(type === 'secret' ? own('agent') : ADS, type, {
      onUpdate: (update) => this.#take(update),
    });
  }

  #take({ changed, removed }: CollectionUpdate): readonly ResourceIssue[] {
    for (const { name, version } of changed) if (!refused(version)) this.has.set(name, version);
    for (const name of removed) assert.ok(this.has.delete(name), `${name} goes that was never there`);
    return changed.flatMap(({ name, version }) => (refused(version) ? [{ name, path: 'x', message: 'refused' }] : []));
  }
}

type Operation =
  | { readonly type: 'put'; readonly of: ResourceType; readonly name: string; readonly isBad: boolean }
  | { readonly type: 'delete'; readonly of: ResourceType; readonly name: string }
  | { readonly type: 'watch'; readonly of: ResourceType; readonly name: string }
  | { readonly type: 'watch all'; readonly of: ResourceType }
  | { readonly type: 'leave'; readonly which: number }
  | { readonly type: 'push' }
  | { readonly type: 'break' }
  | { readonly type: 'turns'; readonly count: number }
  | { readonly type: 'pass'; readonly milliseconds: number };

const of = fc.constantFrom(...TYPES);
const name = fc.constantFrom(...NAMES);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant('put' as const), of, name, isBad: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('delete' as const), of, name }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('watch' as const), of, name }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('watch all' as const), of }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('leave' as const), which: fc.nat(20) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('push' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('break' as const) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('turns' as const), count: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('pass' as const), milliseconds: fc.constant(300) }) },
);

class Run {
  readonly ground = new ClientGround();
  readonly server = new ModelServer(this.ground.server);
  readonly views: (View | WholeView)[] = [];
  #version = 0;

  async do(operation: Operation): Promise<void> {
    const { world } = this.server;
    switch (operation.type) {
      case 'put':
        world[operation.of].set(operation.name, `${operation.isBad ? BAD : 'v'}${++this.#version}`);
        return;
      case 'delete':
        world[operation.of].delete(operation.name);
        return;
      case 'watch':
        this.views.push(new View(this.ground, operation.of, operation.name));
        return;
      case 'watch all':
        this.views.push(new WholeView(this.ground, operation.of));
        return;
      case 'leave':
        for (const left of this.views.splice(operation.which, 1)) left.leave();
        return;
      case 'push':
        this.server.push();
        return;
      case 'break':
        this.server.breakAll();
        return;
      case 'turns':
        for (let turn = 0; turn < operation.count; turn++) await new Promise((resolve) => setImmediate(resolve));
        return;
      case 'pass':
        this.ground.clock.pass(operation.milliseconds);
        return;
    }
  }

  async settle(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      await rest();
      this.ground.clock.pass(30_000);
      this.server.push();
      await rest();
    }
  }

  /** What is refused is in no view; all else is as the server has it. */
  check(): void {
    const { world } = this.server;
    for (const view of this.views) {
      const server = world[view.type];
      if (view instanceof WholeView) {
        const good = [...server].filter(([, version]) => !refused(version));
        const held = [...view.has].filter(([known]) => !refused(server.get(known) ?? ''));
        assert.deepEqual(held.sort(), good.sort(), `all of ${view.type}`);
      } else if (!refused(server.get(view.name) ?? '')) {
        assert.equal(view.has, server.get(view.name), `${view.type} ${view.name}`);
      }
    }
    assert.deepEqual(this.server.brought.filter(refused), [], 'what was refused is not said to be there');
  }

  /** Everything becomes good. */
  heal(): void {
    for (const resources of Object.values(this.server.world)) {
      for (const [known, version] of resources) if (refused(version)) resources.set(known, `healed${++this.#version}`);
    }
  }
}

test('the client ends with what the server has', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 60 }), async (operations) => {
      const run = new Run();
      for (const operation of operations) await run.do(operation);
      await run.settle();
      run.check();
      run.heal();
      await run.settle();
      run.check();
      run.ground.client.close();
    }),
    { numRuns: 200 },
  );
});
