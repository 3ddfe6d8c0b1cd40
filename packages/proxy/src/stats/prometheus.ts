/** Statistics in Prometheus' text format, in Envoy's order: counters, gauges, histograms, each by name. */
import { BUCKET_BOUNDS, type Histogram } from './histogram.ts';
import { type Admits, GROUPS_AT_ONCE, type Labels, type Sample, type StatGroup, type StatType } from './sample.ts';
import { describe, eachSample } from './samples.ts';

const TYPES: readonly StatType[] = ['counter', 'gauge', 'histogram'];

function labelText(labels: Labels): string {
  const quoted = (value: string) => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${quoted(value)}"`)
    .join(',');
}

function histogramLines(metric: string, labels: string, histogram: Histogram): string {
  const before = labels === '' ? '' : `${labels},`;
  let text = '';
  for (const [index, total] of histogram.cumulative().entries()) {
    text += `${metric}_bucket{${before}le="${BUCKET_BOUNDS[index]}"} ${total}\n`;
  }
  text += `${metric}_bucket{${before}le="+Inf"} ${histogram.count}\n`;
  return `${text}${metric}_sum{${labels}} ${histogram.sum}\n${metric}_count{${labels}} ${histogram.count}\n`;
}

function line(metric: string, labels: string, sample: Sample): string {
  return sample.type === 'histogram'
    ? histogramLines(metric, labels, sample.histogram)
    : `${metric}{${labels}} ${sample.value}\n`;
}

/** Groups whose values have the same names, those of clusters for instance. */
type Kind = StatGroup[];

/** One metric, and by which name which groups have it. */
interface Metric {
  readonly type: StatType;
  readonly name: string;
  readonly rows: { readonly groups: Kind; readonly value: string }[];
}

function* kindsOf(groups: Iterable<StatGroup>): Generator<string, Iterable<Kind>> {
  const kinds = new Map<string, Kind>();
  let count = 0;
  for (const group of groups) {
    const key = `${group.metricPrefix} ${Object.keys(group.values).join()}`;
    const kind = kinds.get(key);
    if (kind) kind.push(group);
    else kinds.set(key, [group]);
    if (++count % GROUPS_AT_ONCE === 0) yield '';
  }
  return kinds.values();
}

/** What is no letter, digit or underscore is an underscore in a metric's name. */
function metricName(metric: string): string {
  return `envoy_${metric}`.replaceAll(/[^a-zA-Z0-9_]/g, '_');
}

function metricsOf(kinds: Iterable<Kind>): readonly Metric[] {
  const metrics = new Map<string, Metric>();
  for (const groups of kinds) {
    const first = groups[0];
    if (!first) continue;
    for (const [value, given] of Object.entries(first.values)) {
      const described = describe(first.metricPrefix, value, given);
      if (!described) continue;
      const name = metricName(described.metric);
      const key = `${TYPES.indexOf(described.type)} ${name}`;
      const metric = metrics.get(key) ?? { type: described.type, name, rows: [] };
      metrics.set(key, metric);
      metric.rows.push({ groups, value });
    }
  }
  return [...metrics].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, metric]) => metric);
}

/** Gives a piece of the text at a time, which may be empty. */
export function* writePrometheus(groups: Iterable<StatGroup>, admits: Admits): Generator<string, void> {
  const labelTexts = new Map<Labels, string>();
  const labelsOf = (group: StatGroup, labels: Labels): string => {
    if (labels !== group.labels) return labelText(labels);
    const known = labelTexts.get(labels) ?? labelText(labels);
    labelTexts.set(labels, known);
    return known;
  };
  for (const { type, name, rows } of metricsOf(yield* kindsOf(groups))) {
    let text = '';
    let before = `# TYPE ${name} ${type}\n`;
    for (const { groups: having, value } of rows) {
      for (const [index, group] of having.entries()) {
        eachSample(group, value, (sample) => {
          if (!admits(sample)) return;
          text += before + line(name, labelsOf(group, sample.labels), sample);
          before = '';
        });
        if ((index + 1) % GROUPS_AT_ONCE !== 0) continue;
        yield text;
        text = '';
      }
    }
    yield text;
  }
}
