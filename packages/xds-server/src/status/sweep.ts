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
/** An instance that has just started may have written statuses before all know that it runs. */
export const UNKNOWN_MS = 2000;

interface Orphan {
  readonly key: string;
  readonly revision: number;
  /** Of a proxy that is told to be connected to an instance that does not run. */
  readonly disconnect?: () => Promise<number>;
  readonly remove: () => Promise<number>;
}

export class Sweeper {
  readonly #options: SweepOptions;
  /** Since when, by the clock of this process, each entry was seen without a running instance. */
  #orphans = new Map<string, { readonly revision: number; readonly sinceMs: number }>();

  constructor(options: SweepOptions) {
    this.#options = options;
  }

  /**
   * Looks once. A proxy whose instance does not run, as an earlier look has seen too, is told to be disconnected: nobody
   * waits for it any more. An entry goes when it has been without an instance since an earlier look, long enough ago.
   */
  async sweep(): Promise<void> {
    const { bus, running, onTrouble } = this.#options;
    try {
      const alive = new Set(running());
      const proxies = bus.state(states.proxies);
      const problems = bus.state(states.problems);
      const orphans: Orphan[] = [];
      for (const { key, revision, value } of await proxies.list()) {
        if (alive.has(value.xdsInstance)) continue;
        const expected = { expectedRevision: revision };
        const disconnect = () => proxies.put(key, { ...value, xdsInstance: '' }, expected);
        const remove = () => proxies.delete(key, expected);
        orphans.push({ key, revision, remove, ...(value.xdsInstance === '' ? {} : { disconnect }) });
      }
      for (const { key, revision } of await problems.list()) {
        const remove = () => problems.delete(key, { expectedRevision: revision });
        if (!alive.has(key)) orphans.push({ key, revision, remove });
      }
      await this.#tidy(orphans);
    } catch (thrown) {
      onTrouble(thrown);
    }
  }

  async #tidy(found: readonly Orphan[]): Promise<void> {
    const nowMs = this.#options.now();
    const orphans = new Map<string, { readonly revision: number; readonly sinceMs: number }>();
    for (const { key, revision, disconnect, remove } of found) {
      const before = this.#orphans.get(key);
      const sinceMs = before?.revision === revision ? before.sinceMs : nowMs;
      if (nowMs - sinceMs >= ABANDONED_MS) await unlessTaken(remove);
      else {
        const changed = disconnect && nowMs - sinceMs >= UNKNOWN_MS ? await unlessTaken(disconnect) : undefined;
        orphans.set(key, { revision: changed ?? revision, sinceMs });
      }
    }
    this.#orphans = orphans;
  }
}

/** Undefined when somebody else was faster. */
async function unlessTaken(write: () => Promise<number>): Promise<number | undefined> {
  try {
    return await write();
  } catch (thrown) {
    if (toWeftError(thrown).code !== 'ABORTED') throw thrown;
    return undefined;
  }
}
