/** V8's garbage collector on demand, for the few moments at which the proxy knows better than V8 when to run it. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export interface CollectOptions {
  /** `minor`: what is young alone, in less than a millisecond. `major`: everything. */
  readonly type: 'minor' | 'major';
  /** `last-resort`: collects until nothing more is found, and gives back what the heap had grown by. */
  readonly flavor?: 'regular' | 'last-resort';
  readonly execution?: 'sync';
}

export type Collect = (options: CollectOptions) => void;

const TRIES = 100;

/**
 * V8's own `gc`, which programs see only when that is asked for. The flag is taken back at once: what V8 keeps of
 * compiled code on disk is valid for one set of flags.
 */
export function exposeCollection(): Collect {
  for (let tries = 1; ; tries++) {
    setFlagsFromString('--expose-gc');
    try {
      return runInNewContext('gc') as Collect;
    } catch (thrown) {
      // Flags are those of the process: another thread has taken it back meanwhile.
      if (tries === TRIES) throw thrown;
    } finally {
      setFlagsFromString('--no-expose-gc');
    }
  }
}
