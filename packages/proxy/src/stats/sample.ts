/** One value of a statistic, as it is written. */
import type { Histogram } from './histogram.ts';

/** The parts of a name that Prometheus gets as labels, in place of a part of the name. */
export type Labels = Readonly<Record<string, string>>;

interface Named {
  /** As `/stats` shows it: `cluster.up.upstream_rq_200` */
  readonly name: string;
  readonly labels: Labels;
}

export type Sample =
  | (Named & { readonly type: 'counter' | 'gauge'; readonly value: number })
  | (Named & { readonly type: 'histogram'; readonly histogram: Histogram });

export type StatType = Sample['type'];

/** Whether a sample is wanted. */
export type Admits = (sample: Sample) => boolean;

/** Statistics of one thing. */
export interface StatGroup {
  /** What stands before each name in `/stats`: `cluster.up.` */
  readonly prefix: string;
  /** What stands before each name for Prometheus, after `envoy_`: `cluster_` */
  readonly metricPrefix: string;
  readonly labels: Labels;
  readonly values: object;
}

/** How many groups are looked at, written or copied before others have their turn. */
export const GROUPS_AT_ONCE = 64;

/** Names that say what is, rather than count what was. */
const GAUGES = new Set([
  'active_clusters',
  'active_faults',
  'concurrency',
  'cx_open',
  'cx_pool_open',
  'degraded',
  'healthy',
  'remaining_cx',
  'remaining_cx_pools',
  'remaining_pending',
  'remaining_retries',
  'remaining_rq',
  'rq_open',
  'rq_pending_open',
  'rq_retry_open',
  'size',
  'connected_state',
  'days_until_first_cert_expiring',
  'deprecated_feature_seen_since_process_start',
  'hot_restart_epoch',
  'live',
  'max_entries_per_host',
  'max_hashes_per_host',
  'max_host_weight',
  'memory_allocated',
  'memory_heap_size',
  'membership_degraded',
  'membership_excluded',
  'membership_healthy',
  'membership_total',
  'min_entries_per_host',
  'min_hashes_per_host',
  'num_keys',
  'num_layers',
  'parent_connections',
  'pending_requests',
  'pending_send_bytes',
  'state',
  'stats_recent_lookups',
  'total_connections',
  'total_filter_chains_draining',
  'total_listeners_active',
  'total_listeners_draining',
  'total_listeners_warming',
  'update_time',
  'uptime',
  'version',
  'warming_clusters',
  'workers_started',
]);

export function isGauge(name: string): boolean {
  return name.endsWith('_active') || GAUGES.has(name);
}
