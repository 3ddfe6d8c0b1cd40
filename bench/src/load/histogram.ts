/** How long things took, to the microsecond. */

const BUCKETS = 1_000_000;

export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS + 1);
  #total = 0;

  get total(): number {
    return this.#total;
  }

  /** What takes a second and more counts as a second. */
  record(ms: number): void {
    const micros = Math.max(0, Math.round(ms * 1000));
    const bucket = Math.min(micros, BUCKETS);
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#total++;
  }

  /** Milliseconds that `share` (0 to 1) of all took at most; `NaN` where there is nothing. */
  quantileMs(share: number): number {
    if (this.#total === 0) return Number.NaN;
    let left = Math.max(1, Math.ceil(this.#total * share));
    for (let bucket = 0; bucket <= BUCKETS; bucket++) {
      left -= this.#counts[bucket] as number;
      if (left <= 0) return bucket / 1000;
    }
    return BUCKETS / 1000;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#total = 0;
  }
}
