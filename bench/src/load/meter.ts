/** Counts what load achieves while it counts, with the processor time that the proxies took for it. */
import { setTimeout as delay } from 'node:timers/promises';
import { cpuSeconds } from '../plane/proc.ts';
import { Histogram } from './histogram.ts';

export interface Window {
  readonly warmupMs: number;
  readonly windowMs: number;
  /** Processes whose processor time is told. */
  readonly pids: readonly number[];
}

export interface Counted {
  /** Requests, or handshakes. */
  readonly done: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export class Meter {
  readonly #latency = new Histogram();
  readonly #failed = Promise.withResolvers<never>();
  #done = 0;

  constructor() {
    // A failure while nobody waits yet is told to whoever waits next.
    this.#failed.promise.catch(() => undefined);
  }

  completed(sinceMs: number): void {
    this.#done++;
    this.#latency.record(performance.now() - sinceMs);
  }

  /** An answer was wrong, or none came: the measurement fails. */
  fail(reason: string): void {
    this.#failed.reject(new Error(reason));
  }

  /** Settles with `work`, or rejects as soon as something failed. */
  watch<T>(work: Promise<T>): Promise<T> {
    return Promise.race([this.#failed.promise, work]);
  }

  /** Load must run already. Rejects where something failed, or nothing was done. */
  async count({ warmupMs, windowMs, pids }: Window): Promise<Counted> {
    await this.watch(delay(warmupMs));
    this.#done = 0;
    this.#latency.clear();
    const cpuBefore = cpuSeconds(pids);
    const startedMs = performance.now();
    await this.watch(delay(windowMs));
    const seconds = (performance.now() - startedMs) / 1000;
    const cpu = cpuSeconds(pids) - cpuBefore;
    if (this.#done === 0) throw new Error('nothing was answered while it was counted');
    return {
      done: this.#done,
      seconds,
      cpuSeconds: cpu,
      p50Ms: this.#latency.quantileMs(0.5),
      p99Ms: this.#latency.quantileMs(0.99),
    };
  }
}
