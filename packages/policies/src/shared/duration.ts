/** Durations as the Gateway API writes them: https://gateway-api.sigs.k8s.io/geps/gep-2257/. */
import { schema } from '@weft/model';

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** `1m30s` in milliseconds. */
export const durationMs: schema.Schema<number> = schema.mapped(
  schema.text({
    pattern: /^(?:[0-9]{1,5}(?:h|m|s|ms)){1,4}$/,
    expects: 'a duration such as "250ms", "10s" or "1m30s"; "0s" is no limit',
  }),
  (text) => {
    let total = 0;
    for (const [, count, unit = ''] of text.matchAll(/([0-9]{1,5})(ms|h|m|s)/g))
      total += Number(count) * (UNITS[unit] ?? 0);
    return total;
  },
);

/** Milliseconds as ProtoJSON writes a duration: `0.250s`. */
export function protoDuration(milliseconds: number): string {
  return milliseconds % 1000 === 0 ? `${milliseconds / 1000}s` : `${(milliseconds / 1000).toFixed(3)}s`;
}
