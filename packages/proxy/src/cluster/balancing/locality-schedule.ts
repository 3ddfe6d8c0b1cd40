/**
 * Localities by their weights and by how much of them is available
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/upstream/load_balancing/locality_weight).
 */
import type { Random } from '../balancer.ts';
import type { HostSet, LocalityHosts } from './host-sets.ts';
import { Schedule } from './schedule.ts';

export interface WeightedLocality {
  /** Its place in the set. */
  readonly index: number;
  readonly weight: number;
}

function effectiveWeight(
  locality: LocalityHosts,
  kind: 'healthy' | 'degraded',
  overprovisioningPercent: number,
): number {
  const count = locality.hosts.length - locality.excluded;
  if (count === 0) return 0;
  return locality.weight * Math.min(1, ((overprovisioningPercent / 100) * locality[kind].length) / count);
}

/** Gives places in `set.localities`; undefined where no locality has both a weight and a host of that kind. */
export function localitySchedule(
  set: HostSet,
  kind: 'healthy' | 'degraded',
  random: Random,
): Schedule<WeightedLocality> | undefined {
  const weighted = set.localities
    .map((locality, index) => ({ index, weight: effectiveWeight(locality, kind, set.policy.overprovisioningPercent) }))
    .filter(({ weight }) => weight > 0);
  return weighted.length === 0 ? undefined : new Schedule(weighted, ({ weight }) => weight, random);
}
