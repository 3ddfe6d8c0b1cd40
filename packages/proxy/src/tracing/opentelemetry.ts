/**
 * Traces by OpenTelemetry's protocol, over gRPC or HTTP
 * (https://opentelemetry.io/docs/specs/otlp/), told to the next service by W3C Trace Context.
 */
import { encode, type Messages } from '@weft/envoy-api';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import { applyChanges } from '../stack/header-changes.ts';
import { StreamInfo } from '../stack/stream-info.ts';
import { callGrpc } from '../upstream/grpc-target.ts';
import { Batch } from './batch.ts';
import type { TraceContext } from './context.ts';
import { IdSource } from './ids.ts';
import type { CollectorConfig, OpenTelemetryConfig } from './schema.ts';
import type { Span } from './span.ts';
import type { Started, Tracer, TracerContext } from './tracer.ts';
import { readTraceparent, writeTraceparent } from './w3c.ts';

const EXPORT = 'opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest';
const GRPC_PATH = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
/** How long a collector may take, where the configuration does not say. */
const DEFAULT_TIMEOUT_MS = 10_000;
const USER_AGENT = 'OTel-OTLP-Exporter-Weft';
const IS_SAMPLED = 1;
/** That the next bit says something. */
const KNOWS_PARENT = 0x100;
const HAS_REMOTE_PARENT = 0x200;

type OtlpSpan = Messages['opentelemetry.proto.trace.v1.Span'];
type KeyValue = Messages['opentelemetry.proto.common.v1.KeyValue'];

/** `tracing.opentelemetry.` */
class OpenTelemetryStats {
  spans_dropped = 0;
  spans_sent = 0;
  timer_flushed = 0;
}

const attribute = (key: string, value: string): KeyValue => ({ key, value: { string_value: value } });

function nanoseconds(atMs: number): string {
  return `${Math.round(atMs * 1000)}000`;
}

const base64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');

function otlpSpan(span: Span): OtlpSpan {
  const { traceId, spanId, parentId, state, isSampled } = span.context;
  const flags = (isSampled ? IS_SAMPLED : 0) | KNOWS_PARENT | (span.hasRemoteParent ? HAS_REMOTE_PARENT : 0);
  return {
    trace_id: base64(traceId),
    span_id: base64(spanId),
    ...(parentId === undefined ? {} : { parent_span_id: base64(parentId) }),
    ...(state === '' ? {} : { trace_state: state }),
    flags,
    name: span.name,
    kind: span.kind === 'server' ? 'SPAN_KIND_SERVER' : 'SPAN_KIND_CLIENT',
    start_time_unix_nano: nanoseconds(span.startMs),
    end_time_unix_nano: nanoseconds(span.endMs),
    attributes: span.tags.map(([key, value]) => attribute(key, value)),
    ...(span.events.length === 0
      ? {}
      : { events: span.events.map(({ name, atMs }) => ({ name, time_unix_nano: nanoseconds(atMs) })) }),
    ...(span.isError ? { status: { code: 'STATUS_CODE_ERROR' as const } } : {}),
  };
}

/** What a collector gets; `serviceName`: as it is to call this service. */
export function otlpRequest(serviceName: string, spans: readonly Span[]): Buffer {
  const attributes = [
    attribute('service.name', serviceName),
    attribute('telemetry.sdk.name', 'weft'),
    attribute('telemetry.sdk.language', 'nodejs'),
  ];
  return encode(EXPORT, {
    resource_spans: [
      { resource: { attributes }, scope_spans: [{ scope: { name: 'weft' }, spans: spans.map(otlpSpan) }] },
    ],
  });
}

type Send = (message: Buffer, signal: AbortSignal) => Promise<void>;

/** What calls of no request stand for. */
const NOBODY = { id: 0, remoteHost: '', remotePort: 0, localHost: '', localPort: 0, tls: undefined };

function sendHttp(service: CollectorConfig, { calls, clock }: TracerContext): Send {
  const { uri, cluster, timeout: timeoutMs } = service.http_uri;
  const [, authority = '', path = ''] = /^https?:\/\/([^/?#]+)([^#]*)/.exec(uri) ?? [];
  const changes = [{ remove: [], add: service.request_headers_to_add }];
  return async (body, signal) => {
    const headers = new HeaderList(['content-type', 'application/x-protobuf', 'user-agent', USER_AGENT]);
    applyChanges(changes, headers, new StreamInfo(NOBODY, clock.wallMs(), clock.monotonicMs()));
    headers.set('content-length', String(body.length));
    const head = new RequestHead('POST', path.startsWith('/') ? path : `/${path}`, authority, 'http', headers);
    head.bodyLength = body.length;
    const answer = await calls.request({ cluster, head, body, timeoutMs }, signal);
    if (answer.head.status !== 200) throw new Error(`the collector answered ${answer.head.status}`);
  };
}

function sender({ grpc_service: target, http_service: service }: OpenTelemetryConfig, context: TracerContext): Send {
  if (service) return sendHttp(service, context);
  if (!target) throw new Error('a tracer needs a collector');
  const timeoutMs = target.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const { calls, clock } = context;
  return async (message, signal) => {
    const info = new StreamInfo(NOBODY, clock.wallMs(), clock.monotonicMs());
    await callGrpc(calls, target, { path: GRPC_PATH, message, timeoutMs }, info, signal);
  };
}

export class OpenTelemetryTracer implements Tracer {
  readonly #ids = new IdSource();
  readonly #batch: Batch;
  readonly #stats: OpenTelemetryStats;

  constructor(config: OpenTelemetryConfig, context: TracerContext) {
    const { registry, clock, log } = context;
    const make = () => new OpenTelemetryStats();
    const stats = registry.share('tracing.opentelemetry.', 'tracing_opentelemetry_', {}, make);
    const send = sender(config, context);
    this.#stats = stats;
    this.#batch = new Batch({
      clock,
      maxWaiting: config.max_cache_size,
      async send(spans, signal) {
        stats.spans_sent += spans.length;
        try {
          await send(otlpRequest(config.service_name, spans), signal);
        } catch (error) {
          log.debug({ error: (error as Error).message }, 'the collector did not take spans');
        }
      },
      onDropped: () => stats.spans_dropped++,
      onTimer: () => stats.timer_flushed++,
    });
  }

  start(headers: HeaderList, isTraced: boolean): Started {
    const parent = readTraceparent(headers);
    const spanId = this.#ids.next(8);
    if (!parent) {
      const traceId = this.#ids.next(16);
      const context = { traceId, spanId, parentId: undefined, isSampled: isTraced, state: '', isRemote: false };
      return { context, hasRemoteParent: false, write: writeTraceparent };
    }
    const isSampled = parent.isSampled && isTraced;
    const context = { ...parent, spanId, parentId: parent.spanId, isSampled, isRemote: false };
    return { context, hasRemoteParent: true, write: writeTraceparent };
  }

  child(parent: TraceContext): TraceContext {
    return { ...parent, spanId: this.#ids.next(8), parentId: parent.spanId, isRemote: false };
  }

  nameOf(operation: string): string {
    return operation;
  }

  report(span: Span): void {
    this.#batch.add(span);
  }

  close(): void {
    this.#batch.close();
  }

  /** What was counted; for tests. */
  get stats(): Readonly<OpenTelemetryStats> {
    return this.#stats;
  }
}
