/** The end of a start: what it needed and serving does not is given back. */
import { setFlagsFromString } from 'node:v8';
import { exposeCollection } from './collect.ts';
import { giveBackPages } from './pages.ts';

/**
 * By how much the heap may grow from what is in use before it is collected. V8 lets small heaps grow to several times
 * that; what a proxy makes for long is little, and so is the time to look through it.
 */
const GROWTH_PERCENT = 40;

/**
 * Collects what starting left behind, shrinks the heap to what is in use, and gives pages back to the system. Takes some
 * 30 ms of a small proxy, and is done once, as it becomes ready.
 */
export async function settle(): Promise<void> {
  exposeCollection()({ type: 'major', flavor: 'last-resort', execution: 'sync' });
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
  await giveBackPages();
}
