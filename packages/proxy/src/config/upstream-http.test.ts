import assert from 'node:assert/strict';
import { test } from 'node:test';
import { upstreamHttpOptions } from '../pool/options.ts';
import { checkBootstrap, issuesText } from './check.ts';
import { type ClusterConfig, cluster } from './cluster.ts';
import { routeConfiguration } from './route.ts';
import { Place } from './schema.ts';

const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
const transport_socket = { name: 'tls', typed_config: { '@type': TLS } };

function http(protocol: object): object {
  return { typed_extension_protocol_options: { [OPTIONS]: { '@type': `t/${OPTIONS}`, ...protocol } } };
}

function read(fields: object): { readonly config: ClusterConfig; readonly issues: string } {
  const place = new Place();
  const config = cluster.parse({ name: 'c', load_assignment: { cluster_name: 'c' }, ...fields }, place);
  return { config, issues: issuesText(place.issues) };
}

function optionsOf(fields: object) {
  const { config, issues } = read(fields);
  assert.equal(issues, '');
  return upstreamHttpOptions(config);
}

test('a cluster is spoken to in the version that it says', () => {
  const explicit = (version: object) => http({ explicit_http_config: version });
  assert.equal(optionsOf({}).protocol, 'http1');
  assert.equal(optionsOf({ http2_protocol_options: {} }).protocol, 'http2');
  assert.equal(optionsOf(explicit({ http_protocol_options: {} })).protocol, 'http1');
  assert.equal(optionsOf(explicit({ http2_protocol_options: {} })).protocol, 'http2');
  assert.equal(optionsOf(http({ use_downstream_protocol_config: {} })).protocol, 'downstream');
  assert.equal(optionsOf({ ...http({ auto_config: {} }), transport_socket }).protocol, 'auto');
});

test('options of each version are found wherever they stand', () => {
  const both = {
    http_protocol_options: { enable_trailers: true },
    http2_protocol_options: { max_concurrent_streams: 7 },
  };
  const common = {
    idle_timeout: '1s',
    max_connection_duration: '2s',
    max_requests_per_connection: 3,
    max_response_headers_kb: 2,
  };
  const { http1, http2, maxDurationMs } = optionsOf({
    ...http({ auto_config: both, common_http_protocol_options: common }),
    transport_socket,
  });
  assert.equal(maxDurationMs, 2000);
  assert.equal(http1.enableTrailers, true);
  assert.equal(http2.maxConcurrentStreams, 7);
  for (const { idleTimeoutMs, maxRequests, maxHeadBytes } of [http1, http2]) {
    assert.deepEqual([idleTimeoutMs, maxRequests, maxHeadBytes], [1000, 3, 2048]);
  }
  const old = optionsOf({ http2_protocol_options: { max_concurrent_streams: 9 } });
  assert.equal(old.maxDurationMs, 0);
  assert.equal(old.http2.maxConcurrentStreams, 9);
  assert.equal(old.http2.idleTimeoutMs, 3_600_000);
  assert.deepEqual([old.http1.maxHeadBytes, old.http2.maxHeadBytes], [81_920, 61_440]);
});

test('what does not fit together is refused where it stands', () => {
  const at = `typed_extension_protocol_options["${OPTIONS}"]`;
  const cases: readonly (readonly [object, string])[] = [
    [http({}), `${at}: needs one of explicit_http_config`],
    [http({ explicit_http_config: {} }), `${at}.explicit_http_config: needs http_protocol_options or`],
    [
      http({ explicit_http_config: { http_protocol_options: {}, http2_protocol_options: {} } }),
      `${at}.explicit_http_config: has both`,
    ],
    [
      http({ explicit_http_config: { http3_protocol_options: {} } }),
      `${at}.explicit_http_config.http3_protocol_options: not`,
    ],
    [http({ auto_config: {} }), 'auto_config asks for the protocol by ALPN'],
    [
      { ...http({ use_downstream_protocol_config: {} }), http2_protocol_options: {} },
      'http2_protocol_options: is not used beside',
    ],
    [
      { http2_protocol_options: { max_concurrent_streams: 0 } },
      'http2_protocol_options.max_concurrent_streams: must be',
    ],
    [{ http2_protocol_options: { hpack_huffman: true } }, 'http2_protocol_options.hpack_huffman: not supported'],
  ];
  for (const [fields, expected] of cases) {
    const { issues } = read(fields);
    assert.ok(issues.startsWith(expected), `${issues} does not start with ${expected}`);
  }
});

function adsTo(fields: object, node: object = { id: 'a', cluster: 'b' }): string {
  const static_resources = { clusters: [{ name: 'xds', load_assignment: { cluster_name: 'xds' }, ...fields }] };
  const grpc_services = [{ envoy_grpc: { cluster_name: 'xds' } }];
  const ads_config = { api_type: 'DELTA_GRPC', transport_api_version: 'V3', grpc_services };
  return issuesText(checkBootstrap({ node, static_resources, dynamic_resources: { ads_config } }).issues);
}

test('the control plane is one of the clusters, of those that speak HTTP/2', () => {
  assert.equal(adsTo({ http2_protocol_options: {} }), '');
  assert.equal(adsTo({ ...http({ auto_config: {} }), transport_socket }), '');
  const refused = /^dynamic_resources\.ads_config: xds is not one of static_resources\.clusters with http2_protocol/;
  assert.match(adsTo({}), refused);
  const eds = { eds_cluster_config: { eds_config: { ads: {} } }, type: 'EDS', load_assignment: undefined };
  assert.match(adsTo({ http2_protocol_options: {}, ...eds }), refused);
});

test('who asks a control plane says who it is', () => {
  const asked = adsTo({ http2_protocol_options: {} }, { id: 'a' });
  assert.match(asked, /^node\.cluster: is needed by the control plane; give it here or by --service-cluster$/);
});

test('what routes say of gRPC is taken', () => {
  const place = new Place();
  const max_stream_duration = { grpc_timeout_header_max: '1s', grpc_timeout_header_offset: '0.1s' };
  const retry_policy = {
    retry_on: 'cancelled,deadline-exceeded,internal,resource-exhausted,unavailable,refused-stream',
  };
  const route = { match: { prefix: '/', grpc: {} }, route: { cluster: 'c', max_stream_duration, retry_policy } };
  const given = { virtual_hosts: [{ name: 'v', domains: ['*'], routes: [route] }] };
  const { virtual_hosts } = routeConfiguration.parse(given, place);
  assert.equal(issuesText(place.issues), '');
  assert.equal(virtual_hosts[0]?.routes[0]?.route?.max_stream_duration?.grpc_timeout_header_max, 1000);
  const wrong = {
    ...route,
    match: { prefix: '/', grpc: { x: 1 } },
    route: { cluster: 'c', retry_policy: { retry_on: 'http3-post-connect-failure' } },
  };
  const second = new Place();
  routeConfiguration.parse({ virtual_hosts: [{ name: 'v', domains: ['*'], routes: [wrong] }] }, second);
  assert.match(issuesText(second.issues), /routes\[0\]\.match\.grpc\.x: not supported/);
  assert.match(issuesText(second.issues), /retry_policy\.retry_on: http3-post-connect-failure/);
});
