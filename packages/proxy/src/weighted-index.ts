/** Choice by weight. */

/**
 * Whose share a point falls into, where each has as much of the way from 0 to the sum of all as its weight says; -1: it
 * lies beyond them.
 */
export function weightedIndex(weights: readonly number[], point: number): number {
  let left = point;
  for (let i = 0; i < weights.length; i++) {
    left -= weights[i] as number;
    if (left < 0) return i;
  }
  return -1;
}
