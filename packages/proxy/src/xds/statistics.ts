/** The statistics of subscriptions, where Envoy keeps them. */
import type { ResourceType } from '@weft/envoy-api';
import { SubscriptionStats } from '../stats/groups.ts';
import { type StatsRegistry, statName } from '../stats/registry.ts';

/** Those of a whole type; load assignments are counted with their clusters, routes with nothing yet. */
const OF_TYPE = {
  cluster: 'cluster_manager.cds.',
  endpoint: undefined,
  listener: 'listener_manager.lds.',
  route: undefined,
  secret: undefined,
  runtime: 'runtime.',
} as const satisfies { readonly [T in ResourceType]: string | undefined };

/** Counts that no answer came in time to who asked for all of a type. */
export function countTimeout(stats: StatsRegistry, type: 'cluster' | 'listener'): void {
  share(stats, OF_TYPE[type]).init_fetch_timeout++;
}

function share(stats: StatsRegistry, prefix: string): SubscriptionStats {
  return stats.share(prefix, prefix.replaceAll('.', '_'), {}, () => new SubscriptionStats());
}

/** A number that is the same for the same version, and of different ones hardly ever: FNV-1a, 32 bits. */
export function versionNumber(version: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(version)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** What is counted of the subscriptions of one type. */
export class SubscriptionCounts {
  readonly #stats: StatsRegistry;
  readonly #type: ResourceType;
  readonly #countsBegin: boolean;

  /** `countsBegin`: whether to ask is an attempt by itself, as of servers; a file is read, and that is all. */
  constructor(stats: StatsRegistry, type: ResourceType, countsBegin = true) {
    this.#stats = stats;
    this.#type = type;
    this.#countsBegin = countsBegin;
  }

  #all(): SubscriptionStats | undefined {
    const prefix = OF_TYPE[this.#type];
    return prefix === undefined ? undefined : share(this.#stats, prefix);
  }

  #one(name: string): SubscriptionStats | undefined {
    if (this.#type !== 'secret') return undefined;
    const resource = statName(name);
    const labels = { envoy_xds_resource_name: resource };
    return this.#stats.share(`sds.${resource}.`, 'sds_', labels, () => new SubscriptionStats());
  }

  /** A subscription began. */
  began(name: string | undefined): void {
    const stats = name === undefined || this.#type === 'runtime' ? this.#all() : this.#one(name);
    if (stats && this.#countsBegin) stats.update_attempt++;
  }

  /** Nobody wants that name any more. */
  ended(name: string): void {
    if (this.#type === 'secret') this.#stats.remove(`sds.${statName(name)}.`);
  }

  /** One response was dealt with. */
  answered(version: string, isRefused: boolean, nowMs: number): void {
    const stats = this.#all();
    if (stats) count(stats, version, isRefused, nowMs);
  }

  /** One resource was dealt with. */
  resource(name: string, version: string, isRefused: boolean, nowMs: number): void {
    const stats = this.#one(name);
    if (stats) count(stats, version, isRefused, nowMs);
  }

  /** The stream broke. */
  failed(names: Iterable<string>): void {
    const all = this.#all();
    if (all) countFailure(all);
    if (this.#type !== 'secret') return;
    for (const name of names) countFailure(share(this.#stats, `sds.${statName(name)}.`));
  }
}

function count(stats: SubscriptionStats, version: string, isRefused: boolean, nowMs: number): void {
  stats.update_attempt++;
  if (isRefused) {
    stats.update_rejected++;
    return;
  }
  stats.update_success++;
  stats.update_time = nowMs;
  stats.version = versionNumber(version);
}

function countFailure(stats: SubscriptionStats): void {
  stats.update_attempt++;
  stats.update_failure++;
}
