/** Spans as collectors got them, in a form that can be compared: of OpenTelemetry and of Zipkin. */
import { decode } from '@weft/envoy-api';
import type { Heard } from './recording-services.ts';

export interface ShownSpan {
  readonly endMicros: number;
  readonly text: readonly string[];
}

/** Traces that the cases begin themselves keep their ids. */
const GIVEN = new Set(['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']);

/** Ids that chance made are all the same here. */
export function plainIds(text: string): string {
  return text.replace(/\b(?:[0-9a-f]{32}|[0-9a-f]{16})\b/g, (id) => (GIVEN.has(id) ? id : `<${id.length}>`));
}

const hex = (base64: string | undefined): string => Buffer.from(base64 ?? '', 'base64').toString('hex');

function shownTag(name: string, value: string): string {
  if (name === 'guid:x-request-id') return `${name}=${value.length === 36 ? value[14] : value}`;
  return `${name}=${/address$/.test(name) ? value.replace(/:\d+$/, '') : value}`;
}

/** Spans of the protobuf that collectors of OpenTelemetry get, with the service that they are of. */
export function otlpSpans(body: Buffer): readonly ShownSpan[] {
  const { resource_spans = [] } = decode('opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest', body);
  return resource_spans.flatMap(({ resource, scope_spans = [] }) => {
    const service = resource?.attributes?.find(({ key }) => key === 'service.name')?.value;
    const spans = scope_spans.flatMap((scope) => scope.spans ?? []);
    return spans.map((span) => {
      const tags = (span.attributes ?? []).map(({ key = '', value }) =>
        shownTag(key, String((value as { readonly string_value?: string })?.string_value)),
      );
      return {
        endMicros: Number(BigInt(span.end_time_unix_nano ?? 0) / 1000n),
        text: [
          `service ${JSON.stringify(service)}`,
          `${span.kind} ${span.name}`,
          `trace ${plainIds(hex(span.trace_id))} parent ${plainIds(hex(span.parent_span_id))}`,
          `state ${span.trace_state ?? ''} flags ${span.flags} status ${span.status?.code ?? ''}`,
          ...tags.sort(),
          ...(span.events ?? []).map(({ name }) => `event ${name}`).sort(),
        ],
      };
    });
  });
}

interface ZipkinSpan {
  readonly traceId: string;
  readonly id: string;
  readonly parentId?: string;
  readonly name: string;
  readonly kind: string;
  readonly shared?: boolean;
  readonly timestamp: number;
  readonly duration: number;
  readonly localEndpoint: { readonly serviceName: string };
  readonly annotations: readonly { readonly value: string }[];
  readonly tags: Readonly<Record<string, string>>;
}

/** Spans of the JSON that Zipkin gets. */
export function zipkinSpans(body: Buffer): readonly ShownSpan[] {
  const spans = JSON.parse(body.toString()) as readonly ZipkinSpan[];
  return spans.map((span) => ({
    endMicros: span.timestamp + span.duration,
    text: [
      `service ${span.localEndpoint.serviceName}`,
      `${span.kind} ${span.name} ${span.shared}`,
      `trace ${plainIds(span.traceId)} span ${plainIds(span.id)} parent ${plainIds(span.parentId ?? '')}`,
      ...span.annotations.map(({ value }) => value).sort(),
      ...Object.entries(span.tags)
        .map(([name, value]) => shownTag(name, value))
        .sort(),
    ],
  }));
}

function withoutChance(text: readonly string[]): readonly string[] {
  // An answer that says why nobody could be reached: whether that was told in time is chance.
  return text.includes('response_flags=UF') ? text.filter((line) => !line.startsWith('response_size=')) : text;
}

/** Of everything that collectors heard, in the order in which the spans ended. */
export function shownSpans(heard: readonly Heard[]): readonly (readonly string[])[] {
  return heard
    .flatMap(({ path, body }) => (path.includes('/api/v2/spans') ? zipkinSpans(body) : otlpSpans(body)))
    .sort((a, b) => a.endMicros - b.endMicros)
    .map(({ text }) => withoutChance(text));
}
