/**
 * Labels that the configuration takes from names of statistics, beside those that there are anyway
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/metrics/v3/stats.proto).
 */
import type { Labels, StatGroup } from './sample.ts';

export type StatTag =
  | { readonly type: 'fixed'; readonly label: string; readonly value: string }
  /** What the first group of the expression finds leaves the metric's name; the value is the second group, or the first. */
  | { readonly type: 'found'; readonly label: string; readonly find: RegExp };

/** Some values of a group, with what becomes of the names of their metrics. */
interface Part {
  readonly names: readonly string[];
  readonly metricPrefix: string;
  readonly labels: Labels;
}

interface Parted {
  readonly count: number;
  readonly parts: readonly Part[];
}

/** So many groups are remembered; clusters that are long gone are not for ever. */
const MAX_REMEMBERED = 50_000;

const worded = (text: string): string => text.replaceAll(/[^a-zA-Z0-9_]/g, '_');

/** What of a prefix the labels stand for that there are anyway. */
function takenBy(labels: Labels, prefix: string): boolean[] {
  const taken = new Array<boolean>(prefix.length).fill(false);
  for (const value of Object.values(labels)) {
    const part = `${value}.`;
    let at = prefix.indexOf(part);
    while (at > 0 && (prefix[at - 1] !== '.' || taken[at])) at = prefix.indexOf(part, at + 1);
    if (at !== -1) taken.fill(true, at, at + part.length);
  }
  return taken;
}

function left(prefix: string, taken: readonly boolean[]): string {
  return Array.from(taken, (isTaken, at) => (isTaken ? '' : prefix[at])).join('');
}

export class StatTags {
  readonly #fixed: Labels;
  readonly #found: readonly Extract<StatTag, { type: 'found' }>[];
  readonly #known = new Map<string, Parted>();

  constructor(tags: readonly StatTag[]) {
    this.#fixed = Object.fromEntries(
      tags.flatMap((tag) => (tag.type === 'fixed' ? [[worded(tag.label), tag.value]] : [])),
    );
    this.#found = tags.filter((tag) => tag.type === 'found');
  }

  /** The same values, in groups whose metrics have the names and labels that the tags give them. */
  *apply(groups: Iterable<StatGroup>): Generator<StatGroup, void> {
    for (const group of groups) {
      const count = Object.keys(group.values).length;
      let parted = this.#known.get(group.prefix);
      if (parted?.count !== count) {
        parted = { count, parts: this.#partsOf(group) };
        if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
        this.#known.set(group.prefix, parted);
      }
      const { prefix, values } = group;
      for (const { names, metricPrefix, labels } of parted.parts) {
        const own =
          names.length === count ? values : Object.fromEntries(names.map((name) => [name, Reflect.get(values, name)]));
        yield { prefix, metricPrefix, labels, values: own };
      }
    }
  }

  #partsOf(group: StatGroup): readonly Part[] {
    const parts = new Map<string, Part & { readonly names: string[] }>();
    for (const name of Object.keys(group.values)) {
      const { metricPrefix, labels } = this.#tagged(group, name);
      const key = JSON.stringify([metricPrefix, labels]);
      const part = parts.get(key) ?? { names: [], metricPrefix, labels };
      parts.set(key, part);
      part.names.push(name);
    }
    return [...parts.values()];
  }

  #tagged({ prefix, metricPrefix, labels }: StatGroup, name: string): Pick<Part, 'metricPrefix' | 'labels'> {
    const added: Record<string, string> = {};
    const taken = takenBy(labels, prefix);
    const isKnown = worded(left(prefix, taken)) === worded(metricPrefix);
    for (const { label, find } of this.#found) {
      const match = find.exec(prefix + name);
      const [from, to] = match?.indices?.[1] ?? [];
      if (!match || from === undefined || to === undefined) continue;
      added[worded(label)] = match[2] ?? match[1] ?? '';
      // What a name itself loses would make it another statistic's.
      if (to <= prefix.length) taken.fill(true, from, to);
    }
    const isLess = isKnown && Object.keys(added).length > 0;
    return {
      metricPrefix: isLess ? left(prefix, taken) : metricPrefix,
      labels: { ...labels, ...added, ...this.#fixed },
    };
  }
}
