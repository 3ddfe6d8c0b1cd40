/** Schemas of clusters and of their endpoints. */

import { type BalancingConfig, legacyBalancing, percent } from './balancing.ts';
import { balancingOf, checkBalancing, loadBalancingPolicy } from './balancing-policy.ts';
import { configSource } from './config-source.ts';
import { address, http1Options, http2Options, limit, metadata, tcpKeepalive } from './core.ts';
import { checkClusterType, clusterType, dnsFields } from './dns.ts';
import { healthCheck } from './health-check.ts';
import { outlierDetection } from './outlier.ts';
import { fractionalPercent } from './runtime.ts';
import {
  anyOf,
  built,
  choice,
  durationMs,
  flag,
  list,
  map,
  message,
  name,
  number,
  optional,
  type Parsed,
  type Place,
  required,
  text,
} from './schema.ts';
import { lbSubsetConfig } from './subsets.ts';
import { transportOf, transportSockets } from './transport-socket.ts';
import { upstreamBind } from './upstream-bind.ts';

const endpointCheck = built(
  message('envoy.config.endpoint.v3.Endpoint.HealthCheckConfig', {
    port_value: number(0, { max: 65_535 }),
    hostname: text(),
    address: optional(address),
    disable_active_health_check: flag(),
  }),
  ({ port_value: port, hostname, address, disable_active_health_check: isDisabled }) => {
    return { port, hostname, address, isDisabled };
  },
);

const endpoint = message('envoy.config.endpoint.v3.Endpoint', {
  address: required(address),
  hostname: text(),
  health_check_config: optional(endpointCheck),
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
  priority: number(0, { max: 128 }),
  metadata: optional(metadata),
});

const ASSIGNMENT_POLICY = 'envoy.config.endpoint.v3.ClusterLoadAssignment.Policy';

const dropOverload = message(`${ASSIGNMENT_POLICY}.DropOverload`, {
  category: name(),
  drop_percentage: optional(fractionalPercent),
});

const assignmentPolicy = message(
  ASSIGNMENT_POLICY,
  {
    drop_overloads: list(dropOverload, { max: 1 }),
    overprovisioning_factor: number(140, { min: 1, max: 0xffff_ffff }),
    endpoint_stale_after: optional(durationMs(0, { min: 1 })),
    weighted_priority_health: flag(),
  },
  ({ drop_overloads: drops }, place) => {
    const share = drops[0]?.drop_percentage;
    if (share && share.numerator > share.denominator) {
      place.within('drop_overloads', () => place.refuse('would drop more requests than there are'));
    }
  },
);

export const clusterLoadAssignment = message('envoy.config.endpoint.v3.ClusterLoadAssignment', {
  cluster_name: name(),
  endpoints: list(localityEndpoints),
  policy: optional(assignmentPolicy),
});

export type ClusterLoadAssignmentConfig = Parsed<typeof clusterLoadAssignment>;

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

/** What each host may take by itself: connections are all that Envoy counts there. */
const hostThresholds = message('envoy.config.cluster.v3.CircuitBreakers.Thresholds', {
  priority: choice(['DEFAULT', 'HIGH']),
  max_connections: optional(limit(0)),
});

const circuitBreakers = message('envoy.config.cluster.v3.CircuitBreakers', {
  thresholds: list(thresholds),
  per_host_thresholds: list(hostThresholds),
});

const edsClusterConfig = message('envoy.config.cluster.v3.Cluster.EdsClusterConfig', {
  eds_config: required(configSource),
  service_name: text(),
});

const commonHttpOptions = message('envoy.config.core.v3.HttpProtocolOptions', {
  idle_timeout: optional(durationMs()),
  max_connection_duration: optional(durationMs()),
  max_headers_count: number(100, { min: 1 }),
  max_requests_per_connection: number(0),
  max_response_headers_kb: optional(number(0, { min: 1, max: 8192 })),
});

const peerNaming = message('envoy.config.core.v3.UpstreamHttpProtocolOptions', {
  auto_sni: flag(),
  auto_san_validation: flag(),
  override_auto_sni_header: text(),
});

/** What of a request says whom TLS is to find at a host. */
export type PeerNaming = Parsed<typeof peerNaming>;

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const eitherHttp = { http_protocol_options: optional(http1Options), http2_protocol_options: optional(http2Options) };

const explicitHttp = message(`${HTTP_OPTIONS}.ExplicitHttpConfig`, eitherHttp, (value, place) => {
  if (value.http_protocol_options && value.http2_protocol_options) {
    place.refuse('has both http_protocol_options and http2_protocol_options');
  }
  if (!value.http_protocol_options && !value.http2_protocol_options) {
    place.refuse('needs http_protocol_options or http2_protocol_options');
  }
});

/** Which version of HTTP a cluster is spoken to in: one that is said, that of the client, or what ALPN comes to. */
const upstreamHttp = message(
  HTTP_OPTIONS,
  {
    common_http_protocol_options: optional(commonHttpOptions),
    upstream_http_protocol_options: optional(peerNaming),
    explicit_http_config: optional(explicitHttp),
    use_downstream_protocol_config: optional(message(`${HTTP_OPTIONS}.UseDownstreamHttpConfig`, eitherHttp)),
    auto_config: optional(message(`${HTTP_OPTIONS}.AutoHttpConfig`, eitherHttp)),
  },
  ({ explicit_http_config: explicit, use_downstream_protocol_config: downstream, auto_config: auto }, place) => {
    const given = [explicit, downstream, auto].filter((one) => one !== undefined).length;
    if (given !== 1) {
      place.refuse('needs one of explicit_http_config, use_downstream_protocol_config and auto_config');
    }
  },
);

const upstreamConnection = message('envoy.config.cluster.v3.UpstreamConnectionOptions', {
  tcp_keepalive: optional(tcpKeepalive),
});

const originalDestination = message(
  'envoy.config.cluster.v3.Cluster.OriginalDstLbConfig',
  {
    use_http_header: flag(),
    http_header_name: text(),
    upstream_port_override: optional(number(0, { max: 65_535 })),
  },
  ({ use_http_header, http_header_name }, place) => {
    if (!use_http_header && http_header_name !== '') {
      place.within('http_header_name', () => place.refuse('is used with use_http_header alone'));
    }
  },
);

const clusterFields = {
  name: name(),
  type: choice(['STATIC', 'STRICT_DNS', 'LOGICAL_DNS', 'EDS', 'ORIGINAL_DST']),
  connect_timeout: durationMs(5000),
  ...legacyBalancing,
  load_balancing_policy: optional(loadBalancingPolicy),
  lb_subset_config: optional(lbSubsetConfig),
  original_dst_lb_config: optional(originalDestination),
  cleanup_interval: durationMs(5000, { min: 1 }),
  load_assignment: optional(clusterLoadAssignment),
  eds_cluster_config: optional(edsClusterConfig),
  circuit_breakers: optional(circuitBreakers),
  outlier_detection: optional(outlierDetection),
  health_checks: list(healthCheck, { max: 1 }),
  close_connections_on_host_health_failure: flag(),
  ignore_health_on_host_removal: flag(),
  cluster_type: optional(clusterType),
  ...dnsFields,
  wait_for_warm_on_init: flag(true),
  max_requests_per_connection: optional(number()),
  per_connection_buffer_limit_bytes: number(1_048_576),
  upstream_connection_options: optional(upstreamConnection),
  upstream_bind_config: optional(upstreamBind),
  ...transportSockets,
  alt_stat_name: text(),
  metadata: optional(metadata),
};

const clusterMessage = message(
  'envoy.config.cluster.v3.Cluster',
  {
    ...clusterFields,
    typed_extension_protocol_options: map(anyOf({ http: upstreamHttp })),
    http2_protocol_options: optional(http2Options),
    upstream_http_protocol_options: optional(peerNaming),
  },
  (value, place) => {
    if (value.type === 'EDS' && !value.eds_cluster_config) {
      place.within('eds_cluster_config', () => place.refuse('is needed for a cluster of type EDS'));
    }
    if (value.type === 'EDS' && value.load_assignment) {
      place.within('load_assignment', () => place.refuse('is not used by a cluster of type EDS'));
    }
    if (value.type === 'ORIGINAL_DST' && value.load_assignment) {
      place.within('load_assignment', () => place.refuse('is not used by a cluster of type ORIGINAL_DST'));
    }
    if (value.type === 'LOGICAL_DNS' && !value.load_assignment) {
      place.within('load_assignment', () => place.refuse('is needed for a cluster of type LOGICAL_DNS'));
    }
    checkProtocol(value, place);
    checkGrpcHealth(value, place);
    checkBalancing(value, place);
    const isOfNames = value.cluster_type || value.type === 'STRICT_DNS' || value.type === 'LOGICAL_DNS';
    if (!value.wait_for_warm_on_init && !isOfNames) {
      place.within('wait_for_warm_on_init', () => place.refuse('is for clusters whose names are resolved alone'));
    }
  },
);

/** With whatever its `cluster_type` says in place of its own fields. */
const namedCluster = built(clusterMessage, (value) => ({ ...value, ...value.cluster_type }));

export const cluster: typeof namedCluster = {
  ...namedCluster,
  parse(given, place) {
    checkClusterType((given ?? {}) as object, place);
    return namedCluster.parse(given, place);
  },
};

export type ClusterConfig = Parsed<typeof cluster>;

/** How a cluster balances, whichever way it says so. */
export function balancingConfigOf(config: ClusterConfig): BalancingConfig {
  return balancingOf(config);
}

/** The options of HTTP of a cluster, undefined where it has none. */
export function httpOptionsOf(
  config: Pick<ClusterConfig, 'typed_extension_protocol_options'>,
): Parsed<typeof upstreamHttp> | undefined {
  return config.typed_extension_protocol_options.get(HTTP_OPTIONS)?.value;
}

/** Undefined where requests say nothing of whom TLS is to find at a host. */
export function peerNamingOf(config: ClusterConfig): PeerNaming | undefined {
  const naming = httpOptionsOf(config)?.upstream_http_protocol_options ?? config.upstream_http_protocol_options;
  return naming?.auto_sni || naming?.auto_san_validation ? naming : undefined;
}

/** Checks by gRPC speak HTTP/2, as the cluster must then. */
function checkGrpcHealth(
  config: Pick<ClusterConfig, 'typed_extension_protocol_options' | 'http2_protocol_options' | 'health_checks'>,
  place: Place,
): void {
  const http = httpOptionsOf(config);
  const speaksHttp2 =
    config.http2_protocol_options ||
    http?.explicit_http_config?.http2_protocol_options ||
    http?.auto_config ||
    http?.use_downstream_protocol_config?.http2_protocol_options;
  if (speaksHttp2 || !config.health_checks[0]?.grpc_health_check) return;
  place.within('health_checks', () => place.refuse('grpc_health_check needs a cluster that speaks HTTP/2'));
}

function checkProtocol(
  config: Pick<
    ClusterConfig,
    | 'typed_extension_protocol_options'
    | 'http2_protocol_options'
    | 'upstream_http_protocol_options'
    | keyof typeof transportSockets
  >,
  place: Place,
): void {
  const http = httpOptionsOf(config);
  if (http && config.http2_protocol_options) {
    place.within('http2_protocol_options', () => place.refuse(`is not used beside ${HTTP_OPTIONS}`));
  }
  if (http && config.upstream_http_protocol_options) {
    place.within('upstream_http_protocol_options', () => place.refuse(`is not used beside ${HTTP_OPTIONS}`));
  }
  if (!http?.auto_config) return;
  const { transport_socket: otherwise, transport_socket_matches: matches } = config;
  if ([otherwise, ...matches.map((match) => match.transport_socket)].some((socket) => !transportOf(socket).tls)) {
    place.refuse('auto_config asks for the protocol by ALPN, which needs a transport_socket with TLS');
  }
}
