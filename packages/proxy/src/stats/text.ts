/** Statistics as `/stats` writes them. */
import type { Histogram } from './histogram.ts';
import type { Sample } from './sample.ts';

const PERCENTILES = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100] as const;
const SIGNIFICANT_DIGITS = 5;

/** One for each of the percentiles. */
function quantiles(histogram: Histogram): readonly number[] {
  return PERCENTILES.map((percent) => Number(histogram.quantile(percent / 100).toPrecision(SIGNIFICANT_DIGITS)));
}

/** What was recorded lately is not kept apart from all that ever was, so that it is nan. */
function histogramText(histogram: Histogram): string {
  if (histogram.count === 0) return 'No recorded values';
  const values = quantiles(histogram);
  return PERCENTILES.map((percent, index) => `P${percent}(nan,${values[index]})`).join(' ');
}

/** Lines, sorted: counters and gauges, then histograms. */
export function writeText(samples: Iterable<Sample>): string {
  const numbers: string[] = [];
  const histograms: string[] = [];
  for (const sample of samples) {
    if (sample.type === 'histogram') histograms.push(`${sample.name}: ${histogramText(sample.histogram)}\n`);
    else numbers.push(`${sample.name}: ${sample.value}\n`);
  }
  return [...numbers.sort(), ...histograms.sort()].join('');
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}

/** The form of `/stats?format=json`: histograms are one last entry, and nothing recorded is null. */
export function writeJson(samples: Iterable<Sample>): object {
  const stats: { readonly name: string; readonly value: number }[] = [];
  const histograms: { readonly name: string; readonly values: readonly object[] }[] = [];
  for (const sample of samples) {
    const { name } = sample;
    if (sample.type !== 'histogram') stats.push({ name, value: sample.value });
    else {
      const values = quantiles(sample.histogram).map((value) => ({
        cumulative: Number.isNaN(value) ? null : value,
        interval: null,
      }));
      histograms.push({ name, values });
    }
  }
  stats.sort(byName);
  if (histograms.length === 0) return { stats };
  const computed = { supported_quantiles: PERCENTILES, computed_quantiles: histograms.sort(byName) };
  return { stats: [...stats, { histograms: computed }] };
}
