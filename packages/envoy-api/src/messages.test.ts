/** What people get wrong in Envoy's configuration, and what they are told: golden texts on the real messages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageError } from '@weft/protobuf';
import { any, decode, encodeUnknown, isMessageName, type MessageName, typeUrl } from './index.ts';

const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const LISTENER = 'envoy.config.listener.v3.Listener';
const ROUTES = 'envoy.config.route.v3.RouteConfiguration';
const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'envoy.extensions.filters.http.router.v3.Router';

function told(name: MessageName, value: unknown): readonly string[] {
  try {
    encodeUnknown(name, value);
  } catch (thrown) {
    assert.ok(thrown instanceof MessageError, String(thrown));
    assert.equal(thrown.typeName, name);
    return thrown.violations.map(({ path, message }) => `${path}: ${message}`);
  }
  assert.fail('nothing was refused');
}

test('every mistake in a cluster is told at once, each with its path and what was expected', () => {
  const cluster = {
    name: 5,
    type: 'STRICT_DSN',
    connect_timeout: '5',
    lb_policy: true,
    per_connection_buffer_limit_bytes: -1,
    load_assignment: {
      endpoints: [
        { lb_endpoints: [{ endpoint: { address: { socket_address: { address: '::1', port_value: 'http' } } } }] },
      ],
    },
    circuit_breakers: { thresholds: [{ max_requests: 1.5, retry_budget: { budget_percent: { value: 'a fifth' } } }] },
    health_checks: { timeout: '1s' },
    typed_extension_protocol_options: [],
    metadata: { filter_metadata: { weft: 'route' } },
    outlier_detections: {},
  };
  assert.deepEqual([...told(CLUSTER, cluster)].sort(), [
    'circuit_breakers.thresholds[0].max_requests: expected a whole number from 0 to 4294967295, got 1.5',
    'circuit_breakers.thresholds[0].retry_budget.budget_percent.value: expected a number, got "a fifth"',
    'connect_timeout: expected a duration such as "0.250s", got "5"',
    'health_checks: expected a list, got an object',
    'lb_policy: expected one of ROUND_ROBIN, LEAST_REQUEST, RING_HASH, RANDOM, MAGLEV, CLUSTER_PROVIDED, LOAD_BALANCING_POLICY_CONFIG, got true',
    'load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value: expected a whole number from 0 to 4294967295, got "http"',
    'metadata.filter_metadata["weft"]: expected an object, got "route"',
    'name: expected a string, got 5',
    'outlier_detections: envoy.config.cluster.v3.Cluster has no such field',
    'per_connection_buffer_limit_bytes: expected a whole number from 0 to 4294967295, got -1',
    'type: expected one of STATIC, STRICT_DNS, LOGICAL_DNS, EDS, ORIGINAL_DST, got "STRICT_DSN"',
    'typed_extension_protocol_options: expected a map, got a list',
  ]);
});

test('two arms of a oneof are told by their names, in whichever spelling', () => {
  const both = { name: 'c', type: 'EDS', clusterType: { name: 'x' } };
  assert.deepEqual(told(CLUSTER, both), ['clusterType: only one of type and clusterType can be set']);
  const route = {
    match: { prefix: '/', path: '/a', safe_regex: { regex: '.' } },
    route: { cluster: 'a' },
    redirect: {},
  };
  assert.deepEqual(told(ROUTES, { virtual_hosts: [{ name: 'v', routes: [{}, route] }] }), [
    'virtual_hosts[0].routes[1].match.path: only one of prefix and path can be set',
    'virtual_hosts[0].routes[1].match.safe_regex: only one of path and safe_regex can be set',
    'virtual_hosts[0].routes[1].redirect: only one of route and redirect can be set',
  ]);
});

test('what is wrong inside of extensions is told through every Any', () => {
  const hcm = {
    '@type': typeUrl(HCM),
    stat_prefix: 'x',
    codec_type: 'HTTP4',
    http_filters: [
      { name: 'router', typed_config: { '@type': typeUrl(ROUTER), dynamic_stats: 'yes', nothing: 1 } },
      { name: 'b', typed_config: { '@type': 'type.googleapis.com/my.Filter' } },
      { name: 'c', typed_config: { name: 'c' } },
    ],
    set_current_client_cert_details: { subject: { value: true } },
    stream_idle_timeout: 300,
  };
  const listener = { name: 'l', filter_chains: [{}, { filters: [{ name: 'hcm', typed_config: hcm }] }] };
  const at = 'filter_chains[1].filters[0].typed_config';
  assert.deepEqual([...told(LISTENER, listener)].sort(), [
    `${at}.codec_type: expected one of AUTO, HTTP1, HTTP2, HTTP3, got "HTTP4"`,
    `${at}.http_filters[0].typed_config.dynamic_stats: expected true or false, got "yes"`,
    `${at}.http_filters[0].typed_config.nothing: ${ROUTER} has no such field`,
    `${at}.http_filters[1].typed_config: the type type.googleapis.com/my.Filter is not known`,
    `${at}.http_filters[2].typed_config: expected an object with "@type", got an object`,
    `${at}.set_current_client_cert_details.subject: expected true or false, got an object`,
    `${at}.stream_idle_timeout: expected a duration such as "0.250s", got 300`,
  ]);
});

test('both spellings of Envoy configuration give the same bytes, and are given as in the .proto files', () => {
  const snake = { name: 'c', connect_timeout: '0.25s', eds_cluster_config: { service_name: 's' }, type: 'EDS' };
  const camel = { name: 'c', connectTimeout: '0.250s', edsClusterConfig: { serviceName: 's' }, type: 3 };
  assert.deepEqual(encodeUnknown(CLUSTER, camel), encodeUnknown(CLUSTER, snake));
  assert.deepEqual(decode(CLUSTER, encodeUnknown(CLUSTER, camel)), { ...snake, connect_timeout: '0.250s' });
});

test('a field of a newer Envoy is told with the path of its message inside of extensions', () => {
  const newer = Buffer.from('ca3e0178', 'hex');
  const router = Buffer.concat([encodeUnknown(ROUTER, { dynamic_stats: false }), newer]);
  const wrapped = { '@type': typeUrl(ROUTER), '@bytes': router.toString('base64') };
  const hcm = any(HCM, { stat_prefix: 'x', http_filters: [{ name: 'router', typed_config: wrapped }] });
  const bytes = encodeUnknown(LISTENER, { filter_chains: [{ filters: [{ name: 'hcm', typed_config: hcm }] }] });
  const seen: string[] = [];
  decode(LISTENER, bytes, { unknownField: (path, type, number) => seen.push(`${path} ${type} ${number}`) });
  const at = 'filter_chains[0].filters[0].typed_config.http_filters[0].typed_config';
  assert.deepEqual(seen, [`${at} ${ROUTER} 1001`]);
  const torn = Buffer.concat([encodeUnknown(ROUTER, {}), Buffer.of(0x0a, 5)]);
  const broken = { '@type': typeUrl(ROUTER), '@bytes': torn.toString('base64') };
  assert.throws(
    () => decode(HCM, encodeUnknown(HCM, { http_filters: [{ name: 'r', typed_config: broken }] })),
    /http_filters\[0\]\.typed_config(\.dynamic_stats)?: not a valid message: the message ends inside a field$/,
  );
});

test('names that are no messages are none, those of the language too', () => {
  for (const name of [
    'constructor',
    '__proto__',
    'toString',
    '',
    'envoy',
    'envoy.config.cluster.v3.Cluster.DiscoveryType',
  ]) {
    assert.equal(isMessageName(name), false, name);
  }
  assert.equal(isMessageName(CLUSTER), true);
});
