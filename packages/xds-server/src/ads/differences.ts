/** Which resources differ between two snapshots; what proxies share is compared once for all of them. */
import { type Resources, SERVED_TYPES, type ServedType } from '../snapshot/resource.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';

const NONE: readonly string[] = Object.freeze([]);

function differ(before: Resources, after: Resources): readonly string[] {
  const names: string[] = [];
  for (const [name, resource] of after) if (before.get(name)?.version !== resource.version) names.push(name);
  for (const name of before.keys()) if (!after.has(name)) names.push(name);
  return names;
}

export class Differences {
  readonly #shared = new WeakMap<Resources, WeakMap<Resources, readonly string[]>>();

  /** The names of what is new, changed or gone, by type. */
  between(before: Snapshot, after: Snapshot): { readonly [T in ServedType]: readonly string[] } {
    const names = (type: ServedType): readonly string[] => {
      const [from, to] = [before.sets[type], after.sets[type]];
      const shared = this.#ofShared(from.shared, to.shared);
      const own = from.own === to.own ? NONE : differ(from.own, to.own);
      return own.length === 0 ? shared : [...shared, ...own];
    };
    const [cluster = NONE, endpoint = NONE, listener = NONE, route = NONE] = SERVED_TYPES.map(names);
    return { cluster, endpoint, listener, route };
  }

  #ofShared(before: Resources, after: Resources): readonly string[] {
    if (before === after) return NONE;
    let of = this.#shared.get(before);
    if (!of) {
      of = new WeakMap();
      this.#shared.set(before, of);
    }
    let names = of.get(after);
    if (!names) {
      names = differ(before, after);
      of.set(after, names);
    }
    return names;
  }
}
