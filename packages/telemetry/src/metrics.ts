/**
 * What telemetry shows at `/metrics`: the edges, as counters and a histogram, and itself. The edges are those of the whole
 * mesh at every instance; where several are scraped, take their maximum and not their sum.
 */
import type { Edge } from '@weft/contracts/bus';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { DURATION_BOUNDS_MS } from './counts.ts';
import type { Edges } from './edges.ts';

const EDGE_LABELS = ['source', 'destination', 'protocol', 'reporter'] as const;

type EdgeLabel = (typeof EDGE_LABELS)[number];

function labelsOf({ source, destination, protocol, reporter }: Edge): Record<EdgeLabel, string> {
  return { source, destination, protocol, reporter: reporter.toLowerCase() };
}

const DURATIONS = {
  name: 'weft_request_duration_milliseconds',
  help: 'Duration of HTTP requests to the last byte of the answer, by edge.',
};

/** One line of the page, in the form in which prom-client prints histograms. */
interface HistogramValue {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly sharedLabels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly metricName: string;
}

function durationsOf(edge: Edge): readonly HistogramValue[] {
  const sharedLabels = labelsOf(edge);
  const { name } = DURATIONS;
  let count = 0;
  const buckets = [...DURATION_BOUNDS_MS, '+Inf'].map((le, index) => {
    count += edge.durationBuckets[index] ?? 0;
    return { labels: { le }, sharedLabels, value: count, metricName: `${name}_bucket` };
  });
  return [
    ...buckets,
    { labels: {}, sharedLabels, value: edge.durationMsSum, metricName: `${name}_sum` },
    { labels: {}, sharedLabels, value: count, metricName: `${name}_count` },
  ];
}

/** A histogram whose counts are those of the edges rather than its own. */
class DurationHistogram extends Histogram<EdgeLabel> {
  readonly #edges: Edges;

  constructor(registry: Registry, edges: Edges) {
    super({ ...DURATIONS, labelNames: [...EDGE_LABELS], buckets: [...DURATION_BOUNDS_MS], registers: [registry] });
    this.#edges = edges;
  }

  /** What prom-client prints, here and in `get`: the base class gives its own counts. */
  async getForPromString(): Promise<object> {
    const values = [...this.#edges.all()].filter(({ protocol }) => protocol === 'http').flatMap(durationsOf);
    return { ...DURATIONS, type: 'histogram', aggregator: 'sum', values };
  }
}

type Sample = readonly [Readonly<Record<string, string>>, number];

function edgeCounter(
  registry: Registry,
  edges: Edges,
  name: string,
  help: string,
  more: readonly string[],
  samples: (edge: Edge) => readonly Sample[],
): void {
  new Counter({
    name,
    help,
    labelNames: [...EDGE_LABELS, ...more],
    registers: [registry],
    collect() {
      this.reset();
      for (const edge of edges.all()) {
        for (const [labels, value] of samples(edge)) this.inc({ ...labelsOf(edge), ...labels }, value);
      }
    },
  });
}

function bytesOf(edge: Edge): readonly Sample[] {
  return [
    [{ direction: 'sent' }, edge.sentBytes],
    [{ direction: 'received' }, edge.receivedBytes],
  ];
}

function byStatus(edge: Edge, label: string): readonly Sample[] {
  return Object.entries(edge.byStatus).map(([status, count]) => [{ [label]: status }, count]);
}

export interface TelemetryMetrics {
  readonly entries: Counter;
  readonly refused: Counter;
}

export function telemetryMetrics(registry: Registry, edges: Edges, streams: () => number): TelemetryMetrics {
  const http = (samples: (edge: Edge) => readonly Sample[]) => (edge: Edge) =>
    edge.protocol === 'http' ? samples(edge) : [];
  const tcp = (samples: (edge: Edge) => readonly Sample[]) => (edge: Edge) =>
    edge.protocol === 'tcp' ? samples(edge) : [];
  const add = edgeCounter.bind(undefined, registry, edges);
  add(
    'weft_requests_total',
    'HTTP requests, by edge; code 0 is one without an answer.',
    ['response_code'],
    http((edge) => byStatus(edge, 'response_code')),
  );
  new DurationHistogram(registry, edges);
  add(
    'weft_http_bytes_total',
    'Bytes of the bodies of HTTP requests (sent) and answers (received), by edge.',
    ['direction'],
    http(bytesOf),
  );
  add(
    'weft_tcp_connections_total',
    "TCP connections that have ended, by edge; flags are Envoy's, - is none.",
    ['response_flags'],
    tcp((edge) => byStatus(edge, 'response_flags')),
  );
  add('weft_tcp_bytes_total', 'Bytes of TCP connections that have ended, by edge.', ['direction'], tcp(bytesOf));
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  gauge('weft_telemetry_edges', 'Edges that are told apart.', () => edges.size);
  gauge('weft_telemetry_streams', 'Access log streams that are open.', streams);
  new Counter({
    name: 'weft_telemetry_overflow_entries_total',
    help: 'Calls counted on the edge "other" since this instance started, because there were too many edges.',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(edges.overflowed);
    },
  });
  const counter = (name: string, help: string) => new Counter({ name, help, registers: [registry] });
  return {
    entries: counter('weft_telemetry_entries_total', 'Access log entries that were read.'),
    refused: counter('weft_telemetry_refused_messages_total', 'Access log messages that could not be read.'),
  };
}
