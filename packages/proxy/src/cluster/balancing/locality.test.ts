import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterStats } from '../../stats/groups.ts';
import { Host } from '../host.ts';
import { endpoint, testCluster } from '../testing/cluster.ts';
import { counts, isNear, request, seeded } from '../testing/picks.ts';
import { DEFAULT_POLICY, type HostSet, hostSets, localityKey } from './host-sets.ts';
import { type ZoneAwareConfig, zoneRouting } from './zone-routing.ts';

const key = (zone: string) => localityKey({ region: '', zone, subZone: '' });
const LOCAL = key('a');

/** So many hosts in each zone. */
function zones(sizes: Readonly<Record<string, number>>, change: object = {}): readonly Host[] {
  let port = 1;
  return Object.entries(sizes).flatMap(([zone, size]) =>
    Array.from({ length: size }, () => new Host(endpoint(port++, { zone, ...change }))),
  );
}

const set = (sizes: Readonly<Record<string, number>>): HostSet =>
  hostSets(zones(sizes), DEFAULT_POLICY, LOCAL)[0] as HostSet;

const CONFIG: ZoneAwareConfig = {
  enabledPercent: 100,
  minClusterSize: 1,
  failsOnPanic: false,
  forceLocalMinHosts: undefined,
  isByWeight: false,
};

const route = (
  upstream: Record<string, number>,
  local: Record<string, number>,
  change: Partial<ZoneAwareConfig> = {},
) => zoneRouting(set(upstream), set(local), { ...CONFIG, ...change }, new ClusterStats());

test('the own locality comes first, others in the order of their names', () => {
  const found = hostSets(zones({ c: 1, a: 2, b: 1 }), DEFAULT_POLICY, LOCAL)[0];
  assert.deepEqual(
    found?.localities.map((locality) => locality.key),
    [key('a'), key('b'), key('c')],
  );
  assert.equal(found?.hasLocal, true);
  assert.equal(hostSets(zones({ c: 1, b: 2 }), DEFAULT_POLICY, LOCAL)[0]?.hasLocal, false);
});

test('requests stay in their zone as far as its share of the hosts goes', () => {
  assert.deepEqual(route({ a: 5, b: 5 }, { a: 1, b: 1 }), { type: 'direct' });
  // The example of Envoy's documentation: 40, 40, 20 % of the proxies meet 25, 50, 25 % of the hosts.
  assert.deepEqual(route({ a: 1, b: 2, c: 1 }, { a: 2, b: 2, c: 1 }), {
    type: 'residual',
    localShare: 6250,
    capacities: [0, 1000, 1500],
  });
  assert.deepEqual(route({ b: 1, c: 1 }, { a: 1, b: 1 }), {
    type: 'residual',
    localShare: 0,
    capacities: [0, 5000],
  });
});

test('zones are left alone where there is nothing to go by', () => {
  assert.equal(route({ a: 5 }, { a: 1, b: 1 }).type, 'off');
  assert.equal(route({ a: 5, b: 5 }, { a: 1 }).type, 'off');
  assert.equal(route({ a: 5, b: 5 }, { b: 1, c: 1 }).type, 'off');
  assert.equal(route({ a: 1, b: 1 }, { a: 1, b: 1 }, { minClusterSize: 3 }).type, 'off');
});

test('requests can be held in their zone whatever its share', () => {
  assert.equal(route({ a: 2, b: 9 }, { a: 9, b: 1 }, { forceLocalMinHosts: 2 }).type, 'direct');
  assert.equal(route({ a: 1, b: 9 }, { a: 9, b: 1 }, { forceLocalMinHosts: 2 }).type, 'residual');
  assert.equal(route({ a: 1, b: 9 }, { a: 1 }, { forceLocalMinHosts: 1 }).type, 'direct');
});

test('the local cluster is looked at again when its hosts change', () => {
  let local = set({ a: 1, b: 1 });
  const random = seeded();
  const cluster = testCluster({ common_lb_config: { zone_aware_lb_config: { min_cluster_size: '1' } } }, [], {
    random,
    local: { key: LOCAL, hosts: () => local, onChanged: () => undefined },
  });
  cluster.update([endpoint(1, { zone: 'a' }), endpoint(2, { zone: 'b' }), endpoint(3, { zone: 'b' })]);
  const before = counts(cluster, 3000);
  assert.ok(isNear(before.get(1), 2 / 3, 3000), String(before.get(1)));
  local = set({ a: 1, b: 3 });
  cluster.localChanged();
  assert.deepEqual(counts(cluster, 100), new Map([[1, 100]]));
  assert.ok(cluster.stats.lb_zone_routing_all_directly >= 100);
});

test('localities get what their weights and their healthy hosts are worth', () => {
  const cluster = testCluster({ common_lb_config: { locality_weighted_lb_config: {} } }, [], { random: seeded(3) });
  const one = { zone: 'a', localityWeight: 1 };
  const two = { zone: 'b', localityWeight: 2 };
  cluster.update([endpoint(1, one), endpoint(2, two), endpoint(3, two), endpoint(4, { zone: 'c' })]);
  const whole = counts(cluster, 3000);
  assert.ok(isNear(whole.get(1), 1 / 3, 3000));
  assert.equal(whole.get(4), undefined);
  cluster.update([endpoint(1, one), endpoint(2, two), endpoint(3, { ...two, health: 'unhealthy' })]);
  // Half of zone b at an overprovisioning factor of 140 is worth 1.4 of its 2.
  assert.ok(isNear(counts(cluster, 3000).get(1), 1 / 2.4, 3000));
});

test('a table of hashes holds localities by their weights', () => {
  const cluster = testCluster({ lb_policy: 'MAGLEV', common_lb_config: { locality_weighted_lb_config: {} } });
  cluster.update([endpoint(1, { zone: 'a', localityWeight: 3 }), endpoint(2, { zone: 'b', localityWeight: 1 })]);
  const found = counts(cluster, 2000, (i) => ({ key: `${i}` }));
  assert.ok(Math.abs((found.get(1) ?? 0) - 1500) < 120, String(found.get(1)));
  assert.ok(cluster.pick(request({ key: 'x' })));
});
