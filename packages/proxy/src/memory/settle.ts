/** The end of a start: what it needed and serving does not is given back. */
import { exposeCollection } from './collect.ts';
import { giveBackPages } from './pages.ts';

/**
 * Collects what starting left behind, shrinks the heap to what is in use, and gives pages back to the system. Takes some
 * 30 ms of a small proxy, and is done once, as it becomes ready.
 */
export async function settle(): Promise<void> {
  exposeCollection()({ type: 'major', flavor: 'last-resort', execution: 'sync' });
  await giveBackPages();
}
