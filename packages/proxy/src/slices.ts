/** Long work done a few milliseconds at a time, so that others have their turn in between. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** What comes meanwhile waits for that long at most, apart from what a single step takes. */
const SLICE_MS = 4;

/** Work that may be left after each step, and is gone on with later. */
export type Steps<T> = Generator<void, T, void>;

/** Does all steps, a turn of the event loop after the other. What a step throws is thrown. */
export async function inSlices<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    const end = performance.now() + SLICE_MS;
    do {
      const { done, value } = steps.next();
      if (done) return value;
    } while (performance.now() < end);
    await nextTurn();
  }
}

/** Does all steps at once. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
