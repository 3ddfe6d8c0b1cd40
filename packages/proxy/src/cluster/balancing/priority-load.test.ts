import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Host } from '../host.ts';
import { endpoint } from '../testing/cluster.ts';
import { DEFAULT_POLICY, type HostSet, hostSets } from './host-sets.ts';
import { choosePriority, priorityLoad } from './priority-load.ts';
import { PreviousPriorities } from './retry-priority.ts';

interface Level {
  /** Of 100 hosts. */
  readonly healthy: number;
  readonly degraded?: number;
  readonly hosts?: number;
}

function setsOf(levels: readonly Level[]): readonly HostSet[] {
  const hosts = levels.flatMap(({ healthy, degraded = 0, hosts: count = 100 }, priority) =>
    Array.from({ length: count }, (_, i) => {
      const health = i < healthy ? 'healthy' : i < healthy + degraded ? 'degraded' : 'unhealthy';
      return new Host(endpoint(i + 1, { health, priority }));
    }),
  );
  return hostSets(hosts, DEFAULT_POLICY, undefined);
}

const load = (healthy: readonly number[], panicPercent = 0) =>
  priorityLoad(setsOf(healthy.map((count) => ({ healthy: count }))), panicPercent);

/** The tables of Envoy's documentation of priority levels: healthy hosts of each, and the load that they get. */
const LEVELS: readonly (readonly [healthy: readonly number[], load: readonly number[]])[] = [
  [
    [100, 100],
    [100, 0],
  ],
  [
    [72, 100],
    [100, 0],
  ],
  [
    [71, 100],
    [99, 1],
  ],
  [
    [50, 100],
    [70, 30],
  ],
  [
    [25, 100],
    [35, 65],
  ],
  [
    [0, 100],
    [0, 100],
  ],
  [
    [100, 100, 100],
    [100, 0, 0],
  ],
  [
    [72, 72, 100],
    [100, 0, 0],
  ],
  [
    [71, 71, 100],
    [99, 1, 0],
  ],
  [
    [50, 50, 100],
    [70, 30, 0],
  ],
  [
    [50, 25, 50],
    [70, 30, 0],
  ],
  [
    [25, 100, 100],
    [35, 65, 0],
  ],
  [
    [25, 25, 100],
    [35, 35, 30],
  ],
  [
    [25, 25, 25],
    [35, 35, 30],
  ],
  [
    [25, 0, 25],
    [50, 0, 50],
  ],
];

for (const [healthy, expected] of LEVELS) {
  test(`of healthy hosts ${healthy.join(', ')} % get ${expected.join(', ')} %`, () => {
    assert.deepEqual(load(healthy).healthy, expected);
  });
}

/** The table of Envoy's documentation of the panic threshold, at its default of 50 %. */
const PANIC: readonly (readonly [healthy: readonly number[], load: readonly number[], panic: readonly boolean[]])[] = [
  [
    [72, 72],
    [100, 0],
    [false, false],
  ],
  [
    [71, 71],
    [99, 1],
    [false, false],
  ],
  [
    [50, 60],
    [70, 30],
    [false, false],
  ],
  [
    [25, 100],
    [35, 65],
    [false, false],
  ],
  [
    [25, 25],
    [50, 50],
    [true, true],
  ],
  [
    [5, 65],
    [8, 92],
    [true, false],
  ],
  [
    [0, 0],
    [50, 50],
    [true, true],
  ],
];

for (const [healthy, expected, panic] of PANIC) {
  test(`with the panic threshold, of ${healthy.join(', ')} % get ${expected.join(', ')} %`, () => {
    const found = load(healthy, 50);
    assert.deepEqual(found.healthy, expected);
    assert.deepEqual(found.panic, panic);
  });
}

test('degraded hosts take what healthy ones of all priorities cannot', () => {
  const found = priorityLoad(
    setsOf([{ healthy: 10, degraded: 20 }, { healthy: 20, degraded: 10 }, { healthy: 10 }]),
    0,
  );
  assert.deepEqual(found.healthy, [16, 28, 14]);
  assert.deepEqual(found.degraded, [28, 14, 0]);
  assert.deepEqual(priorityLoad(setsOf([{ healthy: 0, degraded: 100 }]), 0).degraded, [100]);
});

test('in panic everywhere each priority gets as much as it has hosts', () => {
  const found = priorityLoad(
    setsOf([
      { healthy: 0, hosts: 1 },
      { healthy: 0, hosts: 0 },
      { healthy: 0, hosts: 5 },
    ]),
    50,
  );
  assert.deepEqual(found.healthy, [17, 0, 83]);
});

test('without panic and with nobody healthy the first priority is asked, and has nobody', () => {
  assert.deepEqual(load([0, 0]), { healthy: [100, 0], degraded: [0, 0], panic: [false, false] });
});

test('weights count for health where that is asked for', () => {
  const hosts = [new Host(endpoint(1, { weight: 9 })), new Host(endpoint(2, { health: 'unhealthy' }))];
  const percent = (weighsHealth: boolean) => hostSets(hosts, { ...DEFAULT_POLICY, weighsHealth }, undefined)[0];
  assert.equal(percent(false)?.healthyPercent, 70);
  assert.equal(percent(true)?.healthyPercent, 100);
});

test('hosts that are not checked yet count neither as there nor as healthy', () => {
  const hosts = [1, 2, 3, 4].map((port) => new Host(endpoint(port)));
  for (const host of hosts.slice(1)) {
    host.check = 'pending';
    host.isExcluded = 'pending';
  }
  const sets = hostSets(hosts, DEFAULT_POLICY, undefined);
  assert.equal(sets[0]?.healthyPercent, 100);
  assert.deepEqual(priorityLoad(sets, 50).panic, [false]);
});

test('whatever the health, the load adds up to 100 and goes where somebody is', () => {
  const level = fc
    .record({ hosts: fc.nat(12), healthy: fc.nat(12), degraded: fc.nat(12) })
    .map(({ hosts, healthy, degraded }) => ({ hosts, healthy: Math.min(hosts, healthy), degraded }));
  fc.assert(
    fc.property(fc.array(level, { minLength: 1, maxLength: 4 }), fc.nat(100), (levels, panicPercent) => {
      const sets = setsOf(levels);
      const { healthy, degraded, panic } = priorityLoad(sets, panicPercent);
      const total = [...healthy, ...degraded].reduce((sum, share) => sum + share, 0);
      assert.equal(total, 100);
      const isAnybody = sets.some((set) => set.healthy.length + set.degraded.length > 0);
      for (const [i, set] of sets.entries()) {
        if (!isAnybody || panic[i]) continue;
        assert.ok(healthy[i] === 0 || set.healthy.length > 0);
        assert.ok(degraded[i] === 0 || set.degraded.length > 0);
      }
      for (let point = 0; point < 100; point++) {
        const chosen = choosePriority({ healthy, degraded, panic }, point + 0.5);
        assert.ok(((chosen < 0 ? degraded[-1 - chosen] : healthy[chosen]) as number) > 0);
      }
    }),
  );
});

test('retries leave priorities alone that were tried, until none is left', () => {
  const sets = setsOf([{ healthy: 100 }, { healthy: 100 }]);
  const base = priorityLoad(sets, 50);
  const retries = new PreviousPriorities(1);
  const [first, second] = sets.map(({ hosts }) => hosts[0] as Host);
  assert.ok(first && second);
  const shares = () => retries.priorityLoad(base, sets).healthy;
  assert.deepEqual(shares(), [100, 0]);
  retries.attempted(first);
  assert.deepEqual(shares(), [0, 100]);
  retries.attempted(second);
  assert.deepEqual(shares(), [100, 0]);
  retries.attempted(first);
  assert.deepEqual(shares(), [0, 100]);
  const rarely = new PreviousPriorities(2);
  rarely.attempted(first);
  assert.equal(rarely.priorityLoad(base, sets), base);
  rarely.attempted(first);
  assert.deepEqual(rarely.priorityLoad(base, sets).healthy, [0, 100]);
});
