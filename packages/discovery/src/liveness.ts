/** When each workload was heard of last, and which have been silent for too long. Pure: it is told the time. */

export interface LivenessOptions {
  /** After how long a silence a workload is taken out of the registry. */
  readonly expiresAfterMs: number;
  /** How often `sweep` is called. */
  readonly sweepEveryMs: number;
}

export class Liveness {
  readonly #heardMs = new Map<string, number>();
  readonly #options: LivenessOptions;
  #lastSweepMs: number | undefined;
  #wasCutOff = false;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  heard(key: string, nowMs: number): void {
    this.#heardMs.set(key, nowMs);
  }

  forget(key: string): void {
    this.#heardMs.delete(key);
  }

  /**
   * The workloads that were silent for too long. Nobody is when this process could not have heard them: while it is
   * `cutOff` from the bus, after it was suspended, or when its clock jumped; all get a full period from then on.
   */
  sweep(nowMs: number, cutOff: boolean): readonly string[] {
    const sinceLastMs = nowMs - (this.#lastSweepMs ?? nowMs);
    this.#lastSweepMs = nowMs;
    const allowedGapMs = this.#options.sweepEveryMs + this.#options.expiresAfterMs / 3;
    const stalled = sinceLastMs < 0 || sinceLastMs > allowedGapMs;
    if (cutOff || stalled || this.#wasCutOff) {
      this.#wasCutOff = cutOff;
      for (const key of this.#heardMs.keys()) this.#heardMs.set(key, nowMs);
      return [];
    }
    const silent: string[] = [];
    for (const [key, heardMs] of this.#heardMs) if (nowMs - heardMs > this.#options.expiresAfterMs) silent.push(key);
    return silent;
  }
}
