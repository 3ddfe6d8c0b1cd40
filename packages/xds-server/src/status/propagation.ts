/** How far all proxies are, those of this instance and those of the others. */
import type { Bus } from '@weft/bus';
import { events, type Propagation } from '@weft/contracts/bus';

/** How far the proxies of one instance are; every one of them has at least this. */
export interface Reach {
  readonly revision: number;
  readonly registryRevision: number;
  readonly proxies: number;
}

export interface PropagationBoardOptions {
  readonly bus: Bus;
  readonly instanceId: string;
  readonly now: () => number;
  readonly own: () => Reach;
  /** The ids of the other instances that run. */
  readonly others: () => readonly string[];
}

/** How often an instance tells of itself though nothing changed: events may be lost. */
const REPEAT_MS = 1000;
/** An instance that is silent for this long has lost the bus, or is gone, whatever is still written of it. */
const SILENT_MS = 4000;

interface Heard {
  /** Undefined of one that has not told yet. */
  readonly reach: Reach | undefined;
  readonly atMs: number;
}

export class PropagationBoard {
  readonly #options: PropagationBoardOptions;
  readonly #heard = new Map<string, Heard>();
  readonly #listeners = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #scheduled = false;
  #told = '';

  constructor(options: PropagationBoardOptions) {
    this.#options = options;
  }

  /** Listens to the other instances, and tells them of this one, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#options.bus.subscribe(events.propagation, (value) => this.#hear(value), signal);
    if (signal.aborted) return;
    this.#timer = setInterval(() => this.#tell(true), REPEAT_MS);
    signal.addEventListener('abort', () => clearInterval(this.#timer), { once: true });
    this.#tell(true);
  }

  /** The proxies of this instance may have gone on. */
  changed(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#tell(false);
    });
  }

  #tell(again: boolean): void {
    const reach = this.#options.own();
    const told = JSON.stringify(reach);
    if (told === this.#told && !again) return;
    this.#told = told;
    this.#options.bus.publish(events.propagation, { xdsInstance: this.#options.instanceId, ...reach });
    for (const listener of this.#listeners) listener();
  }

  #hear({ xdsInstance, registryRevision, revision, proxies }: Propagation): void {
    if (xdsInstance === this.#options.instanceId) return;
    this.#heard.set(xdsInstance, { reach: { registryRevision, revision, proxies }, atMs: this.#options.now() });
    for (const listener of this.#listeners) listener();
  }

  /** How far all instances that run are; undefined while one has not told. */
  #reach(): Reach | undefined {
    const { own, others, now } = this.#options;
    const all = [own()];
    const running = new Set(others());
    for (const id of this.#heard.keys()) if (!running.has(id)) this.#heard.delete(id);
    for (const id of running) {
      const heard = this.#heard.get(id) ?? { reach: undefined, atMs: now() };
      this.#heard.set(id, heard);
      if (now() - heard.atMs > SILENT_MS) continue;
      if (!heard.reach) return undefined;
      all.push(heard.reach);
    }
    return {
      revision: Math.min(...all.map(({ revision }) => revision)),
      registryRevision: Math.min(...all.map(({ registryRevision }) => registryRevision)),
      proxies: all.reduce((sum, { proxies }) => sum + proxies, 0),
    };
  }

  /** Waits until every connected proxy of every instance has that revision of the registry; false after the time. */
  async waitFor(registryRevision: number, timeoutMs: number, signal: AbortSignal) {
    const isThere = () => (this.#reach()?.registryRevision ?? -1) >= registryRevision;
    const propagated = isThere() || (await this.#until(isThere, timeoutMs, signal));
    return { propagated, proxies: this.#reach()?.proxies ?? this.#options.own().proxies };
  }

  #until(isThere: () => boolean, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (propagated: boolean) => {
        clearTimeout(timer);
        this.#listeners.delete(look);
        signal.removeEventListener('abort', abort);
        resolve(propagated);
      };
      const look = () => {
        if (isThere()) finish(true);
      };
      const abort = () => finish(false);
      const timer = setTimeout(abort, timeoutMs);
      this.#listeners.add(look);
      signal.addEventListener('abort', abort, { once: true });
      if (signal.aborted) abort();
    });
  }
}
