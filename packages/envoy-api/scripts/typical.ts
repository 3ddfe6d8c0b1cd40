/** A set of resources such as a sidecar of a mid-sized mesh is sent, to measure with. */
import { type AnyMessage, any, type MessageName, typeUrl } from '../src/index.ts';

export interface NamedMessage {
  readonly name: MessageName;
  /** ProtoJSON with the names of the .proto files. */
  readonly value: object;
}

const CA = { sds_config: { ads: {}, resource_api_version: 'V3' } } as const;

function tls(role: 'Upstream' | 'Downstream', identities: readonly string[]): AnyMessage {
  const common = {
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3' },
    tls_certificate_sds_secret_configs: [{ name: 'weft/identity', ...CA }],
    combined_validation_context: {
      default_validation_context: {
        match_typed_subject_alt_names: identities.map((exact) => ({ san_type: 'URI', matcher: { exact } })),
      },
      validation_context_sds_secret_config: { name: 'weft/trust', ...CA },
    },
    alpn_protocols: ['h2', 'http/1.1'],
  };
  const name = `envoy.extensions.transport_sockets.tls.v3.${role}TlsContext`;
  const required = role === 'Downstream' ? { require_client_certificate: true } : { sni: 'cart.shop' };
  return { '@type': typeUrl(name), common_tls_context: common, ...required };
}

function metadata(resource: string): object {
  return { filter_metadata: { weft: { resource, revision: 41, rule: 'rules[0]' } } };
}

function cluster(service: string): NamedMessage {
  const value = {
    name: `outbound/shop/${service}`,
    type: 'EDS',
    eds_cluster_config: { eds_config: CA.sds_config, service_name: `outbound/shop/${service}` },
    connect_timeout: '5s',
    lb_policy: 'LEAST_REQUEST',
    circuit_breakers: {
      thresholds: [{ max_connections: 1024, max_requests: 1024, retry_budget: { budget_percent: { value: 20 } } }],
    },
    outlier_detection: { consecutive_5xx: 5, interval: '10s', base_ejection_time: '30s', max_ejection_percent: 50 },
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: tls('Upstream', [`spiffe://mesh.local/ns/shop/sa/${service}`]),
    },
    metadata: metadata(`Service/shop/${service}`),
  };
  return { name: 'envoy.config.cluster.v3.Cluster', value };
}

function endpoints(service: string, seed: number): NamedMessage {
  const lbEndpoints = Array.from({ length: 5 }, (_, index) => ({
    endpoint: {
      address: { socket_address: { address: `10.${seed & 0xff}.0.${index + 1}`, port_value: 15_000 + index } },
      hostname: `${service}-${index}.shop`,
    },
    health_status: 'HEALTHY',
    metadata: { filter_metadata: { weft: { workload: `shop/${service}-${index}`, version: 'v1' } } },
    load_balancing_weight: 100,
  }));
  const locality = { region: 'eu', zone: 'a' };
  const value = {
    cluster_name: `outbound/shop/${service}`,
    endpoints: [{ locality, lb_endpoints: lbEndpoints, load_balancing_weight: 1 }],
  };
  return { name: 'envoy.config.endpoint.v3.ClusterLoadAssignment', value };
}

function virtualHost(service: string): object {
  const to = { cluster: `outbound/shop/${service}`, timeout: '15s' };
  const retry = { retry_on: 'connect-failure,refused-stream', num_retries: 2, per_try_timeout: '5s' };
  return {
    name: `shop/${service}`,
    domains: [`${service}.mesh`, `${service}.shop.mesh`, `${service}.mesh:*`],
    routes: [
      {
        name: `HTTPRoute/shop/${service}/0/0@41`,
        match: { path_separated_prefix: '/api', headers: [{ name: 'x-user', string_match: { exact: 'beta' } }] },
        route: { ...to, retry_policy: retry },
        metadata: metadata(`HTTPRoute/shop/${service}`),
      },
      { name: 'default', match: { prefix: '/' }, route: { ...to, retry_policy: retry } },
    ],
  };
}

function listener(): NamedMessage {
  const manager = any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'inbound',
    rds: { route_config_name: 'inbound/8080', config_source: { ads: {}, resource_api_version: 'V3' } },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: any('envoy.extensions.filters.http.router.v3.Router', { suppress_envoy_headers: true }),
      },
    ],
    stream_idle_timeout: '300s',
    forward_client_cert_details: 'SANITIZE_SET',
    set_current_client_cert_details: { uri: true },
  });
  const value = {
    name: 'inbound/15001',
    address: { socket_address: { address: '0.0.0.0', port_value: 15_001 } },
    filter_chains: [
      {
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
        transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: tls('Downstream', []) },
      },
    ],
  };
  return { name: 'envoy.config.listener.v3.Listener', value };
}

/** A listener, a route configuration, and of each service a cluster and a load assignment of five endpoints. */
export function typicalSet(services: number): readonly NamedMessage[] {
  const names = Array.from({ length: services }, (_, index) => `service-${index}`);
  const routes = { name: 'outbound/shop', virtual_hosts: names.map(virtualHost) };
  return [
    listener(),
    { name: 'envoy.config.route.v3.RouteConfiguration', value: routes },
    ...names.map(cluster),
    ...names.map(endpoints),
  ];
}
