/** What the values of a group of statistics are called, and what each of them is. */
import { CodeCounts, Histogram } from './histogram.ts';
import { NamedValues } from './named.ts';
import { isGauge, type Labels, type Sample, type StatGroup, type StatType } from './sample.ts';

/** What a value is for Prometheus, whichever group of its kind it is in. */
export interface Described {
  readonly type: StatType;
  /** After `envoy_`; what no metric's name can have is still in it. */
  readonly metric: string;
}

/** Envoy makes these when the first one is counted. */
const WHEN_COUNTED = /^upstream_rq_\dxx$/;
/** `upstream_rq_2xx` is the metric `upstream_rq_xx` with the class as label; `ejections_consecutive_5xx` is none of these. */
const OF_CLASS = /^(.*_rq_)(\d)xx$/;

/** Undefined of what is no statistic. */
export function describe(metricPrefix: string, name: string, value: unknown): Described | undefined {
  if (value instanceof Histogram) return { type: 'histogram', metric: metricPrefix + name };
  // `upstream_rq_200` is the metric `upstream_rq` with the status as label.
  if (value instanceof CodeCounts) return { type: 'counter', metric: metricPrefix + name.replace(/_$/, '') };
  if (value instanceof NamedValues) {
    const { type, suffix = '' } = value.options;
    return { type, metric: metricPrefix + name.replace(/\.$/, '') + suffix };
  }
  if (typeof value !== 'number') return undefined;
  const match = OF_CLASS.exec(name);
  return { type: isGauge(name) ? 'gauge' : 'counter', metric: metricPrefix + (match ? `${match[1]}xx` : name) };
}

function ofNumber(name: string, labels: Labels): Labels {
  const match = OF_CLASS.exec(name);
  return match ? { envoy_response_code_class: match[2] ?? '', ...labels } : labels;
}

/** Tells what there is of one value of a group: nothing, one sample, or one for each part that has a name of its own. */
export function eachSample({ prefix, labels, values }: StatGroup, name: string, take: (sample: Sample) => void): void {
  const value: unknown = Reflect.get(values, name);
  if (typeof value === 'number') {
    if (value === 0 && WHEN_COUNTED.test(name)) return;
    take({ type: isGauge(name) ? 'gauge' : 'counter', name: prefix + name, labels: ofNumber(name, labels), value });
  } else if (value instanceof Histogram) {
    take({ type: 'histogram', name: prefix + name, labels, histogram: value });
  } else if (value instanceof CodeCounts) {
    for (const { code, count } of value.counts) {
      const withCode = { envoy_response_code: String(code), ...labels };
      take({ type: 'counter', name: `${prefix}${name}${code}`, labels: withCode, value: count });
    }
  } else if (value instanceof NamedValues) {
    const { type, label, suffix = '' } = value.options;
    for (const [part, count] of value.values) {
      take({ type, name: prefix + name + part + suffix, labels: { [label]: part, ...labels }, value: count });
    }
  }
}
