/** The balancer that a configuration asks for. */
import type { Clock } from '../clock.ts';
import type { BalancingConfig, PolicyConfig } from '../config/balancing.ts';
import type { Balancer, Random, ReadRuntime } from './balancer.ts';
import { BoundedLoad } from './balancing/bounded-load.ts';
import { HashBalancer } from './balancing/hash-balancer.ts';
import type { HashTable, ShareOut } from './balancing/hash-table.ts';
import type { HostPicker } from './balancing/host-picker.ts';
import { LeastRequest } from './balancing/least-request.ts';
import { MaglevStats, MaglevTable } from './balancing/maglev.ts';
import { PriorityBalancer } from './balancing/priority-balancer.ts';
import { RandomHost } from './balancing/random-host.ts';
import { HashRing, RingHashStats } from './balancing/ring-hash.ts';
import { RoundRobin } from './balancing/round-robin.ts';
import { SlowStart } from './balancing/slow-start.ts';
import type { BalancerStats } from './balancing/stats.ts';
import { SubsetBalancer } from './balancing/subset-balancer.ts';
import type { ZoneAwareConfig } from './balancing/zone-routing.ts';

/** What tables of hashes tell: groups under `cluster.<name>.`, by the policy. */
export type TableStats = RingHashStats | MaglevStats;

export interface BalancerContext {
  readonly config: BalancingConfig;
  readonly stats: BalancerStats;
  /** Undefined: what tables of hashes tell is told nobody. */
  readonly tableStats: TableStats | undefined;
  readonly random: Random;
  readonly readRuntime: ReadRuntime;
  readonly clock: Clock;
  /** The locality of the proxy itself; undefined where it has none. */
  readonly localKey: string | undefined;
}

type PickerConfig = Extract<PolicyConfig, { type: 'round-robin' | 'least-request' | 'random' }>;
type TableConfig = Extract<PolicyConfig, { type: 'ring-hash' | 'maglev' }>;

function makePicker(policy: PickerConfig, { random, clock, readRuntime }: BalancerContext): HostPicker {
  if (policy.type === 'random') return new RandomHost(random);
  const slowStart = policy.slowStart && new SlowStart(policy.slowStart, clock, readRuntime);
  return policy.type === 'round-robin'
    ? new RoundRobin(random, slowStart)
    : new LeastRequest(random, policy.least, readRuntime, slowStart);
}

/** The statistics of the tables that a policy makes, and the name of their group; undefined where it makes none. */
export function tableStatsOf(policy: PolicyConfig): { readonly part: string; make(): TableStats } | undefined {
  if (policy.type === 'ring-hash') return { part: 'ring_hash_lb', make: () => new RingHashStats() };
  if (policy.type === 'maglev') return { part: 'maglev_lb', make: () => new MaglevStats() };
  return undefined;
}

function tableOf(policy: TableConfig, share: ShareOut, given: TableStats | undefined): HashTable {
  if (policy.type === 'ring-hash') {
    return new HashRing(share, policy.ring, given instanceof RingHashStats ? given : new RingHashStats());
  }
  return new MaglevTable(share, policy.maglev, given instanceof MaglevStats ? given : new MaglevStats());
}

function makeTable(policy: TableConfig, { stats, tableStats }: BalancerContext): (share: ShareOut) => HashTable {
  const { balancePercent } = policy;
  return (share) => {
    const table = tableOf(policy, share, tableStats);
    return balancePercent === 0 ? table : new BoundedLoad(table, share, balancePercent, stats);
  };
}

/** Zone-aware routing as the runtime has it at this moment. */
function zoneAwareNow({ config: { zoneAware }, readRuntime }: BalancerContext): ZoneAwareConfig {
  const forced = readRuntime('upstream.zone_routing.force_local_zone.min_size', 0);
  return {
    ...zoneAware,
    enabledPercent: readRuntime('upstream.zone_routing.enabled', zoneAware.enabledPercent),
    minClusterSize: readRuntime('upstream.zone_routing.min_cluster_size', zoneAware.minClusterSize),
    forceLocalMinHosts: forced > 0 ? forced : zoneAware.forceLocalMinHosts,
  };
}

/** `weighsLocalities`: localities have shares by weight. */
function makePolicy(context: BalancerContext, weighsLocalities: boolean): Balancer {
  const { stats, random, readRuntime } = context;
  const { policy } = context.config;
  const panicPercent = () =>
    Math.min(100, readRuntime('upstream.healthy_panic_threshold', context.config.panicPercent));
  switch (policy.type) {
    case 'ring-hash':
    case 'maglev':
      return new HashBalancer({
        makeTable: makeTable(policy, context),
        panicPercent,
        weighsLocalities,
        stats,
        random,
      });
    case 'round-robin':
    case 'least-request':
    case 'random':
      return new PriorityBalancer({
        makePicker: () => makePicker(policy, context),
        panicPercent,
        weighsLocalities,
        zoneAware: () => zoneAwareNow(context),
        stats,
        random,
      });
    case 'cluster-provided':
      throw new Error('a cluster that provides its own balancer makes it itself');
  }
}

export function makeBalancer(context: BalancerContext): Balancer {
  const { config, localKey, stats } = context;
  const { subsets, weighsLocalities } = config;
  if (!subsets) return makePolicy(context, weighsLocalities);
  return new SubsetBalancer({
    config: subsets,
    makeBalancer: () => makePolicy(context, weighsLocalities && subsets.weighsLocalities),
    localKey,
    stats,
  });
}
