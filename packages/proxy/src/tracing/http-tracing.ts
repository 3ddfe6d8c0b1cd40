/** Tracing as a connection manager does it: which requests, by which tracer, with which tags. */
import type { Clock } from '../clock.ts';
import type { Share } from '../config/runtime.ts';
import type { RequestHead } from '../http/message.ts';
import type { Route } from '../stack/route-table.ts';
import type { TraceContext } from './context.ts';
import { OpenTelemetryTracer } from './opentelemetry.ts';
import { reasonOf, shareOf, type TraceReason, withReason } from './request-id.ts';
import { RequestTrace } from './request-trace.ts';
import type { ManagerTracingConfig, TracerConfig } from './schema.ts';
import { mergeTags, type Tag } from './tags.ts';
import type { Started, Tracer, TracerContext } from './tracer.ts';
import { ZipkinTracer } from './zipkin.ts';

/** `http.<stat prefix>.tracing.` */
export class HttpTracingStats {
  client_enabled = 0;
  health_check = 0;
  not_traceable = 0;
  random_sampling = 0;
  service_forced = 0;
}

const COUNTED = {
  'not-traceable': 'not_traceable',
  sampling: 'random_sampling',
  'service-forced': 'service_forced',
  'client-forced': 'client_enabled',
} as const satisfies { readonly [R in TraceReason]: keyof HttpTracingStats };

export interface HttpTracingOptions extends TracerContext {
  readonly statPrefix: string;
  readonly nodeId: string;
  readonly zone: string;
  /** Whether requests go out into the mesh here: of a listener whose traffic_direction is OUTBOUND. */
  readonly isOutbound: boolean;
  /** Whether the reason of a trace is written into the request id. */
  readonly packsReason: boolean;
  /** Whether the request id decides whether a request is one of a share; else chance does. */
  readonly usesRequestId: boolean;
  readonly random: () => number;
}

const NO_CONTEXT: TraceContext = {
  traceId: '',
  spanId: '',
  parentId: undefined,
  isSampled: false,
  state: '',
  isRemote: false,
};
const NOT_STARTED: Started = { context: NO_CONTEXT, hasRemoteParent: false, write: () => undefined };

/** That of a manager without a provider: traces that others began go through as they came. */
const NO_TRACER: Tracer = {
  start: () => NOT_STARTED,
  child: (parent) => parent,
  nameOf: (operation) => operation,
  report: () => undefined,
  close: () => undefined,
};

function makeTracer(config: TracerConfig, context: TracerContext): Tracer {
  switch (config.type) {
    case 'opentelemetry':
      return new OpenTelemetryTracer(config.value, context);
    case 'zipkin':
      return new ZipkinTracer(config.value, context);
  }
}

interface Sampling {
  readonly client_sampling: Share;
  readonly random_sampling: Share;
  readonly overall_sampling: Share;
}

export class HttpTracing {
  readonly tracer: Tracer;
  readonly clock: Clock;
  readonly isOutbound: boolean;
  readonly isVerbose: boolean;
  readonly spansUpstream: boolean;
  readonly nodeId: string;
  readonly zone: string;
  readonly maxPathLength: number;
  readonly #config: ManagerTracingConfig;
  readonly #options: HttpTracingOptions;
  readonly #stats: HttpTracingStats;
  readonly #operation: string;
  readonly #tags = new WeakMap<Route, readonly Tag[]>();

  constructor(config: ManagerTracingConfig, options: HttpTracingOptions) {
    this.#config = config;
    this.#options = options;
    this.tracer = config.provider ? makeTracer(config.provider.typed_config, options) : NO_TRACER;
    this.clock = options.clock;
    this.isOutbound = options.isOutbound;
    this.isVerbose = config.verbose;
    this.spansUpstream = config.spawn_upstream_span;
    this.nodeId = options.nodeId;
    this.zone = options.zone;
    this.maxPathLength = config.max_path_tag_length;
    this.#operation = options.isOutbound ? 'egress' : 'ingress';
    const { registry, statPrefix } = options;
    const labels = { envoy_http_conn_manager_prefix: statPrefix };
    const make = () => new HttpTracingStats();
    this.#stats = registry.share(`http.${statPrefix}.tracing.`, 'http_tracing_', labels, make);
  }

  /** Begins the part of a request, whose route is known as far as it is now. */
  begin(head: RequestHead, route: Route | undefined): RequestTrace {
    const reason = this.#reason(head, route?.tracing ?? this.#config);
    this.#stats[COUNTED[reason]]++;
    const started = this.tracer.start(head.headers, reason !== 'not-traceable');
    return new RequestTrace(this, started, head, route);
  }

  /** Why a request is traced; the request id says so from here on. */
  #reason({ headers }: RequestHead, sampling: Sampling): TraceReason {
    const id = headers.get('x-request-id');
    const place = shareOf(id);
    if (id === undefined || place === undefined) return 'not-traceable';
    const { usesRequestId, packsReason, random } = this.#options;
    const isOf = ({ numerator, denominator }: Share, isByChance: boolean): boolean =>
      (usesRequestId && !isByChance ? place % denominator : Math.floor(random() * denominator)) < numerator;
    const before = packsReason ? reasonOf(id) : 'not-traceable';
    let reason = before;
    if (reason === 'not-traceable') {
      if (headers.has('x-client-trace-id') && isOf(sampling.client_sampling, true)) reason = 'client-forced';
      else if (headers.has('x-envoy-force-trace')) reason = 'service-forced';
      else if (isOf(sampling.random_sampling, false)) reason = 'sampling';
    }
    if (reason !== 'not-traceable' && !isOf(sampling.overall_sampling, false)) reason = 'not-traceable';
    if (packsReason && reason !== before) headers.set('x-request-id', withReason(id, reason));
    return reason;
  }

  nameOf(head: RequestHead): string {
    return this.tracer.nameOf(this.#operation, head.authority);
  }

  tagsOf(route: Route | undefined): readonly Tag[] {
    const own = route?.tracing?.custom_tags;
    if (!route || !own) return this.#config.custom_tags;
    const known = this.#tags.get(route);
    if (known) return known;
    const tags = mergeTags(own, this.#config.custom_tags);
    this.#tags.set(route, tags);
    return tags;
  }

  close(): void {
    this.tracer.close();
  }
}
