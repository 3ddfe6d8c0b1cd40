/** Statistics in Prometheus' text format, in Envoy's order: counters, gauges, histograms, each by name. */
import { BUCKET_BOUNDS, type Histogram } from './histogram.ts';
import type { Labels, Sample } from './sample.ts';

const TYPES = ['counter', 'gauge', 'histogram'] as const;

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

/** What is no letter, digit or underscore is an underscore in a metric's name. */
function metricName(sample: Sample): string {
  return `envoy_${sample.metric}`.replaceAll(/[^a-zA-Z0-9_]/g, '_');
}

export function writePrometheus(samples: Iterable<Sample>): string {
  const metrics = {
    counter: new Map<string, string>(),
    gauge: new Map<string, string>(),
    histogram: new Map<string, string>(),
  };
  for (const sample of samples) {
    const name = metricName(sample);
    const labels = labelText(sample.labels);
    const lines =
      sample.type === 'histogram'
        ? histogramLines(name, labels, sample.histogram)
        : `${name}{${labels}} ${sample.value}\n`;
    const ofType = metrics[sample.type];
    ofType.set(name, (ofType.get(name) ?? '') + lines);
  }
  return TYPES.flatMap((type) =>
    [...metrics[type]].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, lines]) => `# TYPE ${name} ${type}\n${lines}`),
  ).join('');
}
