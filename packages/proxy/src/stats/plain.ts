/** Groups of statistics as plain values that can go from one thread to another, and their sum over threads. */
import { CodeCounts, Histogram } from './histogram.ts';
import { NamedValues, type PlainNamed } from './named.ts';
import type { Labels, StatGroup } from './sample.ts';

type PlainValue =
  | number
  | { readonly type: 'histogram'; readonly count: number; readonly sum: number; readonly buckets: readonly number[] }
  | PlainNamed
  | { readonly type: 'codes'; readonly counts: readonly { readonly code: number; readonly count: number }[] };

export interface PlainGroup {
  readonly prefix: string;
  readonly metricPrefix: string;
  readonly labels: Labels;
  readonly values: Readonly<Record<string, PlainValue>>;
}

/** A copy that can be sent to another thread. */
export function plainGroup({ prefix, metricPrefix, labels, values }: StatGroup): PlainGroup {
  const plain: Record<string, PlainValue> = {};
  for (const [name, value] of Object.entries(values)) {
    if (typeof value === 'number') plain[name] = value;
    else if (value instanceof Histogram) plain[name] = value.plain();
    else if (value instanceof CodeCounts)
      plain[name] = { type: 'codes', counts: value.counts.map((entry) => ({ ...entry })) };
    else if (value instanceof NamedValues) plain[name] = value.plain();
  }
  return { prefix, metricPrefix, labels: { ...labels }, values: plain };
}

/**
 * Groups in which the main thread's word counts: what it alone does (it alone talks to the control plane, checks hosts
 * and ejects them), what threads count together already (limits), and what each thread has alike (tables of hashes).
 */
const OF_THE_PROCESS =
  /^(?:server|control_plane|cluster_manager|listener_manager|runtime)\.|^cluster\..*\.(?:circuit_breakers\.\w+|health_check|maglev_lb|outlier_detection|ring_hash_lb)\.$/;
/** What follows from the configuration, which each thread has as a whole. */
const OF_CONFIGURATION =
  /^(?:assignment_\w+|config_reload|lb_recalculate_zone_structures|lb_subsets_(?:active|created|removed)|max_host_weight|membership_\w+|total_match_count|update_\w+|version)$/;
/** Envoy counts these for each worker that took a listener, or could not. */
const OF_WORKERS = /^listener_create_/;

/** Whether the values of several threads add up, counters as well as what is under way at the moment. */
function addsUp(prefix: string, name: string): boolean {
  if (OF_THE_PROCESS.test(prefix)) return prefix === 'listener_manager.' && OF_WORKERS.test(name);
  return !OF_CONFIGURATION.test(name);
}

/** The group of the main thread, or an empty one in its place, with what the other threads have added. */
export function withOthers(own: StatGroup | undefined, others: readonly PlainGroup[]): StatGroup {
  const first = own ?? (others[0] as PlainGroup);
  const values: Record<string, unknown> = own ? { ...own.values } : {};
  for (const other of others) {
    for (const [name, value] of Object.entries(other.values)) {
      const before = values[name];
      if (typeof value === 'number') {
        if (before === undefined || addsUp(first.prefix, name))
          values[name] = value + (typeof before === 'number' ? before : 0);
      } else if (value.type === 'histogram') {
        values[name] = Histogram.sum(before instanceof Histogram ? before : undefined, value);
      } else if (value.type !== 'codes') {
        values[name] = NamedValues.sum(before instanceof NamedValues ? before : undefined, value);
      } else values[name] = CodeCounts.sum(before instanceof CodeCounts ? before : undefined, value.counts);
    }
  }
  return { prefix: first.prefix, metricPrefix: first.metricPrefix, labels: first.labels, values };
}
