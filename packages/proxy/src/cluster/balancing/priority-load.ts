/**
 * Which share of the load each priority gets, by the health of all of them
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/upstream/load_balancing/priority and panic_threshold
 * beside it).
 */
import type { HostSet } from './host-sets.ts';

export interface PriorityLoad {
  /** Percent of the load that healthy hosts of each priority get. */
  readonly healthy: readonly number[];
  /** The same for degraded hosts. All together are 100. */
  readonly degraded: readonly number[];
  /** Whether a priority has so few hosts left that all of them are taken, whatever their health. */
  readonly panic: readonly boolean[];
}

/** Health in percent of each priority. */
export interface Availability {
  readonly healthy: readonly number[];
  readonly degraded: readonly number[];
}

const sum = (list: readonly number[]): number => list.reduce((total, value) => total + value, 0);

/** As much of the load to each priority as it can take, the first ones first; the rest is given back. */
function distribute(percents: readonly number[], load: number, total: number): [shares: number[], rest: number] {
  let left = load;
  const shares = percents.map((percent) => {
    const share = Math.min(left, Math.floor((percent * 100) / total));
    left -= share;
    return share;
  });
  return [shares, left];
}

/** Shares that add up to 100; undefined where nobody is available. */
export function loadByHealth({
  healthy,
  degraded,
}: Availability): Pick<PriorityLoad, 'healthy' | 'degraded'> | undefined {
  const available = Math.min(100, sum(healthy) + sum(degraded));
  if (available === 0) return undefined;
  const [toHealthy, rest] = distribute(healthy, 100, available);
  const [toDegraded, rounding] = distribute(degraded, rest, available);
  if (rounding > 0) {
    // What rounding left over goes to the first one that is there.
    const first = healthy.findIndex((percent) => percent > 0);
    const shares = first === -1 ? toDegraded : toHealthy;
    const index = first === -1 ? degraded.findIndex((percent) => percent > 0) : first;
    shares[index] = (shares[index] ?? 0) + rounding;
  }
  return { healthy: toHealthy, degraded: toDegraded };
}

/** Whether fewer hosts than `thresholdPercent` are left that may take requests. */
export function isInPanic({ hosts, healthy, degraded, excluded }: HostSet, thresholdPercent: number): boolean {
  const count = hosts.length - excluded;
  const percent = count === 0 ? 0 : (100 * (healthy.length + degraded.length)) / count;
  return percent < thresholdPercent;
}

/** Where every priority is in panic, each gets as much as it has hosts. */
function loadByCount(sets: readonly HostSet[]): readonly number[] {
  const total = sets.reduce((count, { hosts }) => count + hosts.length, 0);
  if (total === 0) return sets.map((_, i) => (i === 0 ? 100 : 0));
  const shares = sets.map(({ hosts }) => Math.floor((100 * hosts.length) / total));
  const first = sets.findIndex(({ hosts }) => hosts.length > 0);
  shares[first] = (shares[first] ?? 0) + 100 - sum(shares);
  return shares;
}

export function availabilityOf(sets: readonly HostSet[]): Availability {
  return {
    healthy: sets.map(({ healthyPercent }) => healthyPercent),
    degraded: sets.map(({ degradedPercent }) => degradedPercent),
  };
}

/** `panicPercent`: a priority with a smaller share of hosts that are not unhealthy may be in panic; 0: none ever is. */
export function priorityLoad(sets: readonly HostSet[], panicPercent: number): PriorityLoad {
  const availability = availabilityOf(sets);
  const none = sets.map(() => 0);
  const load = loadByHealth(availability);
  if (!load && panicPercent === 0) {
    return { healthy: none.map((_, i) => (i === 0 ? 100 : 0)), degraded: none, panic: sets.map(() => false) };
  }
  const isEnough = sum(availability.healthy) + sum(availability.degraded) >= 100;
  const panic = sets.map((set) => !isEnough && isInPanic(set, panicPercent));
  if (!load || panic.every(Boolean)) return { healthy: loadByCount(sets), degraded: none, panic };
  return { ...load, panic };
}

/** The priority for a point from 0 to 99: its number, or `-1 - number` where its degraded hosts are meant. */
export function choosePriority({ healthy, degraded }: PriorityLoad, point: number): number {
  let passed = 0;
  for (let i = 0; i < healthy.length; i++) {
    passed += healthy[i] as number;
    if (point < passed) return i;
  }
  for (let i = 0; i < degraded.length; i++) {
    passed += degraded[i] as number;
    if (point < passed) return -1 - i;
  }
  return 0;
}
