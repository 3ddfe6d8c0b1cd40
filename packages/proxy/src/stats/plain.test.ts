import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterStats } from './groups.ts';
import { StatsRegistry } from './registry.ts';

/** What one thread counts of a cluster: values of the group `cluster.up.<part>`. */
function thread(part: string, values: object): StatsRegistry {
  const registry = new StatsRegistry();
  registry.add({ prefix: `cluster.up.${part}`, metricPrefix: 'cluster_', labels: {}, values });
  return registry;
}

function together(part: string, ...threads: readonly object[]): Readonly<Record<string, number>> {
  const [main, ...others] = threads.map((values) => thread(part, values));
  main?.setOthers(others.map((other) => other.plain()));
  const lines = main?.text().trim().split('\n') ?? [];
  return Object.fromEntries(
    lines
      .map((line) => line.slice(`cluster.up.${part}`.length).split(': ') as [string, string])
      .map(([name, value]) => {
        return [name, Number(value)] as const;
      }),
  );
}

test('what requests and connections count adds up, and what is under way does', () => {
  const counted = { upstream_rq_total: 3, upstream_cx_active: 2, lb_subsets_selected: 1, lb_healthy_panic: 1 };
  assert.deepEqual(together('', counted, counted, counted), {
    lb_healthy_panic: 3,
    lb_subsets_selected: 3,
    upstream_cx_active: 6,
    upstream_rq_total: 9,
  });
  assert.deepEqual(together('http2.', { pending_send_bytes: 7, streams_active: 1 }, { pending_send_bytes: 1 }), {
    pending_send_bytes: 8,
    streams_active: 1,
  });
});

test('what each thread has as a whole is that of the main thread', () => {
  const known = { membership_total: 2, lb_subsets_active: 4, max_host_weight: 5, update_success: 1, version: 9 };
  assert.deepEqual(together('', known, known), known);
  for (const [part, values] of [
    ['circuit_breakers.default.', { cx_open: 1, remaining_rq: 7 }],
    ['outlier_detection.', { ejections_active: 1, ejections_total: 2 }],
    ['health_check.', { attempt: 9, healthy: 2 }],
    ['ring_hash_lb.', { min_hashes_per_host: 1, size: 1024 }],
  ] as const) {
    assert.deepEqual(together(part, values, values), values, part);
  }
});

test('groups of the process are those of the main thread, but for what is counted for each worker', () => {
  const registry = new StatsRegistry();
  const add = (to: StatsRegistry) => {
    to.add({ prefix: 'server.', metricPrefix: 'server_', labels: {}, values: { total_connections: 4, live: 1 } });
    const values = { listener_create_success: 1, total_listeners_active: 1 };
    to.add({ prefix: 'listener_manager.', metricPrefix: 'listener_manager_', labels: {}, values });
  };
  add(registry);
  const other = new StatsRegistry();
  add(other);
  registry.setOthers([other.plain()]);
  assert.equal(
    registry.text(),
    'listener_manager.listener_create_success: 2\nlistener_manager.total_listeners_active: 1\n' +
      'server.live: 1\nserver.total_connections: 4\n',
  );
});

test('statuses and times that were measured are those of all threads', () => {
  const count = () => {
    const stats = new ClusterStats();
    stats.upstream_rq_.add(200);
    stats.upstream_rq_time.record(5);
    return stats;
  };
  const main = thread('', count());
  main.setOthers([thread('', count()).plain(), thread('', count()).plain()]);
  assert.match(main.text(), /^cluster\.up\.upstream_rq_200: 3$/m);
  assert.match(main.prometheus(), /cluster_upstream_rq_time_count\{\} 3/);
});
