/** `/clusters`: each cluster that is in use, with its hosts and what was counted of them. */
import type { Messages } from '@weft/envoy-api';
import { HOST_COUNTS, type Host, type HostCounts } from '../cluster/host.ts';
import type { ManagedCluster } from '../cluster/manager.ts';
import { addressMessage } from './address.ts';

type ClusterStatus = Messages['envoy.admin.v3.ClusterStatus'];
type HostStatus = Messages['envoy.admin.v3.HostStatus'];

const DEFAULT_LIMITS = { max_connections: 1024, max_pending_requests: 1024, max_requests: 1024, max_retries: 3 };
type LimitName = keyof typeof DEFAULT_LIMITS;
const LIMIT_NAMES = Object.keys(DEFAULT_LIMITS) as readonly LimitName[];

type CountOf = (counts: HostCounts) => number;

const COUNTERS: readonly (readonly [string, CountOf])[] = [
  ['cx_connect_fail', (host) => host.connectFailures],
  ['cx_total', (host) => host.connectionsTotal],
  ['rq_error', (host) => host.requestsFailed],
  ['rq_success', (host) => host.requestsSucceeded],
  ['rq_timeout', (host) => host.requestsTimedOut],
  ['rq_total', (host) => host.requestsTotal],
];
const GAUGES: readonly (readonly [string, CountOf])[] = [
  ['cx_active', (host) => host.connectionsActive],
  ['rq_active', (host) => host.requestsActive],
  ['rq_pending_active', (host) => host.requestsPending],
];
const IN_ORDER = [...COUNTERS, ...GAUGES].sort(([a], [b]) => (a < b ? -1 : 1));

/** In Envoy's order. */
const HEALTH_FLAGS: readonly (readonly [string, (host: Host) => boolean])[] = [
  ['/failed_active_hc', ({ check }) => check === 'failed' || check === 'pending'],
  ['/failed_outlier_check', ({ isEjected }) => isEjected],
  ['/failed_eds_health', ({ endpoint }) => endpoint.health === 'unhealthy'],
  ['/degraded_active_hc', ({ check }) => check === 'degraded'],
  ['/degraded_eds_health', ({ endpoint }) => endpoint.health === 'degraded'],
  ['/pending_dynamic_removal', ({ isLeaving }) => isLeaving],
  ['/pending_active_hc', ({ isExcluded }) => isExcluded === 'pending'],
  ['/excluded_via_immediate_hc_fail', ({ isExcluded }) => isExcluded === 'immediate-failure'],
  ['/active_hc_timeout', ({ hasCheckTimedOut }) => hasCheckTimedOut],
];

/** Why a host gets no requests, or only the last ones: `/failed_active_hc/active_hc_timeout`; else `healthy`. */
export function healthFlags(host: Host): string {
  const flags = HEALTH_FLAGS.flatMap(([flag, holds]) => (holds(host) ? [flag] : []));
  return flags.length === 0 ? 'healthy' : flags.join('');
}

const HEALTH_STATUS = { healthy: 'HEALTHY', degraded: 'DEGRADED', unhealthy: 'UNHEALTHY' } as const;

/** Envoy's word for what is known of a host's health. */
export function healthStatus(host: Host): (typeof HEALTH_STATUS)[keyof typeof HEALTH_STATUS] {
  return HEALTH_STATUS[host.endpoint.health];
}

/** The name of a cluster's endpoints, where that is another than its own; '' where they are not sent by EDS. */
export function endpointsName({ cluster: { config } }: ManagedCluster): string {
  return config.type === 'EDS' ? (config.eds_cluster_config?.service_name ?? '') : '';
}

function limitsOf({ cluster }: ManagedCluster, priority: 'DEFAULT' | 'HIGH'): Readonly<Record<LimitName, number>> {
  const given = cluster.config.circuit_breakers?.thresholds.find((entry) => entry.priority === priority);
  return { ...DEFAULT_LIMITS, ...(given && Object.fromEntries(LIMIT_NAMES.map((name) => [name, given[name]]))) };
}

/** What other threads have counted of a host; undefined where there is nothing. */
export type CountsElsewhere = (cluster: string, host: Host) => HostCounts | undefined;

/** What all threads have counted of a host. */
function countsOf(cluster: string, host: Host, elsewhere: CountsElsewhere): HostCounts {
  const others = elsewhere(cluster, host);
  if (!others) return host;
  return Object.fromEntries(HOST_COUNTS.map((name) => [name, host[name] + others[name]])) as HostCounts;
}

function hostLines(prefix: string, host: Host, elsewhere: CountsElsewhere): string {
  const counts = countsOf(prefix, host, elsewhere);
  const { hostname, weight, region, zone, subZone, metadata, priority } = host.endpoint;
  const rows = [
    ...IN_ORDER.map(([name, read]) => [name, read(counts)] as const),
    ['hostname', hostname],
    ['health_flags', healthFlags(host)],
    ['weight', weight],
    ['region', region],
    ['zone', zone],
    ['sub_zone', subZone],
    ['canary', metadata.canary === true],
    ['priority', priority],
    ['success_rate', host.outlier?.external.shown ?? -1],
    ['local_origin_success_rate', host.outlier?.local.shown ?? -1],
  ] as const;
  return rows.map(([name, value]) => `${prefix}::${host.key}::${name}::${value}\n`).join('');
}

function* clusterLines(managed: ManagedCluster, elsewhere: CountsElsewhere): Generator<string, void> {
  const { cluster, isStatic } = managed;
  const { name } = cluster;
  let lines = `${name}::observability_name::${observabilityName(managed)}\n`;
  for (const [title, priority] of [
    ['default_priority', 'DEFAULT'],
    ['high_priority', 'HIGH'],
  ] as const) {
    const limits = limitsOf(managed, priority);
    for (const limit of LIMIT_NAMES) lines += `${name}::${title}::${limit}::${limits[limit]}\n`;
  }
  lines += `${name}::added_via_api::${!isStatic}\n`;
  const service = endpointsName(managed);
  if (service !== '') lines += `${name}::eds_service_name::${service}\n`;
  yield lines;
  for (const host of cluster.hosts) yield hostLines(name, host, elsewhere);
}

function observabilityName({ cluster: { config } }: ManagedCluster): string {
  return config.alt_stat_name === '' ? config.name : config.alt_stat_name;
}

/** `name::address::statistic::value` lines. */
export function* clustersText(clusters: Iterable<ManagedCluster>, elsewhere: CountsElsewhere): Generator<string, void> {
  for (const managed of clusters) yield* clusterLines(managed, elsewhere);
}

function metric(name: string, value: number, type?: 'GAUGE'): object {
  return { ...(type && { type }), ...(value !== 0 && { value: String(value) }), name };
}

function hostStatus(cluster: string, host: Host, elsewhere: CountsElsewhere): HostStatus {
  const counts = countsOf(cluster, host, elsewhere);
  const { hostname, weight, region, zone, subZone, priority } = host.endpoint;
  return {
    address: addressMessage(host.address),
    stats: [
      ...COUNTERS.map(([name, read]) => metric(name, read(counts))),
      ...GAUGES.map(([name, read]) => metric(name, read(counts), 'GAUGE')),
    ],
    health_status: {
      ...((host.check === 'failed' || host.check === 'pending') && { failed_active_health_check: true }),
      ...(host.isEjected && { failed_outlier_check: true }),
      ...(host.check === 'degraded' && { failed_active_degraded_check: true }),
      ...(host.isLeaving && { pending_dynamic_removal: true }),
      ...(host.isExcluded === 'pending' && { pending_active_hc: true }),
      ...(host.isExcluded === 'immediate-failure' && { excluded_via_immediate_hc_fail: true }),
      ...(host.hasCheckTimedOut && { active_hc_timeout: true }),
      eds_health_status: healthStatus(host),
    },
    ...(host.outlier && host.outlier.external.shown >= 0 && { success_rate: { value: host.outlier.external.shown } }),
    weight,
    ...(priority > 0 && { priority }),
    ...(hostname !== '' && { hostname }),
    locality: { ...(region && { region }), ...(zone && { zone }), ...(subZone && { sub_zone: subZone }) },
  };
}

function clusterStatus(managed: ManagedCluster, elsewhere: CountsElsewhere): ClusterStatus {
  const { name, hosts } = managed.cluster;
  const service = endpointsName(managed);
  return {
    name,
    ...(!managed.isStatic && { added_via_api: true }),
    host_statuses: hosts.map((host) => hostStatus(name, host, elsewhere)),
    circuit_breakers: {
      thresholds: [limitsOf(managed, 'DEFAULT'), { priority: 'HIGH', ...limitsOf(managed, 'HIGH') }],
    },
    observability_name: observabilityName(managed),
    ...(service !== '' && { eds_service_name: service }),
  };
}

/** The list of `envoy.admin.v3.Clusters`. */
export function* clusterStatuses(
  clusters: Iterable<ManagedCluster>,
  elsewhere: CountsElsewhere,
): Generator<ClusterStatus, void> {
  for (const managed of clusters) yield clusterStatus(managed, elsewhere);
}
