import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from '../config/cluster.ts';
import { Place } from '../config/schema.ts';
import { SharedCounts } from '../counts/shared-counts.ts';
import { ClusterLimits, type RoutingPriority } from './limits.ts';

const HOST = { key: 'a', connectionsActive: 0 };

function limits(fields: object, perHost?: { readonly max_connections: number | undefined }): ClusterLimits {
  const place = new Place();
  const circuit_breakers = { thresholds: [fields] };
  const config = cluster.parse({ name: 'c', load_assignment: { cluster_name: 'c' }, circuit_breakers }, place);
  assert.deepEqual(place.issues, []);
  return new ClusterLimits(config.circuit_breakers?.thresholds[0], { perHost });
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
  one.countConnection(HOST, 1);
  one.countRequest(1);
  one.countRequest(1);
  one.countRetry(1);
  assert.deepEqual(one.gauges, { cx_open: 1, cx_pool_open: 0, rq_open: 1, rq_pending_open: 1, rq_retry_open: 1 });
});

test('what remains is told where that is asked for', () => {
  const tracked = limits({ max_connections: 5, track_remaining: true });
  tracked.countConnection(HOST, 1);
  tracked.countConnection(HOST, 1);
  const { remaining_cx, remaining_retries, remaining_rq } = tracked.gauges;
  assert.deepEqual([remaining_cx, remaining_retries, remaining_rq], [3, 3, 1024]);
});

test('a budget is a share of what is under way, and some retries always', () => {
  const budget = limits({
    max_retries: 100,
    retry_budget: { budget_percent: { value: 50 }, min_retry_concurrency: 2 },
  });
  budget.countRetry(1);
  budget.countRetry(1);
  assert.equal(budget.canRetry(), false);
  for (let count = 0; count < 4; count++) budget.countRequest(1);
  budget.countPending(1);
  budget.countPending(1);
  assert.equal(budget.canRetry(), true);
  budget.countRetry(1);
  assert.equal(budget.canRetry(), false);
});

test('a host may have its own limit of connections', () => {
  const perHost = limits({ max_connections: 10 }, { max_connections: 2 });
  const hostWith = (connectionsActive: number) => ({ key: 'a', connectionsActive });
  assert.equal(perHost.canConnect(hostWith(1)), true);
  assert.equal(perHost.canConnect(hostWith(2)), false);
  for (let count = 0; count < 10; count++) perHost.countConnection(HOST, 1);
  assert.equal(perHost.canConnect(hostWith(0)), false);
});

test('limits over shared numbers hold for all who share them, those of each priority apart', () => {
  const counts = SharedCounts.make(16);
  const make = (priority: RoutingPriority) => {
    const hostCells = (host: string) => counts.cells(`cluster/c/${host}`);
    return new ClusterLimits(undefined, {
      priority,
      perHost: { max_connections: 2 },
      cells: counts.cells('cluster/c'),
      hostCells,
    });
  };
  const [here, there, high] = [make('DEFAULT'), make('DEFAULT'), make('HIGH')];
  there.countRequest(1);
  there.countPending(1);
  there.countConnection(HOST, 1);
  high.countConnection(HOST, 1);
  assert.deepEqual([here.requests, here.pending, here.connections, high.requests], [1, 1, 1, 0]);
  assert.equal(here.canConnect(HOST), false, 'the host has what it may take, whoever connected');
  assert.equal(here.canConnect({ key: 'b', connectionsActive: 9 }), true);
  there.countRequest(-1);
  assert.equal(here.requests, 0);
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
