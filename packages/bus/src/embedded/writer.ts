/**
 * Writes what is asked for in one turn of the event loop as one transaction, so that many writers share one wait for
 * the disk. A write is acknowledged when the transaction is durable.
 */
import { toWeftError, WeftError } from '@weft/contracts/error';
import { closedError } from '../checks.ts';
import type { BusFile } from './file.ts';

/** One write: what it does inside the transaction, and what follows when that is durable. */
interface Waiting {
  readonly apply: () => number;
  readonly committed: (result: number) => void;
  readonly resolve: (result: number) => void;
  readonly reject: (error: WeftError) => void;
}

type Outcome =
  | { readonly type: 'done'; readonly result: number }
  | { readonly type: 'refused'; readonly error: WeftError };

function settle(waiting: Waiting, outcome: Outcome): void {
  if (outcome.type === 'refused') {
    waiting.reject(outcome.error);
    return;
  }
  waiting.committed(outcome.result);
  waiting.resolve(outcome.result);
}

export class Writer {
  readonly #file: BusFile;
  #waiting: Waiting[] = [];
  #immediate: NodeJS.Immediate | undefined;
  #isClosed = false;
  /** Why the last transaction failed; undefined after one that did not. */
  #trouble: string | undefined;

  constructor(file: BusFile) {
    this.#file = file;
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  /**
   * Runs `apply` in the next transaction, in the order of the calls, and gives what it gives once that is durable;
   * `committed` is called just before, in the same order. ABORTED that `apply` throws, before it has changed anything,
   * is that write's alone; every other error ends the transaction, and all of its writes.
   */
  write(apply: () => number, committed: (result: number) => void): Promise<number> {
    if (this.#isClosed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ apply, committed, resolve, reject });
      this.#immediate ??= setImmediate(() => this.#flush());
    });
  }

  #run(batch: readonly Waiting[]): readonly Outcome[] {
    return this.#file.transaction(() =>
      batch.map(({ apply }): Outcome => {
        try {
          return { type: 'done', result: apply() };
        } catch (thrown) {
          if (!(thrown instanceof WeftError && thrown.code === 'ABORTED')) throw thrown;
          return { type: 'refused', error: thrown };
        }
      }),
    );
  }

  #flush(): void {
    this.#immediate = undefined;
    const batch = this.#waiting;
    this.#waiting = [];
    let outcomes: readonly Outcome[];
    try {
      outcomes = this.#run(batch);
      this.#trouble = undefined;
    } catch (thrown) {
      const error = toWeftError(thrown);
      this.#trouble = error.message;
      for (const { reject } of batch) reject(error);
      return;
    }
    for (const [index, outcome] of outcomes.entries()) settle(batch[index] as Waiting, outcome);
  }

  /** Writes what waits and takes no more. */
  close(): void {
    this.#isClosed = true;
    if (!this.#immediate) return;
    clearImmediate(this.#immediate);
    this.#flush();
  }
}
