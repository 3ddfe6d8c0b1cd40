/** Distribution of a measure, with Envoy's default buckets. */

/** Upper bounds of the buckets, in the unit of the measure (milliseconds mostly). */
export const BUCKET_BOUNDS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

export class Histogram {
  count = 0;
  sum = 0;
  /** Per bucket, not cumulative; the last is for what is beyond every bound. Made when something is first recorded. */
  #buckets: Float64Array | undefined;

  record(value: number): void {
    this.#buckets ??= new Float64Array(BUCKET_BOUNDS.length + 1);
    let bucket = 0;
    while (bucket < BUCKET_BOUNDS.length && value > (BUCKET_BOUNDS[bucket] as number)) bucket++;
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1;
    this.count++;
    this.sum += value;
  }

  /** A copy as plain values. */
  plain(): { readonly type: 'histogram'; readonly count: number; readonly sum: number; readonly buckets: number[] } {
    return { type: 'histogram', count: this.count, sum: this.sum, buckets: [...(this.#buckets ?? [])] };
  }

  /** What both recorded together. */
  static sum(
    one: Histogram | undefined,
    other: { readonly count: number; readonly sum: number; readonly buckets: readonly number[] },
  ): Histogram {
    const total = new Histogram();
    total.count = (one?.count ?? 0) + other.count;
    total.sum = (one?.sum ?? 0) + other.sum;
    const own = one ? one.#buckets : undefined;
    total.#buckets = Float64Array.from(
      { length: BUCKET_BOUNDS.length + 1 },
      (_, index) => (own?.[index] ?? 0) + (other.buckets[index] ?? 0),
    );
    return total;
  }

  /** How many values were at most each bound. */
  cumulative(): readonly number[] {
    let total = 0;
    return BUCKET_BOUNDS.map((_, index) => {
      total += this.#buckets?.[index] ?? 0;
      return total;
    });
  }

  /** The value below which a share `quantile` (0 to 1) of the values lies, guessed within its bucket. */
  quantile(quantile: number): number {
    if (this.count === 0) return Number.NaN;
    const rank = quantile * this.count;
    const cumulative = this.cumulative();
    const index = cumulative.findIndex((total) => total >= rank);
    if (index === -1) return BUCKET_BOUNDS.at(-1) as number;
    const lower = index === 0 ? 0 : (BUCKET_BOUNDS[index - 1] as number);
    const below = index === 0 ? 0 : (cumulative[index - 1] as number);
    const inside = (cumulative[index] as number) - below;
    return lower + ((BUCKET_BOUNDS[index] as number) - lower) * (inside === 0 ? 0 : (rank - below) / inside);
  }
}

/** How often each status was seen. */
export class CodeCounts {
  readonly counts: { readonly code: number; count: number }[] = [];

  add(code: number): void {
    for (const entry of this.counts) {
      if (entry.code === code) {
        entry.count++;
        return;
      }
    }
    this.counts.push({ code, count: 1 });
  }

  /** What both counted together. */
  static sum(
    one: CodeCounts | undefined,
    other: readonly { readonly code: number; readonly count: number }[],
  ): CodeCounts {
    const total = new CodeCounts();
    for (const { code, count } of [...(one?.counts ?? []), ...other]) {
      const known = total.counts.find((entry) => entry.code === code);
      if (known) known.count += count;
      else total.counts.push({ code, count });
    }
    return total;
  }

  reset(): void {
    for (const entry of this.counts) entry.count = 0;
  }
}
