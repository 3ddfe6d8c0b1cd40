import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterLimits } from './limits.ts';
import { endpoint, testCluster } from './testing/cluster.ts';

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
