/** All groups of statistics, and what is in them. */
import { CodeCounts } from './histogram.ts';
import { NamedValues } from './named.ts';
import { type PlainGroup, plainGroup, withOthers } from './plain.ts';
import { writePrometheus } from './prometheus.ts';
import { type Admits, GROUPS_AT_ONCE, isGauge, type Labels, type StatGroup, type StatType } from './sample.ts';
import type { StatTags } from './tags.ts';
import { writeJson, writeText } from './text.ts';

export type { StatGroup, StatType } from './sample.ts';

/** In names of statistics a colon is written as an underscore. */
export function statName(name: string): string {
  return name.replaceAll(':', '_');
}

/** In which form values are written. */
export type StatsForm = 'text' | 'json' | 'prometheus';

export interface StatsFilter {
  /** Names that match, of all; matched anywhere in the name as `/stats` shows it. */
  readonly matching?: RegExp | undefined;
  /** Only what was counted at least once. */
  readonly usedOnly?: boolean;
  /** Only these; undefined: all. */
  readonly types?: readonly StatType[] | undefined;
}

const WRITERS: {
  readonly [form in StatsForm]: (groups: Iterable<StatGroup>, admits: Admits) => Generator<string, void>;
} = { text: writeText, json: writeJson, prometheus: writePrometheus };

function admitting({ types, usedOnly, matching }: StatsFilter): Admits {
  return (sample) => {
    if (types && !types.includes(sample.type)) return false;
    if (usedOnly && (sample.type === 'histogram' ? sample.histogram.count : sample.value) === 0) return false;
    return !matching || sample.name.search(matching) !== -1;
  };
}

/** What the configuration makes of statistics when they are told. */
export interface StatsTelling {
  /** Further labels for Prometheus. */
  readonly tags?: StatTags | undefined;
  /** Whether a statistic of that name is told; absent: all are. */
  readonly tells?: ((name: string) => boolean) | undefined;
}

export class StatsRegistry {
  readonly #telling: StatsTelling;
  readonly #groups = new Map<string, StatGroup>();
  /** What other threads have counted, as last reported: by prefix, a group for each thread. */
  #others: ReadonlyMap<string, readonly PlainGroup[]> = new Map();
  /** Called before values are read, for gauges that are worked out when asked. */
  readonly #refreshers = new Set<() => void>();
  /** Groups that are only made when somebody asks. */
  readonly #sources = new Set<() => Iterable<StatGroup>>();

  constructor(telling: StatsTelling = {}) {
    this.#telling = telling;
  }

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
    return [...this.plainParts()].flat();
  }

  /** The same, some groups at a time. */
  *plainParts(): Generator<readonly PlainGroup[], void> {
    for (const refresh of this.#refreshers) refresh();
    let part: PlainGroup[] = [];
    for (const group of this.#ownGroups()) {
      part.push(plainGroup(group));
      if (part.length < GROUPS_AT_ONCE) continue;
      yield part;
      part = [];
    }
    yield part;
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

  /**
   * The text of all values that a filter lets through, a piece at a time, which may be empty: of ten thousand clusters it
   * is some 100 MB. `text`: lines of `name: value`, sorted, counters and gauges, then histograms, as Envoy lists them.
   * `json`: the same as `{"stats": [{"name", "value"}]}`. `prometheus`: that format's
   * (https://prometheus.io/docs/instrumenting/exposition_formats).
   */
  *write(form: StatsForm, filter: StatsFilter = {}): Generator<string, void> {
    for (const refresh of this.#refreshers) refresh();
    const { tags, tells } = this.#telling;
    const groups = this.#allGroups();
    const admits = admitting(filter);
    yield* WRITERS[form](
      tags && form === 'prometheus' ? tags.apply(groups) : groups,
      tells ? (sample) => tells(sample.name) && admits(sample) : admits,
    );
  }

  /** All of {@link write}, at once. */
  text(filter: StatsFilter = {}): string {
    return [...this.write('text', filter)].join('');
  }

  json(filter: StatsFilter = {}): object {
    return JSON.parse([...this.write('json', filter)].join(''));
  }

  prometheus(filter: StatsFilter = {}): string {
    return [...this.write('prometheus', filter)].join('');
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
