/** Statistics as `/stats` writes them: generators give a piece of the text at a time, which may be empty. */
import { familiesOf } from './families.ts';
import type { Histogram } from './histogram.ts';
import type { Admits, Sample, StatGroup } from './sample.ts';
import { eachSample } from './samples.ts';

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

/** What is wanted of some groups, sorted by name: histograms alone, or all but them. */
function sortedSamples(family: readonly StatGroup[], admits: Admits, histograms: boolean): readonly Sample[] {
  const samples: Sample[] = [];
  for (const group of family) {
    for (const name of Object.keys(group.values)) {
      eachSample(group, name, (sample) => {
        if ((sample.type === 'histogram') === histograms && admits(sample)) samples.push(sample);
      });
    }
  }
  return samples.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Lines, sorted: counters and gauges, then histograms. */
export function* writeText(groups: Iterable<StatGroup>, admits: Admits): Generator<string, void> {
  const families = yield* familiesOf(groups);
  for (const histograms of [false, true]) {
    for (const family of families) {
      let text = '';
      for (const sample of sortedSamples(family, admits, histograms)) {
        const value = sample.type === 'histogram' ? histogramText(sample.histogram) : sample.value;
        text += `${sample.name}: ${value}\n`;
      }
      yield text;
    }
  }
}

function sampleJson(sample: Sample): string {
  if (sample.type !== 'histogram') return JSON.stringify({ name: sample.name, value: sample.value });
  const values = quantiles(sample.histogram).map((value) => ({
    cumulative: Number.isNaN(value) ? null : value,
    interval: null,
  }));
  return JSON.stringify({ name: sample.name, values });
}

/** The form of `/stats?format=json`: histograms are one last entry, and nothing recorded is null. */
export function* writeJson(groups: Iterable<StatGroup>, admits: Admits): Generator<string, void> {
  const families = yield* familiesOf(groups);
  let before = '{"stats":[';
  for (const family of families) {
    let text = '';
    for (const sample of sortedSamples(family, admits, false)) {
      text += before + sampleJson(sample);
      before = ',';
    }
    yield text;
  }
  const start = `${before}{"histograms":{"supported_quantiles":${JSON.stringify(PERCENTILES)},"computed_quantiles":[`;
  let isFirst = true;
  for (const family of families) {
    let text = '';
    for (const sample of sortedSamples(family, admits, true)) {
      text += (isFirst ? start : ',') + sampleJson(sample);
      isFirst = false;
    }
    yield text;
  }
  if (!isFirst) yield ']}}]}';
  else yield before === ',' ? ']}' : `${before}]}`;
}
