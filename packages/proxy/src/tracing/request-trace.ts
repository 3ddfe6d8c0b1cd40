/**
 * The span of one request, and those of what it does further on, from its first byte to its last
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/observability/tracing).
 */
import { requestField } from '../access-log/operators.ts';
import type { HeaderList } from '../http/header-list.ts';
import type { Protocol, RequestHead, ResponseHead } from '../http/message.ts';
import { isGrpcRequest } from '../stack/grpc.ts';
import { flagsText } from '../stack/response-flags.ts';
import type { Route } from '../stack/route-table.ts';
import type { AttemptFailure, StreamInfo, StreamTrace } from '../stack/stream-info.ts';
import type { TraceContext } from './context.ts';
import type { HttpTracing } from './http-tracing.ts';
import type { Span, SpanEvent } from './span.ts';
import type { Started } from './tracer.ts';

type SpanTag = readonly [name: string, value: string];

const DECORATOR = 'x-envoy-decorator-operation';
const CLIENT_ERROR = 400;
const SERVER_ERROR = 500;
const GRPC_OK = '0';

/** An attempt to reach the upstream, as a span of its own. */
interface Attempt {
  readonly context: TraceContext;
  readonly startMs: number;
  readonly address: string;
  /** '-' before there is a connection. */
  protocol: Protocol | '-';
}

export class RequestTrace implements StreamTrace {
  readonly #tracing: HttpTracing;
  readonly #started: Started;
  readonly #route: Route | undefined;
  #name: string;
  /** What the client is told of the name of this operation. */
  #told: string | undefined;
  #attempt: Attempt | undefined;

  constructor(tracing: HttpTracing, started: Started, head: RequestHead, route: Route | undefined) {
    this.#tracing = tracing;
    this.#started = started;
    this.#route = route;
    const decorator = route?.decorator;
    this.#name = decorator?.operation ?? tracing.nameOf(head);
    this.#told = decorator?.propagate ? decorator.operation : undefined;
    if (tracing.isOutbound) {
      if (this.#told !== undefined) head.headers.set(DECORATOR, this.#told);
    } else this.#takeName(head.headers);
  }

  /** The name that the other side gives the operation goes before the own, and no further. */
  #takeName(headers: HeaderList): void {
    const given = headers.get(DECORATOR);
    if (given === undefined) return;
    headers.remove(DECORATOR);
    if (given === '') return;
    this.#name = given;
    this.#told = undefined;
  }

  get traceId(): string {
    return this.#started.context.traceId;
  }

  get spanId(): string {
    return this.#started.context.spanId;
  }

  /** Tells the upstream of the trace; `address`: the host that this attempt is for. */
  beginAttempt(head: RequestHead, address: string): void {
    const { context, write } = this.#started;
    if (!this.#tracing.spansUpstream) {
      write(head.headers, context);
      return;
    }
    const own = this.#tracing.tracer.child(context);
    this.#attempt = { context: own, startMs: this.#tracing.clock.monotonicMs(), address, protocol: '-' };
    write(head.headers, own);
  }

  connected(protocol: Protocol): void {
    if (this.#attempt) this.#attempt.protocol = protocol;
  }

  /** The attempt is over; `status`: of the upstream's answer, undefined where none came. */
  endAttempt(info: StreamInfo, status: number | undefined, failure?: AttemptFailure): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (!attempt?.context.isSampled) return;
    const tags: SpanTag[] = [
      ['http.protocol', attempt.protocol],
      ['upstream_address', attempt.address],
      ['peer.address', attempt.address],
    ];
    const isError = status === undefined || status >= SERVER_ERROR;
    if (failure) tags.push(['error.reason', failure.reason]);
    this.#addCommon(tags, info, status ?? 0, isError, failure?.flags);
    this.#addCustom(tags, info);
    this.#report(info, {
      context: attempt.context,
      name: `router ${info.cluster} egress`,
      kind: 'client',
      hasRemoteParent: false,
      startMs: attempt.startMs,
      endMs: this.#tracing.clock.monotonicMs(),
      tags,
      events: [],
      isError: (status ?? 0) >= CLIENT_ERROR,
    });
  }

  /** The head of the response, before the client gets it. */
  answered({ headers }: ResponseHead): void {
    if (this.#tracing.isOutbound) {
      const given = headers.get(DECORATOR);
      if (given === undefined) return;
      headers.remove(DECORATOR);
      if (given !== '') this.#name = given;
    } else if (this.#told !== undefined) headers.set(DECORATOR, this.#told);
  }

  /** The request is over: its span goes to the collector. */
  end(info: StreamInfo): void {
    this.endAttempt(info, info.response?.status);
    const { context, hasRemoteParent } = this.#started;
    if (!context.isSampled) return;
    const status = info.response?.status ?? 0;
    const grpcStatus = grpcStatusOf(info);
    const isError = status === 0 || status >= SERVER_ERROR || (grpcStatus !== undefined && grpcStatus !== GRPC_OK);
    this.#report(info, {
      context,
      name: this.#name,
      kind: 'server',
      hasRemoteParent,
      startMs: info.startMs,
      endMs: info.endMs,
      tags: this.#tags(info, status, isError),
      events: this.#tracing.isVerbose ? eventsOf(info) : [],
      isError,
    });
  }

  #tags(info: StreamInfo, status: number, isError: boolean): readonly SpanTag[] {
    const { nodeId, zone, maxPathLength } = this.#tracing;
    const tags: SpanTag[] = [
      ['node_id', nodeId],
      ['zone', zone],
    ];
    if (info.request) addRequest(tags, info.request, info, maxPathLength);
    tags.push(['request_size', String(info.bytesReceived)], ['response_size', String(info.bytesSent)]);
    this.#addCommon(tags, info, status, isError);
    const grpcStatus = grpcStatusOf(info);
    if (grpcStatus !== undefined) {
      tags.push(['grpc.status_code', grpcStatus]);
      const message = info.responseTrailers?.get('grpc-message') ?? info.response?.headers.get('grpc-message');
      if (message !== undefined) tags.push(['grpc.message', message]);
    }
    this.#addCustom(tags, info);
    return tags;
  }

  #addCustom(tags: SpanTag[], info: StreamInfo): void {
    for (const tag of this.#tracing.tagsOf(this.#route)) {
      const value = tag.value(info, this.#route);
      if (value !== '') tags.push([tag.name, value]);
    }
  }

  #addCommon(tags: SpanTag[], info: StreamInfo, status: number, isError: boolean, flags = info.flags): void {
    tags.push(['component', 'proxy']);
    if (info.cluster !== '') tags.push(['upstream_cluster', info.cluster], ['upstream_cluster.name', info.cluster]);
    tags.push(['http.status_code', String(status)], ['response_flags', flagsText(flags)]);
    if (isError) tags.push(['error', 'true']);
  }

  /** Times are those of the clock that never goes back until here. */
  #report(info: StreamInfo, span: Span): void {
    const offset = info.startWallMs - info.startMs;
    this.#tracing.tracer.report({
      ...span,
      startMs: span.startMs + offset,
      endMs: span.endMs + offset,
      events: span.events.map(({ name, atMs }) => ({ name, atMs: atMs + offset })),
    });
  }
}

function grpcStatusOf({ request, response, responseTrailers }: StreamInfo): string | undefined {
  if (!request || !isGrpcRequest(request)) return undefined;
  return responseTrailers?.get('grpc-status') ?? response?.headers.get('grpc-status');
}

function addRequest(tags: SpanTag[], head: RequestHead, info: StreamInfo, maxPathLength: number): void {
  const { headers } = head;
  const path = headers.get('x-envoy-original-path') ?? head.path;
  const scheme = headers.get('x-forwarded-proto') ?? requestField(head, ':scheme') ?? '';
  const id = headers.get('x-request-id');
  if (id !== undefined) tags.push(['guid:x-request-id', id]);
  tags.push(
    ['http.url', `${scheme}://${head.authority}${path.slice(0, maxPathLength)}`],
    ['http.method', head.method],
    ['downstream_cluster', headers.get('x-envoy-downstream-service-cluster') || '-'],
    ['user_agent', headers.get('user-agent') || '-'],
    ['http.protocol', head.protocol],
  );
  if (info.downstream.remoteHost !== '') tags.push(['peer.address', info.downstream.remoteHost]);
  const clientTrace = headers.get('x-client-trace-id');
  if (clientTrace !== undefined) tags.push(['guid:x-client-trace-id', clientTrace]);
  if (!isGrpcRequest(head)) return;
  tags.push(['grpc.path', head.path], ['grpc.authority', head.authority]);
  tags.push(['grpc.content_type', headers.get('content-type') ?? '']);
  const timeout = headers.get('grpc-timeout');
  if (timeout !== undefined) tags.push(['grpc.timeout', timeout]);
}

function eventsOf(info: StreamInfo): readonly SpanEvent[] {
  const events: SpanEvent[] = [];
  const add = (name: string, atMs: number) => {
    if (atMs !== 0) events.push({ name, atMs });
  };
  add('last_downstream_rx_byte_received', info.lastRequestByteMs);
  add('first_upstream_tx_byte_sent', info.firstUpstreamSentMs);
  add('last_upstream_tx_byte_sent', info.lastUpstreamSentMs);
  add('first_upstream_rx_byte_received', info.firstUpstreamReceivedMs);
  add('last_upstream_rx_byte_received', info.lastUpstreamReceivedMs);
  add('first_downstream_tx_byte_sent', info.firstResponseSentMs);
  add('last_downstream_tx_byte_sent', info.lastResponseSentMs);
  return events;
}
