import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routeConfiguration } from '../config/route.ts';
import { layeredRuntime } from '../config/runtime.ts';
import { Place } from '../config/schema.ts';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import { Runtime } from '../runtime/runtime.ts';
import { RouteTable } from './route-table.ts';
import { StreamInfo } from './stream-info.ts';
import { downstream } from './testing/downstream.ts';
import { routes } from './testing/proxied.ts';

const CLUSTERS = [
  { name: 'a', weight: 1 },
  { name: 'b', weight: 3 },
];

function chosen(weighted: object, fields: string[], random = 0, values?: object, action: object = {}) {
  const place = new Place();
  const route = { weighted_clusters: { clusters: CLUSTERS, ...weighted }, ...action };
  const config = routeConfiguration.parse(routes({ match: { prefix: '/' }, route }), place);
  assert.deepEqual(place.issues, []);
  const layers = [{ name: 'static', static_layer: values ?? {} }];
  const runtime = new Runtime(layeredRuntime.parse({ layers }, place), () => 0);
  const head = new RequestHead('GET', '/', 'h', 'http', new HeaderList(fields));
  const found = new RouteTable(config, runtime).match(head)?.action;
  assert.ok(found?.type === 'forward');
  return found.choose?.(head, new StreamInfo(downstream(), 0, 0), () => random);
}

test('chance chooses in proportion to the weights', () => {
  assert.equal(chosen({}, [], 0.24)?.name, 'a');
  assert.equal(chosen({}, [], 0.25)?.name, 'b');
  assert.equal(chosen({}, [], 0.99)?.name, 'b');
});

test('a field of the request may be what chooses', () => {
  const by = (value: string, random = 0) => chosen({ header_name: 'X-Point' }, ['x-point', value], random)?.name;
  assert.equal(by('0'), 'a');
  assert.equal(by('7'), 'b');
  assert.equal(by('18446744073709551612'), 'a');
  assert.equal(by('nonsense', 0.9), 'b');
});

test('requests with the same hash go to the same cluster', () => {
  const action = { hash_policy: [{ header: { header_name: 'x-user' } }] };
  const of = (user: string, random: number) =>
    chosen({ use_hash_policy: true }, ['x-user', user], random, undefined, action)?.name;
  const users = Array.from({ length: 40 }, (_, index) => `user-${index}`);
  for (const user of users) assert.equal(of(user, 0), of(user, 0.99));
  assert.equal(new Set(users.map((user) => of(user, 0))).size, 2);
});

test('the runtime may say other weights', () => {
  assert.equal(chosen({ runtime_key_prefix: 'w' }, [], 0.9, { w: { a: 9, b: 1 } })?.name, 'b');
  assert.equal(chosen({ runtime_key_prefix: 'w' }, [], 0.8, { w: { a: 9, b: 1 } })?.name, 'a');
  assert.equal(chosen({ runtime_key_prefix: 'w' }, [], 0.8, { w: { a: 0, b: 0 } }), undefined);
});

test('the chosen cluster may be named by the request, and have its say on filters', () => {
  const typed_per_filter_config = {
    buffer: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute',
      disabled: true,
    },
  };
  const clusters = [{ cluster_header: 'X-To', weight: 1, typed_per_filter_config }];
  const choice = chosen({ clusters }, []);
  assert.equal(choice?.header, 'x-to');
  assert.equal(choice?.filters?.has('buffer'), true);
});

test('a cluster needs a name, or a header that names it', () => {
  const place = new Place();
  const clusters = [{ weight: 1 }, { name: 'a', cluster_header: 'b', weight: 1 }];
  const route = { weighted_clusters: { clusters } };
  routeConfiguration.parse(routes({ match: { prefix: '/' }, route }), place);
  const at = 'virtual_hosts[0].routes[0].route.weighted_clusters.clusters';
  assert.deepEqual(
    place.issues.map(({ path }) => path),
    [`${at}[0]`, `${at}[1]`],
  );
});
