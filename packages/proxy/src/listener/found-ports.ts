/**
 * Ports that were found for addresses of port 0, where several threads listen: the first thread binds and tells, the others
 * bind what it has found.
 */
import type { Clock } from '../clock.ts';
import { CELLS, type Cells, type Counts, OWN_COUNTS } from '../counts/cells.ts';

const POLL_MS = 5;
/** An address that the first thread cannot have either is not waited for any longer. */
const WAIT_MS = 10_000;

export class FoundPorts {
  readonly #counts: Counts;
  readonly #clock: Clock;
  /** By listener; numbers live as long as somebody holds them. */
  readonly #cells = new Map<string, Cells>();

  constructor(counts: Counts | undefined, clock: Clock) {
    this.#counts = counts ?? OWN_COUNTS;
    this.#clock = clock;
  }

  #of(listener: string): Cells {
    const known = this.#cells.get(listener);
    if (known) return known;
    const cells = this.#counts.cells(`port/${listener}`);
    this.#cells.set(listener, cells);
    return cells;
  }

  /** Tells the other threads the ports of a listener's addresses, in their order; 0: it is not one that was found. */
  tell(listener: string, ports: readonly number[]): void {
    const cells = this.#of(listener);
    for (let index = 0; index < CELLS; index++) cells.swap(index, ports[index] ?? 0);
  }

  /** The port of one of them; undefined where none was told in time. */
  async find(listener: string, index: number): Promise<number | undefined> {
    if (index >= CELLS) return undefined;
    const cells = this.#of(listener);
    const endMs = this.#clock.monotonicMs() + WAIT_MS;
    while (this.#clock.monotonicMs() < endMs) {
      const port = cells.get(index);
      if (port !== 0) return port;
      await new Promise<void>((resolve) => this.#clock.after(POLL_MS, resolve));
    }
    return undefined;
  }

  /** The listener is gone: what was found for it holds no more. */
  forget(listener: string): void {
    if (!this.#cells.has(listener)) return;
    this.tell(listener, []);
    this.#cells.delete(listener);
  }
}
