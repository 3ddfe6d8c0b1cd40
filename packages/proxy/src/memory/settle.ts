/** The end of a start: what it needed and serving does not is given back. */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { exposeCollection } from './collect.ts';
import { giveBackPages } from './pages.ts';

/**
 * By how much the heap may grow from what is in use before it is collected. V8 lets small heaps grow to several times
 * that; what a proxy makes for long is little, and so is the time to look through it.
 */
const GROWTH_PERCENT = 40;

/** What a heap of more than this holds is configuration, and looking through it would keep the first requests waiting. */
const MAX_COLLECTED_BYTES = 64 * 1024 * 1024;

/**
 * Collects what starting left behind, shrinks the heap to what is in use, and gives pages back to the system. Takes some
 * 40 ms, and is done once, as the proxy becomes ready.
 */
export async function settle(): Promise<void> {
  if (getHeapStatistics().used_heap_size <= MAX_COLLECTED_BYTES) {
    exposeCollection()({ type: 'major', flavor: 'last-resort', execution: 'sync' });
  }
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
  await giveBackPages();
}
