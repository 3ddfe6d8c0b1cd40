import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../clock.ts';
import { ClusterLimits } from './limits.ts';
import { endpoint, testCluster } from './testing/cluster.ts';
import { type AskedFor, counts, request, seeded } from './testing/picks.ts';

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
  const times = (count: number, run: () => void) => Array.from({ length: count }, run);
  times(3, () => parsed.countRetry(1));
  assert.equal(parsed.canRetry(), false);
  times(20, () => parsed.countRequest(1));
  assert.equal(parsed.canRetry(), true);
  parsed.countRetry(1);
  assert.equal(parsed.canRetry(), false);
  const plain = new ClusterLimits(undefined);
  times(2, () => plain.countRetry(1));
  assert.equal(plain.canRetry(), true);
  plain.countRetry(1);
  assert.equal(plain.canRetry(), false);
});

/** A clock that a test moves. */
class MovedClock implements Clock {
  nowMs = 0;
  monotonicMs = (): number => this.nowMs;
  wallMs = (): number => this.nowMs;
  after = (): (() => void) => () => undefined;
}

const slowStart = { slow_start_config: { slow_start_window: '10s' } };

for (const [name, fields] of [
  ['round robin', { round_robin_lb_config: slowStart }],
  ['least request', { lb_policy: 'LEAST_REQUEST', least_request_lb_config: slowStart }],
] as const) {
  test(`${name}: a host that has just come gets more and more, up to its share`, () => {
    const clock = new MovedClock();
    const cluster = testCluster(fields, [], { clock, random: seeded(5) });
    cluster.update([endpoint(1)]);
    clock.nowMs = 60_000;
    cluster.update([endpoint(1), endpoint(2)]);
    const share = () => (counts(cluster, 1000).get(2) ?? 0) / 1000;
    assert.ok(Math.abs(share() - 0.1 / 1.1) < 0.02, 'a tenth of its weight at first');
    clock.nowMs += 5000;
    assert.ok(Math.abs(share() - 0.5 / 1.5) < 0.02);
    clock.nowMs += 5001;
    assert.ok(Math.abs(share() - 0.5) < 0.02);
  });
}

test('a host that passes its checks again is warmed up again', () => {
  const clock = new MovedClock();
  const health_checks = [
    { timeout: '1s', interval: '1s', unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {} },
  ];
  const cluster = testCluster({ round_robin_lb_config: slowStart, health_checks }, [], { clock, random: seeded(5) });
  cluster.update([endpoint(1), endpoint(2)]);
  for (const host of cluster.hosts) host.check = 'healthy';
  cluster.healthChanged();
  clock.nowMs = 60_000;
  assert.ok(Math.abs((counts(cluster, 1000).get(2) ?? 0) - 500) < 20);
  const [, second] = cluster.hosts;
  assert.ok(second);
  for (const check of ['failed', 'healthy'] as const) {
    second.check = check;
    cluster.healthChanged();
    cluster.refresh();
  }
  assert.ok(Math.abs((counts(cluster, 1000).get(2) ?? 0) - 91) < 20);
});

test('a host that left stays as long as its checks pass, where that is not said to be ignored', () => {
  const health_checks = [
    { timeout: '1s', interval: '1s', unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {} },
  ];
  for (const ignores of [false, true]) {
    const cluster = testCluster({ health_checks, ignore_health_on_host_removal: ignores });
    cluster.update([endpoint(1), endpoint(2), endpoint(3)]);
    const [passing, failing] = cluster.hosts;
    assert.ok(passing && failing);
    passing.check = 'healthy';
    failing.check = 'failed';
    cluster.update([endpoint(3)]);
    assert.deepEqual(cluster.hosts.includes(passing), !ignores);
    assert.equal(cluster.hosts.includes(failing), false);
    if (ignores) continue;
    assert.equal(cluster.stats.membership_total, 2);
    passing.check = 'failed';
    cluster.healthChanged();
    cluster.refresh();
    assert.deepEqual(
      cluster.hosts.map(({ key }) => key),
      ['127.0.0.1:3'],
    );
    assert.equal(cluster.stats.membership_total, 1);
  }
});

test('a host that comes back before its checks fail was never gone', () => {
  const health_checks = [
    { timeout: '1s', interval: '1s', unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {} },
  ];
  const cluster = testCluster({ health_checks });
  cluster.update([endpoint(1)]);
  const [host] = cluster.hosts;
  assert.ok(host);
  host.check = 'healthy';
  cluster.update([]);
  assert.equal(host.isLeaving, true);
  cluster.update([endpoint(1)]);
  assert.equal(host.isLeaving, false);
  assert.deepEqual(cluster.hosts, [host]);
});

test('hosts are where connections were going, and go when nobody asks for them', () => {
  const fields = { type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', load_assignment: undefined };
  const cluster = testCluster({
    ...fields,
    original_dst_lb_config: { use_http_header: true, http_header_name: 'X-To' },
  });
  const pick = (asked: AskedFor) => cluster.pick(request(asked));
  const host = pick({ originalDestination: '10.0.0.1:80' });
  assert.equal(host?.key, '10.0.0.1:80');
  assert.equal(pick({ originalDestination: '10.0.0.1:80' }), host);
  assert.equal(pick({ originalDestination: '10.0.0.1:80', fields: { 'x-to': '[::1]:81' } })?.key, '[::1]:81');
  assert.equal(pick({ originalDestination: '10.0.0.1:80', fields: { 'x-to': 'somewhere:81' } }), host);
  assert.equal(cluster.stats.original_dst_host_invalid, 1);
  assert.equal(pick({}), undefined);
  assert.equal(cluster.pick(), undefined);
  assert.equal(cluster.hosts.length, 2);
  cluster.sweep();
  assert.equal(cluster.hosts.length, 2, 'both were asked for since the last time');
  assert.ok(host);
  host.connectionsActive = 1;
  cluster.sweep();
  assert.deepEqual(cluster.hosts, [host]);
  const other = testCluster({ ...fields, original_dst_lb_config: { upstream_port_override: 9000 } });
  assert.equal(other.pick(request({ originalDestination: '10.0.0.1:80' }))?.key, '10.0.0.1:9000');
});

test('of an address that is listed twice the first counts', () => {
  const cluster = testCluster();
  cluster.update([endpoint(1, { weight: 3 }), endpoint(1, { weight: 5, priority: 1 })]);
  assert.equal(cluster.hosts.length, 1);
  assert.equal(cluster.hosts[0]?.endpoint.weight, 3);
});

test('10,000 hosts are taken, looked at and picked from in no time', () => {
  const many = Array.from({ length: 10_000 }, (_, i) => endpoint(i + 1, { zone: `z${i % 3}`, weight: 1 + (i % 3) }));
  const cluster = testCluster({ common_lb_config: { locality_weighted_lb_config: {} } }, [], { random: seeded() });
  const startMs = performance.now();
  for (let round = 0; round < 10; round++) {
    cluster.update(many.slice(round));
    cluster.healthChanged();
    for (let i = 0; i < 1000; i++) cluster.pick();
  }
  // A tenth of a second each even on a machine that does other things; what grows with the square takes far longer.
  assert.ok(performance.now() - startMs < 5000);
});

test('values of the runtime replace what the configuration says, from the next change of hosts on', () => {
  const values = new Map<string, number>();
  const readRuntime = (key: string, otherwise: number) => values.get(key) ?? otherwise;
  const endpoints = [endpoint(1), endpoint(2, { health: 'unhealthy' }), endpoint(3, { health: 'unhealthy' })];
  const cluster = testCluster({ lb_policy: 'RANDOM' }, [], { random: seeded(2), readRuntime });
  cluster.update(endpoints);
  assert.equal(counts(cluster, 100).size, 3, 'in panic at 50 %');
  values.set('upstream.healthy_panic_threshold', 10);
  cluster.update(endpoints);
  assert.equal(counts(cluster, 100).size, 1);
  const least_request_lb_config = { active_request_bias: { default_value: 1, runtime_key: 'bias' } };
  const least = testCluster({ lb_policy: 'LEAST_REQUEST', least_request_lb_config }, [], {
    random: seeded(2),
    readRuntime,
  });
  values.set('bias', 0);
  least.update([endpoint(1, { weight: 2 }), endpoint(2)]);
  const [busy] = least.hosts;
  assert.ok(busy);
  busy.requestsActive = 9;
  assert.ok(Math.abs((counts(least, 300).get(1) ?? 0) - 200) < 5);
});
