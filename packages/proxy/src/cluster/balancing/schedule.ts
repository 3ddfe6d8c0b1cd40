/** Earliest deadline first: each item comes in proportion to its weight, spread out evenly. */
import type { Random } from '../balancer.ts';

export class Schedule<T> {
  readonly #items: readonly T[];
  readonly #weightOf: (item: T) => number;
  /** A heap of places in `#items`, the one with the least deadline first. */
  readonly #heap: Uint32Array;
  readonly #deadlines: Float64Array;

  /** `weightOf` is asked again at each turn; it must be more than 0. */
  constructor(items: readonly T[], weightOf: (item: T) => number, random: Random) {
    this.#items = items;
    this.#weightOf = weightOf;
    this.#heap = Uint32Array.from(items, (_, i) => i);
    // Items start at different points of their period, so that proxies do not all begin with the same one.
    this.#deadlines = Float64Array.from(items, (item) => random() / weightOf(item));
    for (let at = (items.length >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  /** The item whose turn it is; undefined where there is none at all. */
  next(): T | undefined {
    const index = this.#heap[0];
    if (index === undefined) return undefined;
    const item = this.#items[index] as T;
    this.#deadlines[index] = (this.#deadlines[index] as number) + 1 / this.#weightOf(item);
    this.#sink(0);
    return item;
  }

  #sink(start: number): void {
    const heap = this.#heap;
    const deadlines = this.#deadlines;
    const index = heap[start] as number;
    const deadline = deadlines[index] as number;
    const { length } = heap;
    let at = start;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      let least = deadlines[heap[child] as number] as number;
      if (child + 1 < length) {
        const other = deadlines[heap[child + 1] as number] as number;
        if (other < least) {
          least = other;
          child++;
        }
      }
      if (least >= deadline) break;
      heap[at] = heap[child] as number;
      at = child;
    }
    heap[at] = index;
  }
}
