/** Takes away what instances left behind that ended without doing so themselves. */
import type { Bus } from '@weft/bus';
import { states } from '@weft/contracts/bus';
import { toWeftError } from '@weft/contracts/error';

export interface SweepOptions {
  readonly bus: Bus;
  readonly now: () => number;
  /** The ids of all instances that run, this one included. */
  readonly running: () => readonly string[];
  readonly onTrouble: (error: unknown) => void;
}

/** A status that nobody has taken over for this long is of a proxy that is gone. */
const ABANDONED_MS = 30_000;

export class Sweeper {
  readonly #options: SweepOptions;
  /** Since when, by the clock of this process, each entry was seen without a running instance. */
  #orphans = new Map<string, { readonly revision: number; readonly sinceMs: number }>();

  constructor(options: SweepOptions) {
    this.#options = options;
  }

  /** Looks once. An entry goes when it has been without an instance since an earlier look, long enough ago. */
  async sweep(): Promise<void> {
    const { bus, running, onTrouble } = this.#options;
    try {
      const alive = new Set(running());
      const proxies = bus.state(states.proxies);
      const problems = bus.state(states.problems);
      const orphans = [
        ...(await proxies.list()).map(({ key, revision, value }) => ({
          state: proxies,
          key,
          revision,
          owner: value.xdsInstance,
        })),
        ...(await problems.list()).map(({ key, revision }) => ({ state: problems, key, revision, owner: key })),
      ].filter(({ owner }) => !alive.has(owner));
      await this.#remove(orphans);
    } catch (thrown) {
      onTrouble(thrown);
    }
  }

  async #remove(
    found: readonly {
      readonly state: { delete(key: string, options: { readonly expectedRevision: number }): Promise<number> };
      readonly key: string;
      readonly revision: number;
    }[],
  ): Promise<void> {
    const nowMs = this.#options.now();
    const orphans = new Map<string, { readonly revision: number; readonly sinceMs: number }>();
    for (const { state, key, revision } of found) {
      const before = this.#orphans.get(key);
      const sinceMs = before?.revision === revision ? before.sinceMs : nowMs;
      if (nowMs - sinceMs < ABANDONED_MS) orphans.set(key, { revision, sinceMs });
      else await deleteUnlessTaken(() => state.delete(key, { expectedRevision: revision }));
    }
    this.#orphans = orphans;
  }
}

async function deleteUnlessTaken(remove: () => Promise<number>): Promise<void> {
  try {
    await remove();
  } catch (thrown) {
    if (toWeftError(thrown).code !== 'ABORTED') throw thrown;
  }
}
