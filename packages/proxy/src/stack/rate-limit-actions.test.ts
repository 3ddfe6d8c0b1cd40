import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rateLimit } from '../config/rate-limit.ts';
import { routeConfiguration } from '../config/route.ts';
import { Place } from '../config/schema.ts';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import { maskedAddress } from './masked-address.ts';
import { type DescribedRequest, describeRequest, rateLimitsOf } from './rate-limit-actions.ts';
import { type Route, RouteTable } from './route-table.ts';
import { StreamInfo } from './stream-info.ts';
import { downstream } from './testing/downstream.ts';

function routeOf(action: object, host: object = {}, route: object = {}): Route {
  const place = new Place();
  const routes = [{ match: { prefix: '/' }, route: { cluster: 'up', ...action }, ...route }];
  const virtual_hosts = [{ name: 'v', domains: ['*'], routes, ...host }];
  const table = new RouteTable(routeConfiguration.parse({ virtual_hosts }, place));
  assert.deepEqual(place.issues, []);
  return table.match(new RequestHead('GET', '/', 'a', '', new HeaderList())) as Route;
}

function request(
  head: Partial<RequestHead> & { readonly fields?: readonly string[] } = {},
  route = routeOf({}),
): DescribedRequest {
  const { path = '/p?v=1%202&e', fields = [] } = head;
  const info = new StreamInfo(downstream(), 0, 0);
  return { head: new RequestHead('GET', path, 'host', '', new HeaderList([...fields])), info, route };
}

function described(actions: readonly object[], asked = request(), more: object = {}) {
  const place = new Place();
  const rule = rateLimit.parse({ actions, ...more }, place);
  assert.deepEqual(place.issues, []);
  return rule.describe(asked, 'here');
}

const pairs = (...args: Parameters<typeof described>) =>
  described(...args)?.entries.map(({ key, value }) => `${key}=${value}`);

test('each action adds its entry, in the order of the list', () => {
  const actions = [
    { source_cluster: {} },
    { destination_cluster: {} },
    { remote_address: {} },
    { masked_remote_address: { v4_prefix_mask_len: 16 } },
    { generic_key: { descriptor_value: 'g' } },
    { generic_key: { descriptor_key: 'k', descriptor_value: '100%' } },
    { request_headers: { header_name: 'X-User', descriptor_key: 'user' } },
    { request_headers: { header_name: ':path', descriptor_key: 'path' } },
    { query_parameters: { query_parameter_name: 'v', descriptor_key: 'v' } },
  ];
  const asked = request({ fields: ['x-user', 'ann', 'x-user', 'bob'] });
  assert.deepEqual(pairs(actions, asked), [
    'source_cluster=here',
    'destination_cluster=up',
    'remote_address=10.0.0.9',
    'masked_remote_address=10.0.0.0/16',
    'generic_key=g',
    'k=100%',
    'user=ann',
    'path=/p?v=1%202&e',
    'v=1 2',
  ]);
});

test('a request that lacks what an action needs has no descriptor, unless the action may be left out', () => {
  const absent = { request_headers: { header_name: 'x', descriptor_key: 'x' } };
  assert.equal(pairs([{ remote_address: {} }, absent]), undefined);
  const skipped = { request_headers: { ...absent.request_headers, skip_if_absent: true } };
  assert.deepEqual(pairs([{ remote_address: {} }, skipped]), ['remote_address=10.0.0.9']);
  assert.equal(pairs([{ query_parameters: { query_parameter_name: 'x', descriptor_key: 'x' } }]), undefined);
});

test('fields, parameters of the query and addresses can be tested', () => {
  const value = { descriptor_value: 'yes' };
  const header = { ...value, headers: [{ name: 'x', string_match: { exact: '1' } }] };
  const query = { ...value, query_parameters: [{ name: 'v', string_match: { exact: '1 2' } }] };
  const address = { ...value, address_matcher: { ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] } };
  assert.deepEqual(pairs([{ header_value_match: header }], request({ fields: ['x', '1'] })), ['header_match=yes']);
  assert.equal(pairs([{ header_value_match: header }]), undefined);
  assert.deepEqual(pairs([{ header_value_match: { ...header, expect_match: false } }]), ['header_match=yes']);
  assert.deepEqual(pairs([{ query_parameter_value_match: query }]), ['query_match=yes']);
  assert.deepEqual(pairs([{ query_parameter_value_match: { ...query, descriptor_key: 'q' } }]), ['q=yes']);
  assert.deepEqual(pairs([{ remote_address_match: address }]), ['remote_address_match=yes']);
});

test('metadata of filters and of the route can be told, and can bring a limit along', () => {
  const key = { key: 'f', path: [{ key: 'a' }, { key: 'b' }] };
  const metadata = (more: object) => ({ metadata: { descriptor_key: 'm', metadata_key: key, ...more } });
  const asked = request({}, routeOf({}, {}, { metadata: { filter_metadata: { f: { a: { b: 'of route' } } } } }));
  assert.equal(pairs([metadata({})], asked), undefined);
  assert.deepEqual(pairs([metadata({ default_value: 'd' })], asked), ['m=d']);
  assert.deepEqual(pairs([metadata({ source: 'ROUTE_ENTRY' })], asked), ['m=of route']);
  asked.info.addMetadata('f', { a: { b: 'of filter' }, limit: { requests_per_unit: 3, unit: 'HOUR' } });
  assert.deepEqual(pairs([metadata({})], asked), ['m=of filter']);
  const limit = { dynamic_metadata: { metadata_key: { key: 'f', path: [{ key: 'limit' }] } } };
  const made = described([{ remote_address: {} }], asked, {
    limit,
    hits_addend: { number: 4, is_negative_hits: true },
  });
  assert.deepEqual([made?.limit, made?.hits, made?.isGivenBack], [{ requestsPerUnit: 3, unit: 'HOUR' }, 4, true]);
});

test('the rules of the virtual host hold where the route has none, or includes them, or the filter does', () => {
  const rule = (value: string) => ({ actions: [{ generic_key: { descriptor_value: value } }] });
  const host = { rate_limits: [rule('host')] };
  const told = (route: Route, limits: 'OVERRIDE' | 'INCLUDE' | 'IGNORE'): string =>
    describeRequest(request({}, route), rateLimitsOf(route, limits).flat(), 0, '')
      .map(({ entries }) => entries[0]?.value)
      .join();
  const own = routeOf({ rate_limits: [rule('route'), { ...rule('later'), stage: 2 }] }, host);
  assert.deepEqual(
    (['OVERRIDE', 'INCLUDE', 'IGNORE'] as const).map((limits) => told(own, limits)),
    ['route', 'route,host', 'route'],
  );
  assert.deepEqual(
    (['OVERRIDE', 'INCLUDE', 'IGNORE'] as const).map((limits) => told(routeOf({}, host), limits)),
    ['host', 'host', ''],
  );
  assert.equal(
    told(routeOf({ rate_limits: [rule('route')], include_vh_rate_limits: true }, host), 'IGNORE'),
    'route,host',
  );
});

test('what is wrong with a rule is told with its path', () => {
  const issues = (given: object): readonly string[] => {
    const place = new Place();
    rateLimit.parse(given, place);
    return place.issues.map(({ path, message }) => `${path}: ${message}`);
  };
  assert.deepEqual(issues({}), ['actions: must have an entry']);
  assert.match(issues({ actions: [{}] })[0] ?? '', /^actions\[0\]: needs exactly one of/);
  const formatted = { generic_key: { descriptor_value: '%REQ(x)%', default_value: 'd' } };
  assert.deepEqual(issues({ actions: [formatted] }), [
    "actions[0].generic_key.descriptor_value: command operators are not supported by Weft's proxy here; use request_headers",
    "actions[0].generic_key.default_value: not supported by Weft's proxy but as empty",
  ]);
  assert.match(issues({ actions: [{ extension: {} }] })[0] ?? '', /^actions\[0\]\.extension: not supported/);
  assert.match(issues({ actions: [{ remote_address: {} }], stage: 11 })[0] ?? '', /^stage: must be from 0 to 10/);
});

test('networks are written as they are known', () => {
  assert.equal(maskedAddress('10.1.2.3', 24, 64), '10.1.2.0/24');
  assert.equal(maskedAddress('10.1.2.3', 0, 64), '0.0.0.0/0');
  assert.equal(maskedAddress('255.255.255.255', 32, 64), '255.255.255.255/32');
  assert.equal(maskedAddress('2001:db8:1:2:3::4', 24, 64), '2001:db8:1:2::/64');
  assert.equal(maskedAddress('2001:db8:1:2:3::4', 24, 20), '2001::/20');
  assert.equal(maskedAddress('', 24, 64), undefined);
});
