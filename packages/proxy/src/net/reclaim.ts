/**
 * Keeps down what large bodies leave behind. Each read gives a buffer outside the heap, and V8 comes to collect those
 * that were sent on only when some 64 MiB of them have gathered, however little is in use. A collection of the young
 * generation alone frees them in less than a millisecond.
 */
import { type Collect, exposeCollection } from '../memory/collect.ts';

/** Buffers of so many bytes may gather. */
const RECLAIM_BYTES = 8 * 1024 * 1024;

export class Reclaim {
  #bytes = 0;
  #collect: Collect | undefined;

  /** So many bytes of a body were passed on. */
  moved(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < RECLAIM_BYTES) return;
    this.#bytes = 0;
    this.#collect ??= exposeCollection();
    this.#collect({ type: 'minor' });
  }
}
