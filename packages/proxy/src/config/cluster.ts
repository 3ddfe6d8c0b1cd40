/** Schemas of clusters and of their endpoints. */
import { address, configSource, http1Options, limit, metadata, tcpKeepalive } from './core.ts';
import {
  anyOf,
  choice,
  durationMs,
  flag,
  list,
  map,
  message,
  name,
  number,
  only,
  optional,
  type Parsed,
  required,
  text,
  whole,
} from './schema.ts';
import { upstreamTlsContext } from './tls.ts';

const endpoint = message('envoy.config.endpoint.v3.Endpoint', {
  address: required(address),
  hostname: text(),
});

const lbEndpoint = message('envoy.config.endpoint.v3.LbEndpoint', {
  endpoint: required(endpoint),
  health_status: choice(['UNKNOWN', 'HEALTHY', 'UNHEALTHY', 'DRAINING', 'TIMEOUT', 'DEGRADED']),
  load_balancing_weight: number(1, { min: 1 }),
  metadata: optional(metadata),
});

const locality = message('envoy.config.core.v3.Locality', { region: text(), zone: text(), sub_zone: text() });

const localityEndpoints = message('envoy.config.endpoint.v3.LocalityLbEndpoints', {
  locality: optional(locality),
  lb_endpoints: list(lbEndpoint),
  load_balancing_weight: optional(number(0, { min: 1 })),
  priority: only((given) => given === 0, '0'),
  metadata: optional(metadata),
});

export const clusterLoadAssignment = message('envoy.config.endpoint.v3.ClusterLoadAssignment', {
  cluster_name: name(),
  endpoints: list(localityEndpoints),
});

export type ClusterLoadAssignmentConfig = Parsed<typeof clusterLoadAssignment>;

const percent = message('envoy.type.v3.Percent', { value: number(0, { max: 100 }) });

const retryBudget = message('envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget', {
  budget_percent: optional(percent),
  min_retry_concurrency: number(3),
});

/** Envoy's own limits, where no threshold says otherwise. */
const DEFAULT_LIMIT = 1024;

const thresholds = message('envoy.config.cluster.v3.CircuitBreakers.Thresholds', {
  priority: choice(['DEFAULT', 'HIGH']),
  max_connections: limit(DEFAULT_LIMIT),
  max_pending_requests: limit(DEFAULT_LIMIT),
  max_requests: limit(DEFAULT_LIMIT),
  max_retries: limit(3),
  retry_budget: optional(retryBudget),
  track_remaining: flag(),
});

export type ThresholdsConfig = Parsed<typeof thresholds>;

const circuitBreakers = message('envoy.config.cluster.v3.CircuitBreakers', { thresholds: list(thresholds) });

const edsClusterConfig = message('envoy.config.cluster.v3.Cluster.EdsClusterConfig', {
  eds_config: required(configSource),
  service_name: text(),
});

const commonLbConfig = message('envoy.config.cluster.v3.Cluster.CommonLbConfig', {
  healthy_panic_threshold: optional(percent),
});

const leastRequest = message('envoy.config.cluster.v3.Cluster.LeastRequestLbConfig', {
  choice_count: number(2, { min: 2 }),
});

const roundRobin = message('envoy.config.cluster.v3.Cluster.RoundRobinLbConfig', {});

const commonHttpOptions = message('envoy.config.core.v3.HttpProtocolOptions', {
  idle_timeout: optional(durationMs()),
  max_headers_count: number(100, { min: 1 }),
  max_requests_per_connection: number(0),
  max_response_headers_kb: number(60, { min: 1, max: 8192 }),
});

const explicitHttp = message('envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig', {
  http_protocol_options: optional(http1Options),
});

/** HTTP/2 is what the control plane's own streams are spoken in, which the data path does not carry. */
const upstreamHttp = message('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', {
  common_http_protocol_options: optional(commonHttpOptions),
  explicit_http_config: optional(explicitHttp),
});

const controlPlaneHttp = message('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', {
  common_http_protocol_options: optional(commonHttpOptions),
  explicit_http_config: optional(
    message('envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig', {
      http_protocol_options: optional(http1Options),
      http2_protocol_options: whole(),
    }),
  ),
});

export const upstreamTransportSocket = message('envoy.config.core.v3.TransportSocket', {
  name: text(),
  typed_config: anyOf({
    tls: upstreamTlsContext,
    'raw-buffer': message('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer', {}),
  }),
});

const upstreamConnection = message('envoy.config.cluster.v3.UpstreamConnectionOptions', {
  tcp_keepalive: optional(tcpKeepalive),
});

const clusterFields = {
  name: name(),
  type: choice(['STATIC', 'STRICT_DNS', 'LOGICAL_DNS', 'EDS']),
  connect_timeout: durationMs(5000),
  lb_policy: choice(['ROUND_ROBIN', 'LEAST_REQUEST']),
  round_robin_lb_config: optional(roundRobin),
  least_request_lb_config: optional(leastRequest),
  common_lb_config: optional(commonLbConfig),
  load_assignment: optional(clusterLoadAssignment),
  eds_cluster_config: optional(edsClusterConfig),
  circuit_breakers: optional(circuitBreakers),
  dns_refresh_rate: durationMs(5000),
  respect_dns_ttl: only((given) => given === false, 'false'),
  dns_lookup_family: choice(['AUTO', 'V4_ONLY', 'V6_ONLY', 'V4_PREFERRED', 'ALL']),
  max_requests_per_connection: optional(number()),
  per_connection_buffer_limit_bytes: number(1_048_576),
  upstream_connection_options: optional(upstreamConnection),
  transport_socket: optional(upstreamTransportSocket),
  alt_stat_name: text(),
  metadata: optional(metadata),
};

export const cluster = message(
  'envoy.config.cluster.v3.Cluster',
  {
    ...clusterFields,
    typed_extension_protocol_options: map(anyOf({ http: upstreamHttp })),
  },
  (value, place) => {
    if (value.type === 'EDS' && !value.eds_cluster_config) {
      place.within('eds_cluster_config', () => place.refuse('is needed for a cluster of type EDS'));
    }
    if (value.type === 'EDS' && value.load_assignment) {
      place.within('load_assignment', () => place.refuse('is not used by a cluster of type EDS'));
    }
    if (value.type !== 'EDS' && !value.load_assignment) {
      place.within('load_assignment', () => place.refuse(`is needed for a cluster of type ${value.type}`));
    }
  },
);

export type ClusterConfig = Parsed<typeof cluster>;

/** A cluster of the bootstrap that streams of the control plane go to: gRPC, never the data path. */
export const controlPlaneCluster = message('envoy.config.cluster.v3.Cluster', {
  ...clusterFields,
  typed_extension_protocol_options: map(anyOf({ http: controlPlaneHttp })),
  http2_protocol_options: whole(),
});

export type ControlPlaneClusterConfig = Parsed<typeof controlPlaneCluster>;
