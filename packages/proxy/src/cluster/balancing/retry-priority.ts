/**
 * Retries go to priorities that were not tried yet (`envoy.retry_priorities.previous_priorities`): after every so many
 * attempts those that were get no load, until no other is left.
 */
import type { Host } from '../host.ts';
import type { HostSet } from './host-sets.ts';
import { availabilityOf, loadByHealth, type PriorityLoad } from './priority-load.ts';

export class PreviousPriorities {
  readonly #updateFrequency: number;
  #attempted: Host[] = [];
  #load: Pick<PriorityLoad, 'healthy' | 'degraded'> | undefined;

  /** `updateFrequency`: after how many attempts, again and again, it is looked at what was tried. */
  constructor(updateFrequency: number) {
    this.#updateFrequency = updateFrequency;
  }

  attempted(host: Host): void {
    this.#attempted.push(host);
  }

  /** The load for the next attempt, in place of that for all requests. */
  priorityLoad(load: PriorityLoad, sets: readonly HostSet[]): PriorityLoad {
    const { length } = this.#attempted;
    if (length < this.#updateFrequency) return this.#load ? { ...load, ...this.#load } : load;
    if (length % this.#updateFrequency === 0) this.#load = this.#withoutTried(sets);
    return this.#load ? { ...load, ...this.#load } : load;
  }

  #withoutTried(sets: readonly HostSet[]): Pick<PriorityLoad, 'healthy' | 'degraded'> | undefined {
    const tried = new Set(this.#attempted.map(({ endpoint }) => endpoint.priority));
    const { healthy, degraded } = availabilityOf(sets);
    const left = (percents: readonly number[]): number[] => percents.map((percent, i) => (tried.has(i) ? 0 : percent));
    const load = loadByHealth({ healthy: left(healthy), degraded: left(degraded) });
    if (load) return load;
    // All were tried: it begins again.
    this.#attempted = [];
    return loadByHealth({ healthy, degraded });
  }
}
