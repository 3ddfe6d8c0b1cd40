/** Schema of the TCP proxy. */
import { tcpAccessLog } from './access-log.ts';
import { percent } from './balancing.ts';
import { metadata } from './core.ts';
import { connectionHashPolicy } from './hash-policy.ts';
import { durationMs, flag, list, message, name, number, optional, type Parsed, required } from './schema.ts';

const clusterWeight = message('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight', {
  name: name(),
  weight: number(0),
  metadata_match: optional(metadata),
});

const weightedClusters = message('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster', {
  clusters: list(clusterWeight, { min: 1 }),
});

/** How long to wait before another attempt to connect: anywhere below a bound that doubles from one to the other. */
const backOff = message(
  'envoy.config.core.v3.BackoffStrategy',
  { base_interval: required(durationMs(0, { min: 1 })), max_interval: optional(durationMs(0, { min: 1 })) },
  ({ base_interval: base, max_interval: max }, place) => {
    if (max !== undefined && max < base) place.within('max_interval', () => place.refuse('is less than base_interval'));
  },
);

/** When connections are logged beside their end. */
const logOptions = message('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TcpAccessLogOptions', {
  access_log_flush_interval: optional(durationMs(0, { min: 1 })),
  flush_access_log_on_connected: flag(),
  flush_access_log_on_start: flag(),
});

export const tcpProxy = message(
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
  {
    stat_prefix: name(),
    cluster: optional(name()),
    weighted_clusters: optional(weightedClusters),
    metadata_match: optional(metadata),
    hash_policy: list(connectionHashPolicy, { max: 1 }),
    idle_timeout: durationMs(3_600_000),
    max_connect_attempts: number(1, { min: 1 }),
    max_downstream_connection_duration: optional(durationMs(0, { min: 1 })),
    max_downstream_connection_duration_jitter_percentage: optional(percent),
    backoff_options: optional(backOff),
    access_log: list(tcpAccessLog),
    access_log_options: optional(logOptions),
    access_log_flush_interval: optional(durationMs(0, { min: 1 })),
    flush_access_log_on_connected: flag(),
  },
  (value, place) => {
    for (const field of ['access_log_flush_interval', 'flush_access_log_on_connected'] as const) {
      if (value.access_log_options && value[field]) {
        place.within(field, () => place.refuse('is given here and in access_log_options; give it there alone'));
      }
    }
    if (value.cluster === undefined && !value.weighted_clusters) place.refuse('needs cluster or weighted_clusters');
    const weights = value.weighted_clusters?.clusters.reduce((total, { weight }) => total + weight, 0);
    if (weights === 0) place.within('weighted_clusters', () => place.refuse('needs a weight that is more than 0'));
  },
);

export type TcpProxyConfig = Parsed<typeof tcpProxy>;
