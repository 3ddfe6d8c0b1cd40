import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster } from '../cluster.ts';
import type { Endpoint } from '../host.ts';
import { endpoint, testCluster } from '../testing/cluster.ts';
import { counts, request } from '../testing/picks.ts';

const HOSTS: readonly Endpoint[] = [
  endpoint(1, { metadata: { version: '1', stage: 'a' } }),
  endpoint(2, { metadata: { version: '1', stage: 'b' } }),
  endpoint(3, { metadata: { version: '2', stage: 'a' } }),
  endpoint(4, { metadata: { version: '2', stage: ['a', 'b'] } }),
  endpoint(5),
];

function cluster(config: object, more: object = {}, endpoints = HOSTS): Cluster {
  const made = testCluster({ lb_subset_config: { subset_selectors: [{ keys: ['version'] }], ...config }, ...more });
  made.update(endpoints);
  return made;
}

const ports = (made: Cluster, metadata?: Readonly<Record<string, unknown>>): readonly number[] =>
  [...counts(made, 40, () => (metadata ? { metadata } : {})).keys()].sort();

const none = [0];

test('a request goes to hosts that have what its route asks for', () => {
  const made = cluster({ subset_selectors: [{ keys: ['version'] }, { keys: ['version', 'stage'] }] });
  assert.deepEqual(ports(made, { version: '1' }), [1, 2]);
  assert.deepEqual(ports(made, { version: '1', stage: 'b' }), [2]);
  assert.deepEqual(ports(made, { version: 1 }), none, 'a number is no text');
  assert.deepEqual(ports(made, { stage: 'a' }), none, 'no selector has that key alone');
  assert.equal(made.stats.lb_subsets_selected, 80);
  assert.equal(made.stats.lb_subsets_active, 2 + 4);
  made.update(HOSTS.slice(0, 2));
  assert.equal(made.stats.lb_subsets_active, 1 + 2);
  assert.equal(made.stats.lb_subsets_removed, 3);
  assert.deepEqual(ports(made, { version: '2' }), none);
});

test('a list is one value, or any of its values', () => {
  const selectors = { subset_selectors: [{ keys: ['stage'] }] };
  assert.deepEqual(ports(cluster(selectors), { stage: 'a' }), [1, 3]);
  assert.deepEqual(ports(cluster(selectors), { stage: ['a', 'b'] }), [4]);
  assert.deepEqual(ports(cluster({ ...selectors, list_as_any: true }), { stage: 'a' }), [1, 3, 4]);
});

test('where no host has what is asked for, the fallback counts', () => {
  assert.deepEqual(ports(cluster({}), { version: '9' }), none);
  assert.deepEqual(ports(cluster({})), none);
  const any = cluster({ fallback_policy: 'ANY_ENDPOINT' });
  assert.deepEqual(ports(any, { version: '9' }), [1, 2, 3, 4, 5]);
  assert.equal(any.stats.lb_subsets_fallback, 40);
  const some = cluster({ fallback_policy: 'DEFAULT_SUBSET', default_subset: { stage: 'a' } });
  assert.deepEqual(ports(some, { version: '9' }), [1, 3]);
  assert.deepEqual(ports(some), [1, 3]);
});

test('a selector may have a fallback of its own', () => {
  const keys = ['version', 'stage'];
  const fallback = (fallback_policy: string, more: object = {}) =>
    cluster({ subset_selectors: [{ keys: ['version'] }, { keys, fallback_policy, ...more }] });
  const asked = { version: '1', stage: 'z' };
  assert.deepEqual(ports(fallback('ANY_ENDPOINT'), asked), [1, 2, 3, 4, 5]);
  assert.deepEqual(ports(fallback('NO_FALLBACK'), asked), none);
  assert.deepEqual(ports(fallback('KEYS_SUBSET', { fallback_keys_subset: ['version'] }), asked), [1, 2]);
});

test('a list of what else will do is tried in its order', () => {
  const made = cluster({
    subset_selectors: [{ keys: ['version'] }, { keys: ['version', 'stage'] }],
    metadata_fallback_policy: 'FALLBACK_LIST',
  });
  const fallback_list = [{ version: '9' }, { version: '2', stage: 'a' }, { version: '1' }];
  assert.deepEqual(ports(made, { fallback_list }), [3]);
  assert.deepEqual(ports(made, { stage: 'b', fallback_list: [{ version: '1' }] }), [2]);
  assert.deepEqual(ports(made, { version: '1', fallback_list: [] }), [1, 2]);
});

test('where a subset may be found by one host, it has one', () => {
  const made = cluster({ subset_selectors: [{ keys: ['version'], single_host_per_subset: true }] });
  assert.deepEqual(ports(made, { version: '1' }), [1]);
});

test('in panic any host will do where that is asked for', () => {
  const made = cluster({ fallback_policy: 'DEFAULT_SUBSET', default_subset: { version: '7' }, panic_mode_any: true });
  assert.deepEqual(ports(made), [1, 2, 3, 4, 5]);
  assert.equal(made.stats.lb_subsets_fallback_panic, 40);
});

test('each subset has a balancer, and a health, of its own', () => {
  const made = cluster({ fallback_policy: 'ANY_ENDPOINT' }, { lb_policy: 'MAGLEV' }, [
    endpoint(1, { metadata: { version: '1' }, health: 'unhealthy' }),
    endpoint(2, { metadata: { version: '1' } }),
    endpoint(3, { metadata: { version: '1' } }),
    endpoint(4),
  ]);
  const host = () => made.pick(request({ metadata: { version: '1' }, key: 'k' }));
  assert.equal(host(), host());
  const found = counts(made, 100, (i) => ({ metadata: { version: '1' }, key: `${i}` }));
  assert.deepEqual([...found.keys()].sort(), [2, 3]);
});

test('weights of localities count in subsets where that is asked for, and shrink with them', () => {
  const a = { zone: 'a', localityWeight: 1, metadata: { version: '1' } };
  const b = { zone: 'b', localityWeight: 3, metadata: { version: '1' } };
  const endpoints = [
    endpoint(1, a),
    endpoint(2, b),
    endpoint(3, { ...b, metadata: {} }),
    endpoint(4, { ...b, metadata: {} }),
  ];
  const share = (config: object) => {
    const made = cluster(config, { common_lb_config: { locality_weighted_lb_config: {} } }, endpoints);
    return counts(made, 400, () => ({ metadata: { version: '1' } })).get(1);
  };
  assert.equal(share({}), 200);
  assert.equal(share({ locality_weight_aware: true }), 100);
  assert.equal(share({ locality_weight_aware: true, scale_locality_weight: true }), 200);
});
