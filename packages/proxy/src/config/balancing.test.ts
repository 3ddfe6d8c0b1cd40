import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BalancingConfig, DEFAULT_ZONE_AWARE } from './balancing.ts';
import { balancingConfigOf, cluster, clusterLoadAssignment } from './cluster.ts';
import { routeConfiguration } from './route.ts';
import { Place, type Schema } from './schema.ts';

function read<T>(schema: Schema<T>, value: unknown): { readonly value: T; readonly issues: readonly string[] } {
  const place = new Place();
  const parsed = schema.parse(value, place);
  return { value: parsed, issues: place.issues.map(({ path, message }) => `${path}: ${message}`) };
}

const staticCluster = (fields: object): object => ({ name: 'c', load_assignment: { cluster_name: 'c' }, ...fields });

function balancing(fields: object): BalancingConfig {
  const { value, issues } = read(cluster, staticCluster(fields));
  assert.deepEqual(issues, []);
  return balancingConfigOf(value);
}

const POLICIES = 'type.googleapis.com/envoy.extensions.load_balancing_policies';
const policyOf = (name: string, fields: object = {}): object => ({
  policies: [{ typed_extension_config: { name, typed_config: { '@type': `${POLICIES}.${name}`, ...fields } } }],
});
const typed = (name: string, fields: object = {}): object => ({ load_balancing_policy: policyOf(name, fields) });

test('what is not said of balancing has the default of the Envoy API', () => {
  assert.deepEqual(balancing({}), {
    policy: { type: 'round-robin', slowStart: undefined },
    weighsLocalities: false,
    zoneAware: DEFAULT_ZONE_AWARE,
    panicPercent: 50,
    subsets: undefined,
  });
  assert.deepEqual(balancing({ lb_policy: 'RING_HASH' }).policy, {
    type: 'ring-hash',
    ring: { minSize: 1024, maxSize: 8_388_608, hash: 'xx', usesHostname: false },
    balancePercent: 0,
  });
  assert.deepEqual(balancing({ lb_policy: 'MAGLEV' }).policy, {
    type: 'maglev',
    maglev: { tableSize: 65_537, usesHostname: false },
    balancePercent: 0,
  });
  const least = { choices: 2, scansAll: false, bias: 1, biasKey: '' };
  assert.deepEqual(balancing({ lb_policy: 'LEAST_REQUEST' }).policy, {
    type: 'least-request',
    least,
    slowStart: undefined,
  });
});

test('both ways to say how a cluster balances come to the same', () => {
  const slow = { slow_start_window: '30s', aggression: { default_value: 2, runtime_key: 'a' } };
  const slowStart = { windowMs: 30_000, aggression: 2, aggressionKey: 'a', minShare: 0.1 };
  assert.deepEqual(balancing({ round_robin_lb_config: { slow_start_config: slow } }).policy, {
    type: 'round-robin',
    slowStart,
  });
  assert.deepEqual(
    balancing({ round_robin_lb_config: { slow_start_config: slow } }),
    balancing(typed('round_robin.v3.RoundRobin', { slow_start_config: slow })),
  );
  const hashing = { use_hostname_for_hashing: true, hash_balance_factor: 150 };
  assert.deepEqual(
    balancing({
      type: 'STRICT_DNS',
      lb_policy: 'MAGLEV',
      maglev_lb_config: { table_size: '101' },
      common_lb_config: { consistent_hashing_lb_config: hashing, locality_weighted_lb_config: {} },
    }),
    balancing(
      typed('maglev.v3.Maglev', {
        table_size: '101',
        consistent_hashing_lb_config: hashing,
        locality_weighted_lb_config: {},
      }),
    ),
  );
  const selectors = { fallback_policy: 'ANY_ENDPOINT', subset_selectors: [{ keys: ['b', 'a', 'b'] }] };
  const legacy = balancing({ lb_policy: 'RANDOM', lb_subset_config: selectors });
  assert.deepEqual(legacy.subsets?.selectors[0]?.keys, ['a', 'b']);
  assert.deepEqual(
    legacy,
    balancing(typed('subset.v3.Subset', { ...selectors, subset_lb_policy: policyOf('random.v3.Random') })),
  );
  const zone = { routing_enabled: { value: 40 }, min_cluster_size: '3', fail_traffic_on_panic: true };
  assert.deepEqual(
    balancing({ common_lb_config: { zone_aware_lb_config: zone } }),
    balancing(typed('round_robin.v3.RoundRobin', { locality_lb_config: { zone_aware_lb_config: zone } })),
  );
  assert.equal(
    balancing(typed('wrr_locality.v3.WrrLocality', { endpoint_picking_policy: policyOf('round_robin.v3.RoundRobin') }))
      .weighsLocalities,
    true,
  );
});

const forward = (action: object): object => ({
  name: 'r',
  virtual_hosts: [
    { name: 'v', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'c', ...action } }] },
  ],
});
const selector = (fields: object): object =>
  staticCluster({ lb_subset_config: { subset_selectors: [{ keys: ['a', 'b'], ...fields }] } });
const ROUTE = 'virtual_hosts\\[0\\]\\.routes\\[0\\]\\.route';

const REFUSED: readonly (readonly [schema: Schema<unknown>, value: unknown, issue: RegExp])[] = [
  [
    cluster,
    staticCluster({ lb_policy: 'MAGLEV', maglev_lb_config: { table_size: '10' } }),
    /^maglev_lb_config\.table_size: must be a prime/,
  ],
  [cluster, staticCluster({ maglev_lb_config: { table_size: '5000013' } }), /table_size: must be from/],
  [
    cluster,
    staticCluster({ ring_hash_lb_config: { minimum_ring_size: '9', maximum_ring_size: '8' } }),
    /^ring_hash_lb_config: minimum_ring_size \(9\)/,
  ],
  [cluster, staticCluster({ least_request_lb_config: { choice_count: 1 } }), /choice_count: must be from 2/],
  [
    cluster,
    staticCluster({ common_lb_config: { consistent_hashing_lb_config: { hash_balance_factor: 99 } } }),
    /hash_balance_factor: must be from 100/,
  ],
  [
    cluster,
    staticCluster({ common_lb_config: { override_host_status: {} } }),
    /^common_lb_config\.override_host_status: not supported/,
  ],
  [
    cluster,
    staticCluster({ common_lb_config: { zone_aware_lb_config: {}, locality_weighted_lb_config: {} } }),
    /^common_lb_config: has both/,
  ],
  [
    cluster,
    staticCluster({ common_lb_config: { consistent_hashing_lb_config: { use_hostname_for_hashing: true } } }),
    /^common_lb_config: hashes hostnames/,
  ],
  [cluster, staticCluster({ lb_policy: 'CLUSTER_PROVIDED' }), /^lb_policy: CLUSTER_PROVIDED goes with/],
  [cluster, { name: 'c', type: 'ORIGINAL_DST' }, /^lb_policy: CLUSTER_PROVIDED goes with/],
  [cluster, staticCluster({ type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED' }), /^load_assignment: is not used/],
  [
    cluster,
    {
      name: 'c',
      type: 'ORIGINAL_DST',
      lb_policy: 'CLUSTER_PROVIDED',
      original_dst_lb_config: { http_header_name: 'x' },
    },
    /http_header_name: is used with use_http_header/,
  ],
  [cluster, staticCluster({ lb_policy: 'LOAD_BALANCING_POLICY_CONFIG' }), /^load_balancing_policy: is needed/],
  [
    cluster,
    staticCluster({ ...typed('random.v3.Random'), lb_subset_config: { subset_selectors: [{ keys: ['a'] }] } }),
    /^lb_subset_config: is not used beside/,
  ],
  [
    cluster,
    staticCluster({ ...typed('random.v3.Random'), common_lb_config: { locality_weighted_lb_config: {} } }),
    /^common_lb_config\.locality_weighted_lb_config: is not used beside/,
  ],
  [cluster, staticCluster(typed('override_host.v3.OverrideHost')), /^load_balancing_policy\.policies: none is one of/],
  [
    cluster,
    staticCluster(typed('maglev.v3.Maglev', { consistent_hashing_lb_config: { hash_policy: [{}] } })),
    /typed_config\.consistent_hashing_lb_config\.hash_policy: not supported/,
  ],
  [cluster, selector({ single_host_per_subset: true }), /single_host_per_subset: is for a selector of one key/],
  [cluster, selector({ fallback_policy: 'KEYS_SUBSET' }), /fallback_keys_subset: is needed/],
  [cluster, selector({ fallback_policy: 'KEYS_SUBSET', fallback_keys_subset: ['c'] }), /may hold keys of the selector/],
  [cluster, selector({ fallback_policy: 'KEYS_SUBSET', fallback_keys_subset: ['a', 'b'] }), /must leave a key/],
  [clusterLoadAssignment, { cluster_name: 'c', endpoints: [{ priority: 129 }] }, /priority: must be from 0 to 128/],
  [clusterLoadAssignment, { cluster_name: 'c', named_endpoints: {} }, /^named_endpoints: not supported/],
  [
    clusterLoadAssignment,
    { cluster_name: 'c', policy: { overprovisioning_factor: 0 } },
    /overprovisioning_factor: must be/,
  ],
  [
    clusterLoadAssignment,
    { cluster_name: 'c', policy: { drop_overloads: [{ category: 'a' }, { category: 'b' }] } },
    /drop_overloads: has 2 entries/,
  ],
  [routeConfiguration, forward({ hash_policy: [{}] }), new RegExp(`^${ROUTE}\\.hash_policy\\[0\\]: needs one of`)],
  [routeConfiguration, forward({ hash_policy: [{ header: {} }] }), /header\.header_name: must not be empty/],
  [
    routeConfiguration,
    forward({
      retry_policy: {
        retry_priority: {
          name: 'x',
          typed_config: {
            '@type': 'a/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig',
          },
        },
      },
    }),
    /update_frequency: is needed/,
  ],
];

for (const [schema, value, issue] of REFUSED) {
  test(`refused with ${issue.source}`, () => {
    const { issues } = read(schema, value);
    assert.ok(
      issues.some((text) => issue.test(text)),
      issues.join('\n'),
    );
  });
}
