import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestMesh } from '@weft/identity/testing';
import { bootstrap } from './bootstrap.ts';
import { cluster } from './cluster.ts';
import { xdsService } from './config-source.ts';
import { headerAddition } from './core.ts';
import { headerMatcher } from './header-match.ts';
import { httpConnectionManager } from './http.ts';
import { listener } from './listener.ts';
import { compileRegex, compileSubstitution } from './regex.ts';
import { routeConfiguration } from './route.ts';
import { durationMs, type Parsed, Place, type Schema } from './schema.ts';
import { tcpProxy } from './tcp.ts';
import { validationContext } from './tls-validation.ts';

/** What a schema gives, and what it refuses: `path: message`. */
function read<T>(schema: Schema<T>, value: unknown): { readonly value: T; readonly issues: readonly string[] } {
  const place = new Place();
  const parsed = schema.parse(value, place);
  return { value: parsed, issues: place.issues.map(({ path, message }) => `${path}: ${message}`) };
}

function accepted<S extends Schema<unknown>>(schema: S, value: unknown): Parsed<S> {
  const { value: parsed, issues } = read(schema, value);
  assert.deepEqual(issues, []);
  return parsed as Parsed<S>;
}

const socket = { socket_address: { address: '127.0.0.1', port_value: 80 } };
const routes = (...list: object[]): object => ({ virtual_hosts: [{ name: 'v', domains: ['*'], routes: list }] });
const forward = (action: object): object => routes({ match: { prefix: '/' }, route: { cluster: 'c', ...action } });
const manager = (fields: object): object => ({
  stat_prefix: 'x',
  route_config: routes(),
  http_filters: [
    { name: 'router', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' } },
  ],
  ...fields,
});
const staticCluster = (fields: object): object => ({ name: 'c', load_assignment: { cluster_name: 'c' }, ...fields });

const CHECK = { timeout: '1s', interval: '1s', unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {} };

const tcpFilter = {
  name: 'tcp',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
    stat_prefix: 't',
    cluster: 'c',
  },
};

const SPIFFE_DOMAIN = { name: 'a.example', trust_bundle: { inline_string: createTestMesh('a.example').rootPem } };
const spiffeValidator = (fields: object): object => ({
  custom_validator_config: {
    name: 'spiffe',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
      ...fields,
    },
  },
});

const RAW = {
  name: 'raw',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer' },
};
const toldOfClient = (fields: object): object => ({
  name: 'told',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport',
    ...fields,
  },
});

const REFUSED: readonly (readonly [schema: Schema<unknown>, value: unknown, ...issues: RegExp[]])[] = [
  [cluster, staticCluster({ lb_policy: 'NEVER' }), /^lb_policy: NEVER is not supported by Weft's proxy, only /],
  [
    cluster,
    staticCluster({ health_checks: [{ ...CHECK, event_service: {} }] }),
    /health_checks\[0\].event_service: not supported/,
  ],
  [
    cluster,
    staticCluster({ upstream_bind_config: { source_address: { address: 'name' }, freebind: true } }),
    /^upstream_bind_config.source_address.address: "name" is no IP address/,
    /^upstream_bind_config.freebind: not supported/,
  ],
  [
    cluster,
    staticCluster({
      upstream_bind_config: {
        source_address: { address: '127.0.0.1' },
        extra_source_addresses: [{ address: { address: '127.0.0.2' } }],
      },
    }),
    /^upstream_bind_config.extra_source_addresses: must be of the family/,
  ],
  [
    listener,
    {
      address: { pipe: { path: '/x' } },
      filter_chains: [{ filters: [tcpFilter] }],
      socket_options: [{ level: '1', name: '2', int_value: '1' }],
    },
    /^socket_options\[0\]: a socket with a path takes no option of STATE_PREBIND/,
  ],
  [
    listener,
    {
      address: socket,
      filter_chains: [{ filters: [tcpFilter] }],
      socket_options: [
        { level: '1', name: '2' },
        { int_value: '1', type: { datagram: {} } },
      ],
      max_connections_to_accept_per_socket_event: 0,
    },
    /^socket_options\[0\]: needs int_value or buf_value/,
    /^socket_options\[1\].type.datagram: not supported/,
    /^max_connections_to_accept_per_socket_event: must be from 1/,
  ],
  [
    cluster,
    staticCluster({
      dns_refresh_rate: '1s',
      cluster_type: { name: 'dns', typed_config: { '@type': 'x/envoy.extensions.clusters.dns.v3.DnsCluster' } },
    }),
    /^dns_refresh_rate: is said in cluster_type here/,
  ],
  [
    cluster,
    staticCluster({ cluster_type: { name: 'x', typed_config: { '@type': 'x/envoy.extensions.clusters.x.v3.X' } } }),
    /^cluster_type.typed_config: x.envoy.extensions.clusters.x.v3.X is not supported/,
  ],
  [
    cluster,
    staticCluster({ dns_failure_refresh_rate: { base_interval: '2s', max_interval: '1s' } }),
    /^dns_failure_refresh_rate.max_interval: is less than base_interval/,
  ],
  [cluster, staticCluster({ wait_for_warm_on_init: false }), /^wait_for_warm_on_init: is for clusters whose names/],
  [cluster, staticCluster({ outlier_detection: { monitors: [] } }), /^outlier_detection.monitors: not supported/],
  [
    cluster,
    staticCluster({ outlier_detection: { detect_degraded_hosts: true } }),
    /^outlier_detection.detect_degraded_hosts: not supported/,
  ],
  [
    cluster,
    staticCluster({ typed_extension_protocol_options: { x: { '@type': 'a/b.C' } } }),
    /^typed_extension_protocol_options\["x"\]: a\/b\.C is not supported/,
  ],
  [
    validationContext,
    spiffeValidator({ trust_domains: [SPIFFE_DOMAIN, SPIFFE_DOMAIN] }),
    /^custom_validator_config.typed_config.trust_domains: has "a.example" twice/,
  ],
  [
    validationContext,
    spiffeValidator({ trust_domains: [SPIFFE_DOMAIN], trust_bundles: { filename: '/x' } }),
    /^custom_validator_config.typed_config.trust_bundles: not supported by Weft's proxy/,
  ],
  [validationContext, spiffeValidator({}), /^custom_validator_config.typed_config.trust_domains: must have an entry/],
  [
    cluster,
    staticCluster({ transport_socket_matches: [{ match: {}, transport_socket: RAW }] }),
    /^transport_socket_matches\[0\].name: must not be empty/,
  ],
  [
    cluster,
    staticCluster({ transport_socket: toldOfClient({}) }),
    /^transport_socket.typed_config.transport_socket: is needed here/,
    /^transport_socket.typed_config.transport_socket.typed_config: is needed here/,
  ],
  [
    cluster,
    staticCluster({
      transport_socket: toldOfClient({ transport_socket: RAW, config: { pass_through_tlvs: {}, added_tlvs: [] } }),
    }),
    /^transport_socket.typed_config.config.pass_through_tlvs: not supported by Weft's proxy/,
    /^transport_socket.typed_config.config.added_tlvs: not supported by Weft's proxy/,
  ],
  [
    cluster,
    staticCluster({ transport_socket: toldOfClient({ transport_socket: toldOfClient({ transport_socket: RAW }) }) }),
    /^transport_socket.typed_config.transport_socket.typed_config: type.googleapis.com.* is not supported/,
  ],
  [cluster, { name: 'c', type: 'EDS' }, /^eds_cluster_config: is needed/],
  [cluster, { name: 'c', type: 'LOGICAL_DNS' }, /^load_assignment: is needed/],
  [
    bootstrap,
    { default_regex_engine: { name: 'x', typed_config: { '@type': 'x/envoy.extensions.regex_engines.x.v3.X' } } },
    /^default_regex_engine.typed_config: x.envoy.extensions.regex_engines.x.v3.X is not supported/,
  ],
  [
    cluster,
    { name: 'c', transport_socket: { name: 'x', typed_config: {} } },
    /^transport_socket.typed_config: has no @type/,
  ],
  [cluster, { name: '', load_assignment: { cluster_name: 'c' } }, /^name: must not be empty/],
  [
    cluster,
    staticCluster({
      transport_socket: {
        name: 'x',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.quic.v3.QuicUpstreamTransport',
        },
      },
    }),
    /^transport_socket\.typed_config: .*Quic.* is not supported/,
  ],
  [listener, { address: socket }, /^filter_chains: must have an entry/],
  [listener, { address: socket, filter_chains: [{ filters: [] }] }, /^filter_chains\[0\]\.filters: must have an entry/],
  [listener, { address: socket, enable_mptcp: true, filter_chains: [] }, /^enable_mptcp: not supported/],
  [httpConnectionManager, manager({ codec_type: 'HTTP3' }), /^codec_type: HTTP3 is not supported/],
  [httpConnectionManager, manager({ http_filters: [] }), /^http_filters: must have an entry/],
  [
    httpConnectionManager,
    manager({ http_protocol_options: { allow_chunked_length: true } }),
    /^http_protocol_options\.allow_chunked_length: not supported/,
  ],
  [httpConnectionManager, manager({ server_name: 'a\r\nb' }), /^server_name: holds a control character/],
  [
    httpConnectionManager,
    manager({
      http_filters: [
        { name: 'x', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua' } },
      ],
    }),
    /^http_filters\[0\]\.typed_config: .*Lua is not supported/,
  ],
  [tcpProxy, { stat_prefix: 'x' }, /needs cluster or weighted_clusters/],
  [
    tcpProxy,
    { stat_prefix: 'x', weighted_clusters: { clusters: [{ name: 'a' }] } },
    /^weighted_clusters: needs a weight/,
  ],
  [
    routeConfiguration,
    forward({ hash_policy: [{ filter_state: { key: 'k' } }] }),
    /^virtual_hosts\[0\]\.routes\[0\]\.route\.hash_policy\[0\]\.filter_state: not supported/,
  ],
  [routeConfiguration, forward({ hedge_policy: {} }), /hedge_policy: not supported/],
  [
    routeConfiguration,
    forward({ retry_policy: { retry_options_predicates: [] } }),
    /retry_policy.retry_options_predicates: not supported/,
  ],
  [
    routeConfiguration,
    forward({ prefix_rewrite: '/a', regex_rewrite: { pattern: { regex: 'a' } } }),
    /has more than one of prefix_rewrite, regex_rewrite and path_rewrite_policy/,
  ],
  [
    routeConfiguration,
    forward({ retry_policy: { retry_on: '5xx,never' } }),
    /retry_policy\.retry_on: never is not supported/,
  ],
  [routeConfiguration, forward({ timeout: '-1s' }), /route\.timeout: must not be negative/],
  [
    routeConfiguration,
    routes({ match: { prefix: '/', runtime_fraction: {} }, route: { cluster: 'c' } }),
    /match\.runtime_fraction\.default_value: is needed here/,
  ],
  [routeConfiguration, routes({ match: {}, route: { cluster: 'c' } }), /match: needs one of prefix/],
  [routeConfiguration, routes({ match: { prefix: '/' } }), /needs route, redirect or direct_response/],
  [
    routeConfiguration,
    routes({ match: { path_separated_prefix: '/a/' }, route: { cluster: 'c' } }),
    /path_separated_prefix: must start with a slash/,
  ],
  [
    routeConfiguration,
    routes({ match: { safe_regex: { regex: '(' } }, route: { cluster: 'c' } }),
    /match\.safe_regex\.regex: is not a valid regular expression/,
  ],
  [
    routeConfiguration,
    routes({ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'x'.repeat(5000) } } }),
    /is longer than 4096 bytes/,
  ],
  [routeConfiguration, { virtual_hosts: [{ name: 'v', domains: ['a*b'] }] }, /domains\[0\]: a\*b is not a domain/],
  [
    routeConfiguration,
    {
      virtual_hosts: [
        { name: 'v', domains: ['a.b'] },
        { name: 'w', domains: ['A.b'] },
      ],
    },
    /the domain a\.b is in the virtual hosts v and w/,
  ],
  [routeConfiguration, { virtual_hosts: [{ name: 'v', domains: [] }] }, /domains: must have an entry/],
  [headerAddition, { header: { key: ':path', value: 'x' } }, /^header\.key: :path may not be changed here/],
  [headerAddition, { header: { key: 'Host', value: 'x' } }, /^header\.key: host may not be changed here/],
  [
    headerAddition,
    { header: { key: 'Content-Length', value: '1' } },
    /^header\.key: changes to content-length are not supported/,
  ],
  [headerAddition, { header: { key: 'a b', value: 'x' } }, /^header\.key: "a b" is not a field name/],
  [headerAddition, { header: { key: 'a', value: 'x\ny' } }, /the value holds a control character/],
  [headerAddition, { header: { key: 'a', value: '%NO_SUCH%' } }, /^header\.value: .*NO_SUCH/],
  [
    routeConfiguration,
    { ...routes(), request_headers_to_remove: ['host'] },
    /^request_headers_to_remove\[0\]: host may not be changed/,
  ],
];

for (const [schema, value, ...issues] of REFUSED) {
  test(`refused with ${issues.map(({ source }) => source).join(' and ')}`, () => {
    const found = read(schema, value).issues;
    assert.equal(found.length, issues.length, found.join('\n'));
    for (const [i, issue] of issues.entries()) assert.match(found[i] ?? '', issue);
  });
}

test('everything that is wrong is told at once', () => {
  const { issues } = read(cluster, { lb_policy: 'NEVER', use_tcp_for_dns_lookups: true, dns_resolvers: [] });
  assert.equal(issues.length, 4, issues.join('\n'));
});

test('what is not said has the default of the Envoy API', () => {
  const config = accepted(httpConnectionManager, manager({}));
  assert.equal(config.stream_idle_timeout, 300_000);
  assert.equal(config.max_request_headers_kb, 60);
  assert.equal(config.generate_request_id, true);
  assert.equal(config.server_name, 'envoy');
  assert.equal(config.forward_client_cert_details, 'SANITIZE');
  const one = accepted(cluster, staticCluster({}));
  assert.equal(one.type, 'STATIC');
  assert.equal(one.lb_policy, 'ROUND_ROBIN');
  assert.equal(one.connect_timeout, 5000);
});

test('what may be left out is: endpoints of a cluster, the version of a transport, the key of a value, what a route says of a filter', () => {
  assert.equal(accepted(cluster, { name: 'c' }).load_assignment, undefined);
  accepted(cluster, { name: 'c', type: 'STRICT_DNS' });
  accepted(cluster, { name: 'c', lb_policy: 'LEAST_REQUEST', least_request_lb_config: { active_request_bias: {} } });
  const dns = { '@type': 'x/envoy.extensions.clusters.dns.v3.DnsCluster', dns_lookup_family: 'V4_ONLY' };
  const again = { cluster_type: { name: 'dns', typed_config: dns }, dns_lookup_family: 'V4_ONLY' };
  assert.equal(accepted(cluster, { name: 'c', ...again }).dns_lookup_family, 'V4_ONLY');
  const engine = { '@type': 'x/envoy.extensions.regex_engines.v3.GoogleRE2' };
  accepted(bootstrap, { default_regex_engine: { name: 're2', typed_config: engine } });
  accepted(xdsService, { api_type: 'GRPC', grpc_services: [{ envoy_grpc: { cluster_name: 'c' } }] });
  const on = { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', config: {} };
  const read = accepted(routeConfiguration, { ...routes(), typed_per_filter_config: { x: on } });
  assert.deepEqual(read.typed_per_filter_config.get('x'), { isDisabled: false, config: undefined });
});

test('durations are milliseconds, exactly', () => {
  const given = ['0s', '1s', '0.29s', '1.1s', '0.000001s', '315576000000s'];
  assert.deepEqual(
    given.map((text) => accepted(durationMs(), text)),
    [0, 1000, 290, 1100, 0.001, 315_576_000_000_000],
  );
});

const match = (matcher: object, value: string | undefined): boolean =>
  accepted(headerMatcher, { name: 'X', ...matcher }).matches(value);

test('fields are matched as Envoy does', () => {
  assert.equal(match({}, undefined), false);
  assert.equal(match({}, ''), true);
  assert.equal(match({ present_match: false }, undefined), true);
  assert.equal(match({ present_match: true, invert_match: true }, 'x'), false);
  assert.equal(match({ string_match: { exact: 'a' } }, 'a'), true);
  assert.equal(match({ string_match: { exact: 'a' } }, 'A'), false);
  assert.equal(match({ string_match: { exact: 'a', ignore_case: true } }, 'A'), true);
  assert.equal(match({ string_match: { prefix: 'a' } }, 'ab'), true);
  assert.equal(match({ string_match: { suffix: 'b' } }, 'ab'), true);
  assert.equal(match({ string_match: { contains: 'b' } }, 'abc'), true);
  assert.equal(match({ string_match: { safe_regex: { regex: 'a+' } } }, 'aa'), true);
  assert.equal(match({ string_match: { safe_regex: { regex: 'a+' } } }, 'aab'), false, 'the whole value must match');
  assert.equal(match({ string_match: { exact: 'a' }, invert_match: true }, 'b'), true);
  assert.equal(match({ string_match: { exact: 'a' }, invert_match: true }, undefined), false);
  assert.equal(match({ string_match: { exact: '' }, treat_missing_header_as_empty: true }, undefined), true);
  assert.equal(
    match({ string_match: { exact: 'a' }, invert_match: true, treat_missing_header_as_empty: true }, undefined),
    true,
  );
  assert.equal(match({ present_match: true, treat_missing_header_as_empty: true }, undefined), true);
  assert.equal(match({ present_match: false, treat_missing_header_as_empty: true }, undefined), false);
  assert.equal(match({ range_match: { start: '-10', end: '10' } }, '-10'), true);
  assert.equal(match({ range_match: { start: '-10', end: '10' } }, '10'), false);
  assert.equal(match({ range_match: { start: 0, end: 10 } }, '1x'), false);
});

test('expressions are those of RE2; what only backtracking can do is refused', () => {
  for (const regex of [
    '(?=a)',
    '(?<!a)',
    String.raw`(a)\1`,
    '[[:alpha:]]',
    String.raw`\p{L}`,
    String.raw`\x{1F600}`,
    String.raw`\Qa\E`,
  ]) {
    assert.equal(typeof compileRegex(regex, { isWhole: true }), 'string', regex);
  }
  const named = compileRegex('(?P<a>x)(?i:y)', { isWhole: true });
  assert.ok(named instanceof RegExp && named.test('xY') && !named.test('XY'));
  const lax = compileRegex('(?i)abc', { isWhole: true });
  assert.ok(lax instanceof RegExp && lax.test('ABC') && !lax.test('ABCD'));
  const either = compileRegex('a|b', { isWhole: true });
  assert.ok(either instanceof RegExp && !either.test('ax') && !either.test('xb'));
});

test('an expression that backtracks does not hold the process up', () => {
  const regex = compileRegex('(a+)+b', { isWhole: true });
  assert.ok(regex instanceof RegExp);
  const startMs = performance.now();
  assert.equal(regex.test('a'.repeat(40)), false);
  assert.ok(performance.now() - startMs < 5000);
});

test('substitutions are those of RE2', () => {
  const replace = (substitution: string): string => {
    const compiled = compileSubstitution(substitution);
    return typeof compiled === 'string' ? 'ab'.replace(/(a)(b)/g, compiled) : compiled.problem;
  };
  assert.equal(replace(String.raw`\2\1`), 'ba');
  assert.equal(replace(String.raw`[\0]`), '[ab]');
  assert.equal(replace(String.raw`$1\\`), '$1\\');
  assert.match(replace(String.raw`\x`), /backslash/);
});
