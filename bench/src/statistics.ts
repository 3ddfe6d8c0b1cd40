/** What several runs of the same thing come to. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Throws `RangeError` where there are no values. */
export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('no values to take a median of');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] as number;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
  return { median, min: sorted[0] as number, max: sorted.at(-1) as number };
}

/**
 * The spread of `ours[i] / peers[i]`, round by round: what else the machine did weighs on both of a round alike. Throws
 * `RangeError` where there are no rounds, or one of the two has more of them.
 */
export function ratioSpread(ours: readonly number[], peers: readonly number[]): Spread {
  if (ours.length !== peers.length) throw new RangeError(`${ours.length} rounds beside ${peers.length}`);
  return spread(ours.map((value, round) => value / (peers[round] as number)));
}

/** `1204 (1180–1302)`, with as many decimals as told. */
export function spreadText({ median, min, max }: Spread, decimals = 0): string {
  return `${median.toFixed(decimals)} (${min.toFixed(decimals)}–${max.toFixed(decimals)})`;
}
