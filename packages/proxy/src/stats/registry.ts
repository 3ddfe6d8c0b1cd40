/** All groups of statistics, and what is in them. */
import { CodeCounts, Histogram } from './histogram.ts';
import { NamedValues } from './named.ts';
import { type PlainGroup, plainGroup, withOthers } from './plain.ts';
import { writePrometheus } from './prometheus.ts';
import { isGauge, type Labels, type Sample } from './sample.ts';
import { writeJson, writeText } from './text.ts';

export interface StatGroup {
  /** What stands before each name in `/stats`: `cluster.up.` */
  readonly prefix: string;
  /** What stands before each name for Prometheus, after `envoy_`: `cluster_` */
  readonly metricPrefix: string;
  readonly labels: Labels;
  readonly values: object;
}

/** In names of statistics a colon is written as an underscore. */
export function statName(name: string): string {
  return name.replaceAll(':', '_');
}

/** Envoy makes these when the first one is counted. */
const WHEN_COUNTED = /^upstream_rq_\dxx$/;

function* samplesOf(group: StatGroup): Generator<Sample> {
  const { prefix, metricPrefix, labels } = group;
  for (const [name, value] of Object.entries(group.values)) {
    if (value instanceof Histogram) {
      yield { type: 'histogram', name: prefix + name, metric: metricPrefix + name, labels, histogram: value };
    } else if (value instanceof CodeCounts) {
      // `upstream_rq_200` is the metric `upstream_rq` with the status as label.
      const metric = metricPrefix + name.replace(/_$/, '');
      for (const { code, count } of value.counts) {
        const withCode = { envoy_response_code: String(code), ...labels };
        yield { type: 'counter', name: `${prefix}${name}${code}`, metric, labels: withCode, value: count };
      }
    } else if (value instanceof NamedValues) {
      const { type, label, suffix = '' } = value.options;
      const metric = metricPrefix + name.replace(/\.$/, '') + suffix.replace('.', '_');
      for (const [part, count] of value.values) {
        yield { type, name: prefix + name + part + suffix, metric, labels: { [label]: part, ...labels }, value: count };
      }
    } else if (typeof value === 'number') {
      if (value === 0 && WHEN_COUNTED.test(name)) continue;
      const type = isGauge(name) ? 'gauge' : 'counter';
      yield { type, name: prefix + name, ...metricOf(metricPrefix, name, labels), value };
    }
  }
}

/** `upstream_rq_2xx` is the metric `upstream_rq_xx` with the class as label. */
function metricOf(prefix: string, name: string, labels: Labels): Pick<Sample, 'metric' | 'labels'> {
  const match = /^(.*_)(\d)xx$/.exec(name);
  if (!match) return { metric: prefix + name, labels };
  return { metric: `${prefix}${match[1]}xx`, labels: { envoy_response_code_class: match[2] ?? '', ...labels } };
}

export type StatType = Sample['type'];

export interface StatsFilter {
  /** Names that match, of all; matched anywhere in the name as `/stats` shows it. */
  readonly matching?: RegExp | undefined;
  /** Only what was counted at least once. */
  readonly usedOnly?: boolean;
  /** Only these; undefined: all. */
  readonly types?: readonly StatType[] | undefined;
}

export class StatsRegistry {
  readonly #groups = new Map<string, StatGroup>();
  /** What other threads have counted, as last reported: by prefix, a group for each thread. */
  #others: ReadonlyMap<string, readonly PlainGroup[]> = new Map();
  /** Called before values are read, for gauges that are worked out when asked. */
  readonly #refreshers = new Set<() => void>();
  /** Groups that are only made when somebody asks. */
  readonly #sources = new Set<() => Iterable<StatGroup>>();

  /** Adds a group, and gives what takes it away again. */
  add(group: StatGroup): () => void {
    this.#groups.set(group.prefix, group);
    return () => this.#groups.delete(group.prefix);
  }

  /** The values of the group with that prefix, which several users may share; made by the first. */
  share<T extends object>(prefix: string, metricPrefix: string, labels: Labels, make: () => T): T {
    const known = this.#groups.get(prefix);
    if (known) return known.values as T;
    const values = make();
    this.#groups.set(prefix, { prefix, metricPrefix, labels, values });
    return values;
  }

  /** Takes the group with that prefix away. */
  remove(prefix: string): void {
    this.#groups.delete(prefix);
  }

  /** The values of every group that was added or shared. */
  *values(): Generator<object> {
    for (const { values } of this.#groups.values()) yield values;
  }

  /** Has groups of gauges made whenever values are read, so that nothing is kept of them. */
  addSource(source: () => Iterable<StatGroup>): void {
    this.#sources.add(source);
  }

  *#ownGroups(): Generator<StatGroup> {
    yield* this.#groups.values();
    for (const source of this.#sources) yield* source();
  }

  onRead(refresh: () => void): () => void {
    this.#refreshers.add(refresh);
    return () => this.#refreshers.delete(refresh);
  }

  /** A copy of all groups that can be sent to another thread. */
  plain(): readonly PlainGroup[] {
    for (const refresh of this.#refreshers) refresh();
    return [...this.#ownGroups()].map(plainGroup);
  }

  /** Takes what other threads report, a list of groups for each of them; from now on it is part of what is read. */
  setOthers(reports: readonly (readonly PlainGroup[])[]): void {
    this.#others = Map.groupBy(reports.flat(), ({ prefix }) => prefix);
  }

  *#allGroups(): Generator<StatGroup> {
    const left = new Map(this.#others);
    for (const group of this.#ownGroups()) {
      const others = left.get(group.prefix);
      left.delete(group.prefix);
      yield others ? withOthers(group, others) : group;
    }
    for (const others of left.values()) yield withOthers(undefined, others);
  }

  *#samples({ types, usedOnly, matching }: StatsFilter): Generator<Sample> {
    for (const refresh of this.#refreshers) refresh();
    for (const group of this.#allGroups()) {
      for (const sample of samplesOf(group)) {
        if (types && !types.includes(sample.type)) continue;
        if (usedOnly && (sample.type === 'histogram' ? sample.histogram.count : sample.value) === 0) continue;
        if (matching && sample.name.search(matching) === -1) continue;
        yield sample;
      }
    }
  }

  /** `name: value` lines, sorted: counters and gauges, then histograms, as Envoy lists them. */
  text(filter: StatsFilter = {}): string {
    return writeText(this.#samples(filter));
  }

  /** The same as JSON: `{"stats": [{"name", "value"}]}`. */
  json(filter: StatsFilter = {}): object {
    return writeJson(this.#samples(filter));
  }

  /** Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats). */
  prometheus(filter: StatsFilter = {}): string {
    return writePrometheus(this.#samples(filter));
  }

  /** Sets every counter to zero; gauges and histograms stay, as Envoy's do. */
  resetCounters(): void {
    for (const { values } of this.#groups.values()) {
      for (const [name, value] of Object.entries(values)) {
        if (value instanceof CodeCounts || value instanceof NamedValues) value.reset();
        else if (typeof value === 'number' && !isGauge(name)) Object.assign(values, { [name]: 0 });
      }
    }
  }
}
