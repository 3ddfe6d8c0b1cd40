import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Balancer, LeastRequest, RoundRobin } from './balancer.ts';
import { Host } from './host.ts';
import { ClusterLimits } from './limits.ts';
import { endpoint, testCluster } from './testing/cluster.ts';

const hosts = (...weights: number[]): Host[] => weights.map((weight, i) => new Host(endpoint(1000 + i, { weight })));

function counts(balancer: Balancer, list: readonly Host[], picks: number): readonly number[] {
  const count = new Map<Host | undefined, number>();
  for (let i = 0; i < picks; i++) {
    const host = balancer.pick();
    count.set(host, (count.get(host) ?? 0) + 1);
  }
  return list.map((host) => count.get(host) ?? 0);
}

/** Numbers that look random and are the same each time. */
function seeded(seed = 1): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

test('round robin gives each host its turn, in order', () => {
  const list = hosts(1, 1, 1);
  const balancer = new RoundRobin(() => 0);
  balancer.update(list);
  const turns = Array.from({ length: 6 }, () => list.indexOf(balancer.pick()!));
  assert.deepEqual(turns, [0, 1, 2, 0, 1, 2]);
  assert.deepEqual(counts(balancer, list, 300), [100, 100, 100]);
});

test('round robin by weight is exact over a round, and spread out within it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 1e6 }),
      (weights, seed) => {
        const list = hosts(...weights);
        const balancer = new RoundRobin(seeded(seed));
        balancer.update(list);
        const round = weights.reduce((total, weight) => total + weight, 0);
        const found = counts(balancer, list, round * 10);
        for (const [i, weight] of weights.entries())
          assert.ok(Math.abs((found[i] ?? 0) - weight * 10) <= 1, `${weights}: ${found}`);
      },
    ),
  );
  const [heavy, light] = hosts(9, 1);
  const balancer = new RoundRobin(() => 0);
  balancer.update([heavy!, light!]);
  let longest = 0;
  for (let i = 0, run = 0; i < 100; i++) {
    run = balancer.pick() === heavy ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  assert.ok(longest <= 10);
});

test('the better of two that are chosen at random gets the request, for its weight', () => {
  const list = hosts(1, 1);
  const balancer = new LeastRequest(seeded(), 2);
  balancer.update(list);
  list[0]!.requestsActive = 5;
  const [busy, free] = counts(balancer, list, 1000);
  assert.ok(busy! > 150 && busy! < 350, `both choices fall on the busy one a quarter of the time: ${busy}`);
  assert.equal(busy! + free!, 1000);
  const weighted = hosts(10, 1);
  weighted[0]!.requestsActive = 5;
  balancer.update(weighted);
  const [strong, weak] = counts(balancer, weighted, 1000);
  assert.ok(strong! > weak!);
});

test('without hosts there is none to pick', () => {
  for (const balancer of [new RoundRobin(() => 0), new LeastRequest(() => 0, 2)]) {
    assert.equal(balancer.pick(), undefined);
    balancer.update([]);
    assert.equal(balancer.pick(), undefined);
  }
});

test('unhealthy hosts are left out until too few are left', () => {
  const cluster = testCluster();
  const picked = (): ReadonlySet<string | undefined> => new Set(Array.from({ length: 20 }, () => cluster.pick()?.key));
  cluster.update([endpoint(1), endpoint(2), endpoint(3, { health: 'unhealthy' })]);
  assert.deepEqual(picked(), new Set(['127.0.0.1:1', '127.0.0.1:2']));
  cluster.update([endpoint(1), endpoint(2, { health: 'unhealthy' }), endpoint(3, { health: 'unhealthy' })]);
  assert.equal(picked().size, 3, 'in panic all of them are taken');
  cluster.update([endpoint(1, { health: 'degraded' }), endpoint(2)]);
  assert.deepEqual(picked(), new Set(['127.0.0.1:2']));
  const calm = testCluster({ common_lb_config: { healthy_panic_threshold: { value: 0 } } });
  calm.update([endpoint(1, { health: 'unhealthy' })]);
  assert.equal(calm.pick(), undefined);
});

test('hosts that stay keep what they have', () => {
  const cluster = testCluster();
  cluster.update([endpoint(1), endpoint(2)]);
  const [first] = cluster.hosts;
  cluster.update([endpoint(3), endpoint(1, { weight: 5 })]);
  assert.equal(cluster.hosts[1], first);
  assert.equal(first?.endpoint.weight, 5);
  assert.equal(cluster.stats.membership_change, 2);
  cluster.update([endpoint(1, { weight: 5 }), endpoint(3)]);
  assert.equal(cluster.stats.membership_change, 2);
});

test('retries are held to their number, or to a share of what is under way', () => {
  const parsed = testCluster({
    circuit_breakers: { thresholds: [{ retry_budget: { budget_percent: { value: 20 }, min_retry_concurrency: 3 } }] },
  }).limits;
  parsed.retries = 3;
  assert.equal(parsed.canRetry(), false);
  parsed.requests = 20;
  assert.equal(parsed.canRetry(), true);
  parsed.retries = 4;
  assert.equal(parsed.canRetry(), false);
  const plain = new ClusterLimits(undefined);
  plain.retries = 2;
  assert.equal(plain.canRetry(), true);
  plain.retries = 3;
  assert.equal(plain.canRetry(), false);
});
