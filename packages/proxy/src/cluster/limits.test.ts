import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from '../config/cluster.ts';
import { Place } from '../config/schema.ts';
import { ClusterLimits } from './limits.ts';

function limits(fields: object, perHost?: { readonly max_connections: number | undefined }): ClusterLimits {
  const place = new Place();
  const circuit_breakers = { thresholds: [fields] };
  const config = cluster.parse({ name: 'c', load_assignment: { cluster_name: 'c' }, circuit_breakers }, place);
  assert.deepEqual(place.issues, []);
  return new ClusterLimits(config.circuit_breakers?.thresholds[0], perHost);
}

test('gauges say where nothing more may begin', () => {
  const one = limits({ max_connections: 1, max_pending_requests: 0, max_requests: 2, max_retries: 1 });
  assert.deepEqual(one.gauges, {
    cx_open: 0,
    cx_pool_open: 0,
    rq_open: 0,
    rq_pending_open: 1,
    rq_retry_open: 0,
  });
  one.connections = 1;
  one.requests = 2;
  one.retries = 1;
  assert.deepEqual(one.gauges, { cx_open: 1, cx_pool_open: 0, rq_open: 1, rq_pending_open: 1, rq_retry_open: 1 });
});

test('what remains is told where that is asked for', () => {
  const tracked = limits({ max_connections: 5, track_remaining: true });
  tracked.connections = 2;
  const { remaining_cx, remaining_retries, remaining_rq } = tracked.gauges;
  assert.deepEqual([remaining_cx, remaining_retries, remaining_rq], [3, 3, 1024]);
});

test('a budget is a share of what is under way, and some retries always', () => {
  const budget = limits({
    max_retries: 100,
    retry_budget: { budget_percent: { value: 50 }, min_retry_concurrency: 2 },
  });
  budget.retries = 2;
  assert.equal(budget.canRetry(), false);
  budget.requests = 4;
  budget.pending = 2;
  assert.equal(budget.canRetry(), true);
  budget.retries = 3;
  assert.equal(budget.canRetry(), false);
});

test('a host may have its own limit of connections', () => {
  const perHost = limits({ max_connections: 10 }, { max_connections: 2 });
  assert.equal(perHost.canConnect(1), true);
  assert.equal(perHost.canConnect(2), false);
  perHost.connections = 10;
  assert.equal(perHost.canConnect(0), false);
});

test('limits per host hold connections only, and those of a priority stand there once', () => {
  const issues = (circuit_breakers: object): readonly string[] => {
    const place = new Place();
    cluster.parse({ name: 'c', load_assignment: { cluster_name: 'c' }, circuit_breakers }, place);
    return place.issues.map(({ path }) => path);
  };
  assert.deepEqual(issues({ per_host_thresholds: [{ max_connections: 1 }, { priority: 'HIGH' }] }), []);
  assert.deepEqual(issues({ per_host_thresholds: [{ max_requests: 1 }] }), [
    'circuit_breakers.per_host_thresholds[0].max_requests',
  ]);
  assert.deepEqual(issues({ thresholds: [{ max_connection_pools: 1 }] }), [
    'circuit_breakers.thresholds[0].max_connection_pools',
  ]);
});
