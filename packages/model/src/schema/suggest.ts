/** How many insertions, deletions, replacements and swaps of neighbours make one text of the other. */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** Which of `options` somebody who wrote `found` may have meant; undefined when none is close. */
export function suggest(found: string, options: Iterable<string>): string | undefined {
  if (found.length > 64) return undefined;
  const wanted = found.toLowerCase();
  let best: { readonly option: string; readonly cost: number } | undefined;
  for (const option of options) {
    const cost = distance(wanted, option.toLowerCase());
    if (cost <= Math.max(1, Math.floor(option.length / 3)) && (!best || cost < best.cost)) best = { option, cost };
  }
  return best?.option;
}
