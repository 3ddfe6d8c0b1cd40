/** The registry as this instance knows it: a live copy of `states.workloads`. */
import type { Entry, StateEvent } from '@weft/bus';
import type { Health, Workload } from '@weft/contracts/bus';

/** The key of a workload in the registry: `<namespace>/<workload id>`. */
export function workloadKey(namespace: string, id: string): string {
  return `${namespace}/${id}`;
}

export class LiveWorkloads {
  readonly #entries = new Map<string, Entry<Workload>>();
  #revision = 0;

  /** The newest revision of the registry that this instance knows of. */
  get revision(): number {
    return this.#revision;
  }

  get(key: string): Entry<Workload> | undefined {
    return this.#entries.get(key);
  }

  keys(): Iterable<string> {
    return this.#entries.keys();
  }

  /** How many workloads an identity has in the registry. */
  countOf(spiffeId: string): number {
    let count = 0;
    for (const { value } of this.#entries.values()) if (value.spiffeId === spiffeId) count++;
    return count;
  }

  byHealth(): ReadonlyMap<Health, number> {
    const counts = new Map<Health, number>();
    for (const { value } of this.#entries.values()) counts.set(value.health, (counts.get(value.health) ?? 0) + 1);
    return counts;
  }

  /** Takes in what a watch told, or what this instance has just written. What is older than what is known is left. */
  observe(event: StateEvent<Workload>): void {
    this.#revision = Math.max(this.#revision, event.revision);
    if (event.type === 'synced') return;
    const known = this.#entries.get(event.key);
    if (known && known.revision > event.revision) return;
    if (event.type === 'put') {
      this.#entries.set(event.key, { key: event.key, value: event.value, revision: event.revision });
    } else this.#entries.delete(event.key);
  }
}
