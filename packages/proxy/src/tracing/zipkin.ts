/** Traces in Zipkin's second format of JSON over HTTP (https://zipkin.io/zipkin-api/), told on by B3. */
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import { UpstreamCallError } from '../upstream/calls.ts';
import { readB3, writeB3 } from './b3.ts';
import { Batch } from './batch.ts';
import type { TraceContext } from './context.ts';
import { IdSource } from './ids.ts';
import type { ZipkinConfig } from './schema.ts';
import type { Span } from './span.ts';
import type { Started, Tracer, TracerContext } from './tracer.ts';

const TIMEOUT_MS = 5000;
const MAX_WAITING = 1024;
const ACCEPTED = 202;

/** `tracing.zipkin.` */
class ZipkinStats {
  reports_dropped = 0;
  reports_failed = 0;
  reports_sent = 0;
  reports_skipped_no_cluster = 0;
  spans_dropped = 0;
  spans_sent = 0;
  timer_flushed = 0;
}

const micros = (atMs: number): number => Math.round(atMs * 1000);

const writeOne = (headers: HeaderList, context: TraceContext): void => writeB3(headers, context, true);
const writeSeveral = (headers: HeaderList, context: TraceContext): void => writeB3(headers, context, false);

/** One span as Zipkin reads it. `isShared`: whether servers go on with the span of their clients. */
export function zipkinSpan(span: Span, serviceName: string, isShared: boolean): object {
  const { traceId, spanId, parentId } = span.context;
  const isServer = span.kind === 'server';
  const done = { timestamp: micros(span.endMs), value: isServer ? 'ss' : 'cr' };
  const events = span.events.map(({ name, atMs }) => ({ timestamp: micros(atMs), value: name }));
  return {
    traceId,
    id: spanId,
    ...(parentId === undefined ? {} : { parentId }),
    name: span.name,
    kind: isServer ? 'SERVER' : 'CLIENT',
    timestamp: micros(span.startMs),
    duration: Math.max(1, micros(span.endMs) - micros(span.startMs)),
    localEndpoint: { serviceName },
    annotations: [...events, done],
    tags: Object.fromEntries(span.tags),
    ...(isServer && isShared ? { shared: true } : {}),
  };
}

export class ZipkinTracer implements Tracer {
  readonly #config: ZipkinConfig;
  readonly #context: TracerContext;
  readonly #ids = new IdSource();
  readonly #stats: ZipkinStats;
  readonly #batch: Batch;

  constructor(config: ZipkinConfig, context: TracerContext) {
    this.#config = config;
    this.#context = context;
    this.#stats = context.registry.share('tracing.zipkin.', 'tracing_zipkin_', {}, () => new ZipkinStats());
    const stats = this.#stats;
    this.#batch = new Batch({
      clock: context.clock,
      maxWaiting: MAX_WAITING,
      send: (spans, signal) => this.#send(spans, signal),
      onDropped: () => stats.spans_dropped++,
      onTimer: () => stats.timer_flushed++,
    });
  }

  start(headers: HeaderList, isTraced: boolean): Started {
    const { isSingle, isSampled: told, context: came } = readB3(headers, isTraced);
    const write = isSingle ? writeOne : writeSeveral;
    const isSampled = told ?? isTraced;
    if (!came) {
      const spanId = this.#ids.next(8);
      const traceId = this.#config.trace_id_128bit ? this.#ids.next(8) + spanId : spanId;
      const context = { traceId, spanId, parentId: undefined, isSampled, state: '', isRemote: false };
      return { context, hasRemoteParent: false, write };
    }
    const isShared = this.#config.shared_span_context;
    const own = isShared ? came : { ...came, spanId: this.#ids.next(8), parentId: came.spanId };
    return { context: { ...own, isRemote: false }, hasRemoteParent: true, write };
  }

  child(parent: TraceContext): TraceContext {
    return { ...parent, spanId: this.#ids.next(8), parentId: parent.spanId };
  }

  nameOf(_operation: string, authority: string): string {
    return authority;
  }

  report(span: Span): void {
    this.#batch.add(span);
  }

  async #send(spans: readonly Span[], signal: AbortSignal): Promise<void> {
    const { collector_cluster: cluster, collector_hostname: host, collector_endpoint: path } = this.#config;
    const { serviceCluster, log } = this.#context;
    const stats = this.#stats;
    const body = Buffer.from(
      JSON.stringify(spans.map((span) => zipkinSpan(span, serviceCluster, this.#config.shared_span_context))),
    );
    const headers = new HeaderList(['content-type', 'application/json', 'content-length', String(body.length)]);
    const head = new RequestHead('POST', path, host || cluster, 'http', headers);
    head.bodyLength = body.length;
    stats.spans_sent += spans.length;
    try {
      const answer = await this.#context.calls.request({ cluster, head, body, timeoutMs: TIMEOUT_MS }, signal);
      if (answer.head.status === ACCEPTED) stats.reports_sent++;
      else stats.reports_dropped++;
    } catch (error) {
      if (error instanceof UpstreamCallError && error.type === 'no-cluster') stats.reports_skipped_no_cluster++;
      else stats.reports_failed++;
      log.debug({ error: (error as Error).message }, 'the collector did not take spans');
    }
  }

  close(): void {
    this.#batch.close();
  }
}
