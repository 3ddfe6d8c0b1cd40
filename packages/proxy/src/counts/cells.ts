/**
 * Numbers that limits go by. A proxy with one thread keeps them as they are; one with several keeps them in memory that
 * all of its threads see, so that a limit holds for the process, as Envoy's do.
 */

/** Some numbers, by index: {@link CELLS} of them, whole, all 0 at first. */
export interface Cells {
  get(index: number): number;
  /** Gives what it is from now on. */
  add(index: number, change: number): number;
  /** Gives what it was until now. */
  swap(index: number, value: number): number;
}

/** How many numbers there are of one name. */
export const CELLS = 16;

/** A bucket's point in time; see {@link Counts.instant}. */
export interface Instant {
  /** Milliseconds on a clock that all threads share. */
  nowMs(): number;
  /** As last put; 0 at first. */
  get(): number;
  /** Puts `after` where it still is what {@link get} gave; false, and nothing is changed, where it is not. */
  replace(before: number, after: number): boolean;
}

/** Gives numbers by name: whoever asks for the same name, in whichever thread, gets the same ones. */
export interface Counts {
  cells(name: string): Cells;
  /** Undefined where there is one thread: nobody else would see it. */
  instant(name: string): Instant | undefined;
}

/** Cells of one thread. */
export class OwnCells implements Cells {
  readonly #values: number[] = [0, 0, 0, 0, 0, 0, 0, 0, 0];

  get(index: number): number {
    return this.#values[index] ?? 0;
  }

  add(index: number, change: number): number {
    const value = (this.#values[index] ?? 0) + change;
    this.#values[index] = value;
    return value;
  }

  swap(index: number, value: number): number {
    const before = this.#values[index] ?? 0;
    this.#values[index] = value;
    return before;
  }
}

/** Of a proxy with one thread: whoever asks gets numbers of their own. */
export const OWN_COUNTS: Counts = {
  cells: () => new OwnCells(),
  instant: () => undefined,
};
