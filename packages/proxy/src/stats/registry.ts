/** All groups of statistics, and how they are written: as `/stats` and as `/stats/prometheus` of Envoy's admin. */
import { BUCKET_BOUNDS, CodeCounts, Histogram } from './histogram.ts';

/** The parts of a name that Prometheus gets as labels, in place of a part of the name. */
export type Labels = Readonly<Record<string, string>>;

export interface StatGroup {
  /** What stands before each name in `/stats`: `cluster.up.` */
  readonly prefix: string;
  /** What stands before each name for Prometheus, after `envoy_`: `cluster_` */
  readonly metricPrefix: string;
  readonly labels: Labels;
  readonly values: object;
}

/** Names that say what is, rather than count what was. */
const GAUGES = new Set([
  'concurrency',
  'connected_state',
  'days_until_first_cert_expiring',
  'live',
  'max_host_weight',
  'memory_allocated',
  'memory_heap_size',
  'membership_degraded',
  'membership_excluded',
  'membership_healthy',
  'membership_total',
  'parent_connections',
  'pending_requests',
  'state',
  'stats_recent_lookups',
  'total_connections',
  'total_filter_chains_draining',
  'total_listeners_active',
  'total_listeners_draining',
  'total_listeners_warming',
  'update_time',
  'uptime',
  'version',
  'warming_clusters',
  'workers_started',
]);

function isGauge(name: string): boolean {
  return name.endsWith('_active') || name === 'active_clusters' || GAUGES.has(name);
}

/** In names of statistics a colon is written as an underscore. */
export function statName(name: string): string {
  return name.replaceAll(':', '_');
}

interface Sample {
  readonly name: string;
  readonly labels: Labels;
  readonly value: number | Histogram;
}

function* samplesOf(values: object): Generator<Sample> {
  for (const [name, value] of Object.entries(values)) {
    if (typeof value === 'number' || value instanceof Histogram) yield { name, labels: {}, value };
    else if (value instanceof CodeCounts) {
      for (const { code, count } of value.counts) {
        yield { name: `${name}${code}`, labels: { envoy_response_code: String(code) }, value: count };
      }
    }
  }
}

/** `upstream_rq_2xx` is the metric `upstream_rq_xx` with the class as label, `upstream_rq_200` is `upstream_rq`. */
function metricOf(sample: Sample): { readonly name: string; readonly labels: Labels } {
  if (sample.labels.envoy_response_code !== undefined) {
    return { name: sample.name.replace(/_\d+$/, ''), labels: sample.labels };
  }
  const match = /_(\d)xx$/.exec(sample.name);
  if (!match) return sample;
  return { name: sample.name.replace(/_\dxx$/, '_xx'), labels: { envoy_response_code_class: match[1] as string } };
}

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

function histogramText(histogram: Histogram): string {
  if (histogram.count === 0) return 'No recorded values';
  return [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1]
    .map((share) => {
      const value = histogram.quantile(share).toFixed(2);
      return `P${share * 100}(nan,${value})`;
    })
    .join(' ');
}

export interface StatsFilter {
  /** Names that match, of all; matched anywhere in the name as `/stats` shows it. */
  readonly matching?: RegExp | undefined;
  /** Only what was counted at least once. */
  readonly usedOnly?: boolean;
}

export class StatsRegistry {
  readonly #groups = new Map<string, StatGroup>();
  /** Called before values are read, for gauges that are worked out when asked. */
  readonly #refreshers = new Set<() => void>();

  /** Adds a group, and gives what takes it away again. */
  add(group: StatGroup): () => void {
    this.#groups.set(group.prefix, group);
    return () => this.#groups.delete(group.prefix);
  }

  /** The values of the group with that prefix, which several users may share; made by the first. */
  share<T extends object>(prefix: string, metricPrefix: string, labels: Labels, make: () => T): T {
    const known = this.#groups.get(prefix);
    if (known) return known.values as T;
    const values = make();
    this.#groups.set(prefix, { prefix, metricPrefix, labels, values });
    return values;
  }

  /** Takes the group with that prefix away. */
  remove(prefix: string): void {
    this.#groups.delete(prefix);
  }

  onRead(refresh: () => void): () => void {
    this.#refreshers.add(refresh);
    return () => this.#refreshers.delete(refresh);
  }

  *#samples(filter: StatsFilter): Generator<{ readonly group: StatGroup; readonly sample: Sample }> {
    for (const refresh of this.#refreshers) refresh();
    for (const group of this.#groups.values()) {
      for (const sample of samplesOf(group.values)) {
        const isUsed = (typeof sample.value === 'number' ? sample.value : sample.value.count) !== 0;
        if (filter.usedOnly && !isUsed) continue;
        if (filter.matching && !filter.matching.test(group.prefix + sample.name)) continue;
        yield { group, sample };
      }
    }
  }

  /** `name: value` lines, sorted: counters and gauges, then histograms, as Envoy lists them. */
  text(filter: StatsFilter = {}): string {
    const numbers: string[] = [];
    const histograms: string[] = [];
    for (const { group, sample } of this.#samples(filter)) {
      const name = group.prefix + sample.name;
      if (typeof sample.value === 'number') numbers.push(`${name}: ${sample.value}\n`);
      else histograms.push(`${name}: ${histogramText(sample.value)}\n`);
    }
    return [...numbers.sort(), ...histograms.sort()].join('');
  }

  /** The same as JSON: `{"stats": [{"name", "value"}]}`. */
  json(filter: StatsFilter = {}): object {
    const stats: object[] = [];
    for (const { group, sample } of this.#samples(filter)) {
      if (typeof sample.value === 'number') stats.push({ name: group.prefix + sample.name, value: sample.value });
    }
    return { stats };
  }

  /** Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats). */
  prometheus(filter: StatsFilter = {}): string {
    const metrics = new Map<string, { readonly type: string; lines: string }>();
    for (const { group, sample } of this.#samples(filter)) {
      const { name, labels } = metricOf(sample);
      const metric = `envoy_${group.metricPrefix}${name}`.replaceAll(/[^a-zA-Z0-9_]/g, '_');
      const isHistogram = sample.value instanceof Histogram;
      const type = isHistogram ? 'histogram' : isGauge(sample.name) ? 'gauge' : 'counter';
      const known = metrics.get(metric) ?? { type, lines: '' };
      const all = labelText({ ...labels, ...group.labels });
      known.lines += isHistogram
        ? histogramLines(metric, all, sample.value as Histogram)
        : `${metric}{${all}} ${sample.value}\n`;
      metrics.set(metric, known);
    }
    return [...metrics].map(([metric, { type, lines }]) => `# TYPE ${metric} ${type}\n${lines}`).join('');
  }
}
