/** The HTTP connection manager: what all connections and requests of one filter chain share. */
import type { Socket } from 'node:net';
import type { WriteLog } from '../access-log/logger.ts';
import type { Clock } from '../clock.ts';
import type { Random } from '../cluster/balancer.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { HttpConnectionManagerConfig } from '../config/http.ts';
import type { LogType } from '../config/log-filter.ts';
import { makeFilters, type NamedFilter } from '../filters/chain.ts';
import type { FilterContext } from '../filters/filter.ts';
import type { FieldMutation } from '../filters/header-mutation/schema.ts';
import type { RouterContext } from '../filters/router/router.ts';
import type { RequestHead } from '../http/message.ts';
import type { Http1ServerOptions } from '../http1/server-options.ts';
import { type Http2ServerOptions, protocolOptions } from '../http2/options.ts';
import { Http2Stats } from '../http2/stats.ts';
import type { Log } from '../log.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import type { ServerContext } from '../runtime/server-context.ts';
import { countDownstreamClass, type HttpStats, type ListenerHttpStats } from '../stats/groups.ts';
import { type StatsRegistry, statName } from '../stats/registry.ts';
import { HttpTracing, type HttpTracingOptions } from '../tracing/http-tracing.ts';
import type { UpstreamCalls } from '../upstream/calls.ts';
import type { Warming } from '../warming.ts';
import { RequestCleaner } from './clean-request.ts';
import { ResponseFinisher } from './finish-response.ts';
import type { ForwardedOptions } from './forwarded.ts';
import { HttpConnection } from './http-connection.ts';
import { HttpConnections, type SpokenProtocol } from './http-connections.ts';
import { LocalReplies } from './local-reply.ts';
import {
  type ConnectionAge,
  connectionAge,
  endsStreamAlone,
  forwardedOptions,
  type LogMoments,
  logMoments,
  serverOptions,
} from './manager-config.ts';
import type { Route, RouteTable } from './route-table.ts';
import type { DownstreamInfo, StreamInfo } from './stream-info.ts';
import { TimerPool } from './timers.ts';

/** The routes of a connection manager, which change while it runs. */
export interface RouteSource {
  readonly current: RouteTable | undefined;
}

export interface HttpManagerOptions extends ServerContext {
  readonly config: HttpConnectionManagerConfig;
  readonly routes: RouteSource;
  readonly stats: HttpStats;
  /** What the listener counts of it; absent: nothing does. */
  readonly listenerStats?: ListenerHttpStats;
  readonly logs: readonly WriteLog[];
  readonly findCluster: (name: string) => Cluster | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly queue: FlushQueue;
  readonly registry: StatsRegistry;
  readonly calls: UpstreamCalls;
  readonly log: Log;
  /** What the listener waits for before it is used. */
  readonly warming?: Warming;
  /** Bytes of a request's body that are kept for another attempt. */
  readonly bufferLimit: number;
  /** Whether the listener's traffic_direction is OUTBOUND; default: false. */
  readonly isOutbound?: boolean;
  /** The port that the listener is bound to, for `strip_matching_host_port`. */
  readonly listenerPort: number;
  /** Whether connections are asked to leave. */
  readonly isDraining: () => boolean;
}

export class HttpManager {
  readonly routes: RouteSource;
  readonly stats: HttpStats;
  readonly clock: Clock;
  readonly timers: TimerPool;
  readonly queue: FlushQueue;
  readonly localReplies: LocalReplies;
  /** In the order in which requests meet them; the router comes after. */
  readonly filters: readonly NamedFilter[];
  readonly cleaner: RequestCleaner;
  readonly forwarded: ForwardedOptions;
  readonly router: RouterContext;
  readonly finisher: ResponseFinisher;
  /** Undefined where requests are not traced. */
  readonly tracing: HttpTracing | undefined;
  readonly connections: HttpConnections;
  readonly server: Http1ServerOptions;
  readonly http2: Http2ServerOptions;
  /** What the connections of all listeners count. */
  readonly http2Stats: Http2Stats;
  readonly streamIdleMs: number;
  readonly requestTimeoutMs: number;
  /** How long a stream may take in all, where its route does not say; 0: any time. */
  readonly maxStreamMs: number;
  readonly proxiesContinue: boolean;
  readonly isDraining: () => boolean;
  readonly logMoments: LogMoments;
  readonly connectionAge: ConnectionAge;
  /** Whether a connection of HTTP/1.1 goes on after this proxy itself has answered 400. */
  readonly keepsAfterBadRequest: boolean;
  /** Changes of requests before anything else looks at them; undefined where there are none. */
  readonly earlyMutations: readonly FieldMutation[] | undefined;
  readonly #config: HttpConnectionManagerConfig;
  readonly #logs: readonly WriteLog[];
  readonly #listenerStats: ListenerHttpStats | undefined;
  readonly #upgrades: ReadonlyMap<string, boolean>;
  #active = 0;
  #total = 0;

  constructor(options: HttpManagerOptions) {
    const { config, stats, clock, registry } = options;
    this.#config = config;
    this.routes = options.routes;
    this.stats = stats;
    this.clock = clock;
    this.timers = new TimerPool(clock);
    this.queue = options.queue;
    this.isDraining = options.isDraining;
    this.#logs = options.logs;
    this.#listenerStats = options.listenerStats;
    this.localReplies = new LocalReplies(config.local_reply_config, { runtime: options.runtime });
    this.cleaner = new RequestCleaner(config, options.listenerPort, stats);
    this.forwarded = forwardedOptions(config);
    this.finisher = new ResponseFinisher(config, clock);
    this.#upgrades = new Map(
      config.upgrade_configs.map(({ upgrade_type, enabled }) => [upgrade_type.toLowerCase(), enabled]),
    );
    this.streamIdleMs = config.stream_idle_timeout;
    this.requestTimeoutMs = config.request_timeout;
    this.maxStreamMs = config.common_http_protocol_options?.max_stream_duration ?? 0;
    this.proxiesContinue = config.proxy_100_continue;
    this.filters = makeFilters(config.http_filters, this.#filterContext(options));
    this.connections = new HttpConnections(stats, registry);
    this.server = serverOptions(config);
    const http2 = protocolOptions(config.http2_protocol_options);
    this.http2 = {
      ...this.server,
      ...http2,
      invalidMessageEndsStream: endsStreamAlone(config, config.http2_protocol_options),
      flushTimeoutMs: config.stream_idle_timeout,
    };
    this.keepsAfterBadRequest = endsStreamAlone(config, config.http_protocol_options);
    this.logMoments = logMoments(config);
    this.connectionAge = connectionAge(config);
    const mutations = config.early_header_mutation_extensions.flatMap(
      ({ typed_config }) => typed_config.value.mutations,
    );
    this.earlyMutations = mutations.length > 0 ? mutations : undefined;
    this.http2Stats = registry.share('http2.', 'http2_', {}, () => new Http2Stats());
    this.router = this.#routerContext(options);
    this.tracing = config.tracing && new HttpTracing(config.tracing, this.#tracingOptions(options));
  }

  #tracingOptions(options: HttpManagerOptions): HttpTracingOptions {
    const ids = this.#config.request_id_extension?.typed_config.value;
    return {
      ...options,
      statPrefix: statName(this.#config.stat_prefix),
      isOutbound: options.isOutbound ?? false,
      packsReason: ids?.pack_trace_reason ?? true,
      usesRequestId: ids?.use_request_id_for_trace_sampling ?? true,
    };
  }

  #filterContext(options: HttpManagerOptions): Omit<FilterContext, 'name'> {
    return { ...options, stats: options.registry, statPrefix: statName(this.#config.stat_prefix) };
  }

  #routerContext(options: HttpManagerOptions): RouterContext {
    const last = this.#config.http_filters.at(-1)?.typed_config;
    return {
      config: (last?.type === 'router' ? last.value : undefined) ?? {
        suppress_envoy_headers: false,
        dynamic_stats: undefined,
        start_child_span: undefined,
      },
      findCluster: options.findCluster,
      clock: options.clock,
      random: options.random,
      bufferLimit: options.bufferLimit,
      matchesScheme: this.#config.scheme_header_transformation?.match_upstream ?? false,
      onNoCluster: () => {
        this.stats.no_cluster++;
      },
    };
  }

  /** Requests that are being served. */
  get activeRequests(): number {
    return this.#active;
  }

  /** Requests that were ever begun. */
  get totalRequests(): number {
    return this.#total;
  }

  /** Serves a connection. */
  accept(socket: Socket, downstream: DownstreamInfo): HttpConnection {
    const connection = new HttpConnection(this, socket, downstream);
    this.connections.begun(connection, downstream);
    return connection;
  }

  /** Which version of HTTP a connection speaks, where that is known before anything of it came. */
  protocolOf(socket: Socket): SpokenProtocol | 'told-by-bytes' {
    const { codec_type: type } = this.#config;
    if (type === 'HTTP1') return 'http1';
    if (type === 'HTTP2') return 'http2';
    const alpn = 'alpnProtocol' in socket ? socket.alpnProtocol : false;
    if (alpn === 'h2') return 'http2';
    return typeof alpn === 'string' && alpn !== '' ? 'http1' : 'told-by-bytes';
  }

  destroy(): void {
    this.connections.destroy();
    for (const { filter } of this.filters) filter.close?.();
    this.tracing?.close();
  }

  // What exchanges ask.

  begun(head: RequestHead): void {
    this.#active++;
    this.#total++;
    this.stats.downstream_rq_total++;
    if (head.protocol === 'HTTP/2') this.stats.downstream_rq_http2_total++;
    else this.stats.downstream_rq_http1_total++;
    this.stats.downstream_rq_active++;
  }

  ended(info: StreamInfo): void {
    this.#active--;
    this.stats.downstream_rq_active--;
    // Who asks only whether this is in health is no client, and what was never answered did not come to an end.
    if (info.response && !info.isHealthCheck) this.#completed(info, info.response.status);
    this.stats.downstream_rq_time.record(info.endMs - info.startMs);
    this.log(info, 'DownstreamEnd');
  }

  #completed({ responseDetails }: StreamInfo, status: number): void {
    this.stats.downstream_rq_completed++;
    if (responseDetails === 'request_payload_too_large') this.stats.downstream_rq_too_large++;
    const listener = this.#listenerStats;
    if (!listener) return;
    listener.downstream_rq_completed++;
    countDownstreamClass(listener, status);
  }

  log(info: StreamInfo, type: LogType): void {
    info.logType = type;
    for (const write of this.#logs) write(info);
  }

  tunnelBegun(): void {
    this.stats.downstream_cx_upgrades_total++;
    this.stats.downstream_cx_upgrades_active++;
  }

  tunnelEnded(): void {
    this.stats.downstream_cx_upgrades_active--;
  }

  /** Whether what the client wants to switch to may be switched to: the route's word counts before the manager's. */
  allowsUpgrade(head: RequestHead, route: Route): boolean {
    const wanted = head.method === 'CONNECT' ? 'connect' : head.upgrade;
    if (wanted === undefined) return true;
    const ofRoute = route.action.type === 'forward' ? route.action.upgrades.get(wanted) : undefined;
    // A route that answers by itself answers CONNECT too.
    if (route.action.type !== 'forward' && head.method === 'CONNECT') return true;
    return ofRoute ?? this.#upgrades.get(wanted) ?? false;
  }
}
