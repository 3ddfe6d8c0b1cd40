/**
 * Zone-aware routing: requests stay in the proxy's own locality as far as its share of the hosts goes
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/upstream/load_balancing/zone_aware).
 */
import type { Random } from '../balancer.ts';
import type { Host } from '../host.ts';
import type { HostSet } from './host-sets.ts';
import type { BalancerStats } from './stats.ts';

export interface ZoneAwareConfig {
  /** Percent of the requests that are routed so. */
  readonly enabledPercent: number;
  /** Clusters with fewer healthy hosts are not. */
  readonly minClusterSize: number;
  /** Whether requests fail in panic, rather than go to hosts that are not healthy. */
  readonly failsOnPanic: boolean;
  /** With at least so many healthy hosts in the own locality all requests stay there; undefined: shares decide. */
  readonly forceLocalMinHosts: number | undefined;
  /** Whether shares are of weights, rather than of the number of hosts. */
  readonly isByWeight: boolean;
}

/** Shares count in ten-thousandths. */
const WHOLE = 10_000;

export type ZoneRouting =
  | { readonly type: 'off' }
  /** All to the own locality, which is the first. */
  | { readonly type: 'direct' }
  | {
      readonly type: 'residual';
      /** Ten-thousandths that stay in the own locality. */
      readonly localShare: number;
      /** What each locality can take from others, added up with those before it. */
      readonly capacities: readonly number[];
    };

export const NO_ZONE_ROUTING: ZoneRouting = { type: 'off' };

interface Shares {
  readonly local: number;
  readonly upstream: number;
}

function measure(hosts: readonly Host[], isByWeight: boolean): number {
  return isByWeight ? hosts.reduce((sum, { endpoint }) => sum + endpoint.weight, 0) : hosts.length;
}

/** Of each locality of the cluster, how much of its healthy hosts, and of those of the local cluster, it has. */
function sharesOf(set: HostSet, local: HostSet, isByWeight: boolean): readonly Shares[] {
  const localSizes = new Map(local.localities.map(({ key, healthy }) => [key, measure(healthy, isByWeight)]));
  const localTotal = [...localSizes.values()].reduce((sum, size) => sum + size, 0);
  const total = measure(set.healthy, isByWeight);
  return set.localities.map(({ key, healthy }) => {
    if (healthy.length === 0) return { local: 0, upstream: 0 };
    const localSize = localSizes.get(key) ?? 0;
    return {
      local: localTotal > 0 ? Math.floor((WHOLE * localSize) / localTotal) : 0,
      upstream: total > 0 ? Math.floor((WHOLE * measure(healthy, isByWeight)) / total) : 0,
    };
  });
}

function isOff(set: HostSet, local: HostSet, config: ZoneAwareConfig, stats: BalancerStats): boolean {
  if (set.localities.length < 2) return true;
  if (local.localities.length < 2 && config.forceLocalMinHosts === undefined) return true;
  if (!local.hasLocal || local.localities[0]?.hosts.length === 0) {
    stats.lb_local_cluster_not_ok++;
    return true;
  }
  if (set.healthy.length < config.minClusterSize) {
    stats.lb_zone_cluster_too_small++;
    return true;
  }
  return false;
}

/** What becomes of requests to hosts of priority 0. `local`: the hosts of the local cluster. */
export function zoneRouting(set: HostSet, local: HostSet, config: ZoneAwareConfig, stats: BalancerStats): ZoneRouting {
  stats.lb_recalculate_zone_structures++;
  if (isOff(set, local, config, stats)) return NO_ZONE_ROUTING;
  const shares = sharesOf(set, local, config.isByWeight);
  const [own] = shares;
  let localShare = 0;
  if (own && set.hasLocal) {
    const { forceLocalMinHosts } = config;
    const isForced = forceLocalMinHosts !== undefined && (set.localities[0]?.healthy.length ?? 0) >= forceLocalMinHosts;
    if (isForced || (own.upstream > 0 && own.upstream >= own.local)) return { type: 'direct' };
    if (own.local > 0) localShare = Math.floor((own.upstream * WHOLE) / own.local);
  }
  let capacity = 0;
  const capacities = shares.map(({ local: localPart, upstream }, i) => {
    if (i > 0 || !set.hasLocal) capacity += Math.max(0, upstream - localPart);
    return capacity;
  });
  return { type: 'residual', localShare, capacities };
}

/** The place of the locality that a request goes to. */
export function chooseLocality(
  routing: Exclude<ZoneRouting, { type: 'off' }>,
  random: Random,
  stats: BalancerStats,
): number {
  if (routing.type === 'direct') {
    stats.lb_zone_routing_all_directly++;
    return 0;
  }
  const { localShare, capacities } = routing;
  if (random() * WHOLE < localShare) {
    stats.lb_zone_routing_sampled++;
    return 0;
  }
  stats.lb_zone_routing_cross_zone++;
  const total = capacities[capacities.length - 1] as number;
  if (total === 0) {
    stats.lb_zone_no_capacity_left++;
    return Math.floor(random() * capacities.length);
  }
  const point = random() * total;
  return capacities.findIndex((capacity) => point < capacity);
}
