/** Heartbeats between the instances of discovery: each tells the others whom it heard, gathered. */
import type { Bus } from '@weft/bus';
import { events } from '@weft/contracts/bus';

/** How many workloads one event names at most, so that it stays far under the bus's limit of a message. */
const BATCH = 5000;

export class Gossip {
  readonly #bus: Bus;
  readonly #instance: string;
  readonly #pending = new Set<string>();

  constructor(bus: Bus, instance: string) {
    this.#bus = bus;
    this.#instance = instance;
  }

  /** Notes a workload for the next `flush`. */
  heard(key: string): void {
    this.#pending.add(key);
  }

  /** Tells the other instances, if there is something to tell. */
  flush(): void {
    const keys = [...this.#pending];
    this.#pending.clear();
    for (let from = 0; from < keys.length; from += BATCH) {
      this.#bus.publish(events.heartbeats, { instance: this.#instance, workloadIds: keys.slice(from, from + BATCH) });
    }
  }

  /** Calls `listener` with each workload that another instance heard, until `signal` aborts. */
  async listen(listener: (key: string) => void, signal: AbortSignal): Promise<void> {
    await this.#bus.subscribe(
      events.heartbeats,
      ({ instance, workloadIds }) => {
        if (instance !== this.#instance) for (const key of workloadIds) listener(key);
      },
      signal,
    );
  }
}
