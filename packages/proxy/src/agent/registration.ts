/** The workload in the registry: registered, kept there by heartbeats, taken out. Discovery may be away meanwhile. */
import type { Health, Workload } from '@weft/contracts/bus';
import { toWeftError, type WeftError } from '@weft/contracts/error';
import { Registry, Rollout } from '@weft/contracts/node';
import { Backoff, sleep } from './backoff.ts';
import type { Link } from './link.ts';
import type { Log } from './log.ts';

export interface RegistrationOptions {
  /** With the health STARTING. */
  readonly workload: Workload;
  readonly discovery: Link;
  readonly xds: Link;
  readonly log: Log;
}

/**
 * Errors of a registration that trying again cannot mend. UNIMPLEMENTED is not one: until discovery has told the mesh
 * where it is, the call goes to whom the agent joined at.
 */
const FATAL: readonly WeftError['code'][] = [
  'INVALID_ARGUMENT',
  'PERMISSION_DENIED',
  'UNAUTHENTICATED',
  'RESOURCE_EXHAUSTED',
];

const DEFAULT_HEARTBEAT_MS = 5000;
const CALL_TIMEOUT_MS = 3000;

export class Registration {
  readonly #options: RegistrationOptions;
  #health: Health = 'STARTING';
  #isRegistered = false;
  #isTakenOver = false;
  /** Whether discovery may know of this workload: a registration whose answer was lost counts. */
  #isKnown = false;
  readonly #leaving = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #heartbeatEveryMs = DEFAULT_HEARTBEAT_MS;
  #wake = new AbortController();
  #lastError: WeftError | undefined;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  get isRegistered(): boolean {
    return this.#isRegistered;
  }

  /** Why the workload is not registered; undefined when it is, or nothing was tried yet. */
  get lastError(): WeftError | undefined {
    return this.#isRegistered ? undefined : this.#lastError;
  }

  /** Tells discovery at once. */
  setHealth(health: Health): void {
    if (health === this.#health) return;
    this.#health = health;
    this.#wake.abort();
  }

  /**
   * Registers, then sends heartbeats until `signal` aborts or the workload leaves. Throws what cannot be mended before the
   * first registration; after it discovery is asked for ever.
   */
  run(signal: AbortSignal): Promise<void> {
    const loop = this.#run(AbortSignal.any([signal, this.#leaving.signal]));
    this.#loop = loop.catch(() => undefined);
    return loop;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ firstMs: 100, maxMs: 2000 });
    let wasRegistered = false;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      try {
        if (this.#isRegistered) await this.#heartbeat(signal);
        else await this.#register(signal);
        wasRegistered = true;
        backoff.reset();
        await sleep(this.#heartbeatEveryMs, AbortSignal.any([signal, this.#wake.signal]));
      } catch (thrown) {
        if (signal.aborted) return;
        const error = toWeftError(thrown);
        if (!wasRegistered && FATAL.includes(error.code)) throw error;
        this.#failed(error);
        if (this.#isTakenOver) return;
        await backoff.wait(signal);
      }
    }
  }

  async #register(signal: AbortSignal): Promise<void> {
    const { discovery, workload, log } = this.#options;
    const client = discovery.client(Registry);
    const health = this.#health;
    this.#isKnown = true;
    const told = await client.register({ workload: { ...workload, health } }, { signal, timeoutMs: CALL_TIMEOUT_MS });
    this.#heartbeatEveryMs = told.heartbeatEveryMs > 0 ? told.heartbeatEveryMs : DEFAULT_HEARTBEAT_MS;
    this.#isRegistered = true;
    log.debug({ workload: workload.id, revision: told.registryRevision }, 'registered');
    // The health may have changed while the call was under way.
    if (health !== this.#health) this.#wake.abort();
  }

  async #heartbeat(signal: AbortSignal): Promise<void> {
    const { discovery, workload } = this.#options;
    await discovery
      .client(Registry)
      .heartbeat(
        { workloadId: workload.id, incarnation: workload.incarnation, health: this.#health },
        { signal, timeoutMs: CALL_TIMEOUT_MS },
      );
  }

  #failed(error: WeftError): void {
    const { discovery, log, workload } = this.#options;
    const isNews = this.#lastError?.message !== error.message;
    this.#lastError = error;
    if (error.code === 'NOT_FOUND') {
      this.#isRegistered = false;
      log.warn({ workload: workload.id }, 'the registry has lost this workload; it is registered again');
    } else if (error.code === 'ABORTED') {
      this.#isTakenOver = true;
      this.#isRegistered = false;
      log.error({ workload: workload.id }, `${error.message}; this one gets no more requests from the mesh`);
    } else {
      discovery.rotate();
      if (isNews) log.warn({ reason: error.message }, 'discovery cannot be reached; it is tried again');
    }
  }

  /**
   * Takes the workload out of the registry, and waits until every proxy knows, both as long as `signal` and `timeoutMs`
   * let it. What cannot be reached is not waited for.
   */
  async deregister(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { discovery, xds, workload, log } = this.#options;
    // Nothing may register the workload again, nor be under way that does.
    this.#leaving.abort();
    await this.#loop;
    this.#isRegistered = false;
    if (!this.#isKnown || this.#isTakenOver) return;
    try {
      const request = { workloadId: workload.id, incarnation: workload.incarnation };
      const client = discovery.client(Registry);
      const { registryRevision } = await client.deregister(request, { signal, timeoutMs: CALL_TIMEOUT_MS });
      const { propagated, proxies } = await xds
        .client(Rollout)
        .waitPropagated({ registryRevision, timeoutMs }, { signal, timeoutMs: timeoutMs + 1000 });
      if (!propagated) log.warn({ proxies }, `not every proxy knows within ${timeoutMs} ms that this workload leaves`);
    } catch (thrown) {
      log.warn({ reason: toWeftError(thrown).message }, 'the mesh could not be told that this workload leaves');
    }
  }
}
