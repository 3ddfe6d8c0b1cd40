/** The HTTP connection manager: what all connections and requests of one filter chain share. */
import type { Socket } from 'node:net';
import type { WriteLog } from '../access-log/logger.ts';
import type { Clock } from '../clock.ts';
import type { Random } from '../cluster/balancer.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { HttpConnectionManagerConfig } from '../config/http.ts';
import { makeFilters, type NamedFilter } from '../filters/chain.ts';
import type { FilterContext } from '../filters/filter.ts';
import type { RouterContext } from '../filters/router/router.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { reasonPhrase } from '../http/status.ts';
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
import type { Exchange } from './exchange.ts';
import { appendVia, type ForwardedOptions } from './forwarded.ts';
import { HttpConnection } from './http-connection.ts';
import { HttpDate } from './http-date.ts';
import { LocalReplies, type LocalReply } from './local-reply.ts';
import { normalizePath, type PathOptions } from './normalize-path.ts';
import { compileOriginalIp } from './original-ip.ts';
import { type Route, type RouteTable, withoutPort, withoutTrailingDot } from './route-table.ts';
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

function pathOptions(config: HttpConnectionManagerConfig): PathOptions {
  const actions = {
    IMPLEMENTATION_SPECIFIC_DEFAULT: 'keep',
    KEEP_UNCHANGED: 'keep',
    REJECT_REQUEST: 'reject',
    UNESCAPE_AND_REDIRECT: 'redirect',
    UNESCAPE_AND_FORWARD: 'unescape',
  } as const;
  return {
    normalizes: config.normalize_path,
    mergesSlashes: config.merge_slashes,
    escapedSlashes: actions[config.path_with_escaped_slashes_action],
  };
}

function internalAddresses({ internal_address_config: own }: HttpConnectionManagerConfig): (host: string) => boolean {
  if (!own) return () => false;
  // A unix socket has no address.
  return (host) => (host === '' ? own.unix_sockets : own.cidr_ranges.some((range) => range.contains(host)));
}

function forwardedOptions(config: HttpConnectionManagerConfig): ForwardedOptions {
  const none = { subject: false, cert: false, chain: false, dns: false, uri: false };
  return {
    usesRemoteAddress: config.use_remote_address,
    trustedHops: config.xff_num_trusted_hops,
    skipsAppend: config.skip_xff_append,
    detectIp: compileOriginalIp(config.original_ip_detection_extensions.map(({ typed_config }) => typed_config)),
    appendsPort: config.append_x_forwarded_port,
    scheme: config.scheme_header_transformation?.scheme_to_overwrite,
    via: config.via,
    isInternal: internalAddresses(config),
    generatesRequestId: config.generate_request_id,
    preservesRequestId: config.preserve_external_request_id,
    clientCert: config.forward_client_cert_details,
    clientCertDetails: config.set_current_client_cert_details ?? none,
    clientCertElements: new WeakMap(),
  };
}

const refuse = (status: number, details: string): LocalReply => ({ status, body: '', flags: 0, details });
const NO_PATH = refuse(404, 'absolute_path_rejected');
const UNDERSCORES = refuse(400, 'http1.unexpected_underscore');
const BAD_PATH = refuse(400, 'path_normalization_failed');

export class HttpManager {
  readonly routes: RouteSource;
  readonly stats: HttpStats;
  readonly clock: Clock;
  readonly timers: TimerPool;
  readonly queue: FlushQueue;
  readonly localReplies: LocalReplies;
  /** In the order in which requests meet them; the router comes after. */
  readonly filters: readonly NamedFilter[];
  readonly forwarded: ForwardedOptions;
  readonly router: RouterContext;
  /** Undefined where requests are not traced. */
  readonly tracing: HttpTracing | undefined;
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
  readonly #config: HttpConnectionManagerConfig;
  readonly #logs: readonly WriteLog[];
  readonly #listenerStats: ListenerHttpStats | undefined;
  readonly #path: PathOptions;
  readonly #cleansPath: boolean;
  readonly #listenerPort: number;
  readonly #upgrades: ReadonlyMap<string, boolean>;
  readonly #date: HttpDate;
  readonly #connections = new Set<HttpConnection>();
  /** Ends the count of bytes whenever statistics are read, which goes on while there are connections. */
  #stopCounting: (() => void) | undefined;
  readonly #registry: StatsRegistry;
  #active = 0;
  #total = 0;

  constructor(options: HttpManagerOptions) {
    const { config, stats } = options;
    this.#config = config;
    this.#registry = options.registry;
    this.routes = options.routes;
    this.stats = stats;
    this.clock = options.clock;
    this.timers = new TimerPool(options.clock);
    this.queue = options.queue;
    this.isDraining = options.isDraining;
    this.#logs = options.logs;
    this.#listenerStats = options.listenerStats;
    this.#listenerPort = options.listenerPort;
    this.#date = new HttpDate(options.clock);
    this.localReplies = new LocalReplies(config.local_reply_config, { runtime: options.runtime, logType: 'NotSet' });
    this.forwarded = forwardedOptions(config);
    this.#path = pathOptions(config);
    this.#cleansPath = this.#path.normalizes || this.#path.mergesSlashes || this.#path.escapedSlashes !== 'keep';
    this.#upgrades = new Map(
      config.upgrade_configs.map(({ upgrade_type, enabled }) => [upgrade_type.toLowerCase(), enabled]),
    );
    this.streamIdleMs = config.stream_idle_timeout;
    this.requestTimeoutMs = config.request_timeout;
    this.maxStreamMs = config.common_http_protocol_options?.max_stream_duration ?? 0;
    this.proxiesContinue = config.proxy_100_continue;
    this.filters = makeFilters(config.http_filters, this.#filterContext(options));
    this.server = this.#serverOptions();
    this.http2 = {
      ...this.server,
      ...protocolOptions(config.http2_protocol_options),
      flushTimeoutMs: config.stream_idle_timeout,
    };
    this.http2Stats = options.registry.share('http2.', 'http2_', {}, () => new Http2Stats());
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

  #serverOptions(): Http1ServerOptions {
    const config = this.#config;
    const common = config.common_http_protocol_options;
    return {
      maxHeadBytes: config.max_request_headers_kb * 1024,
      maxFields: common?.max_headers_count ?? 100,
      acceptsHttp10: config.http_protocol_options?.accept_http_10 ?? false,
      defaultHostForHttp10: config.http_protocol_options?.default_host_for_http_10 ?? '',
      enableTrailers: config.http_protocol_options?.enable_trailers ?? false,
      allowsCustomMethods: config.http_protocol_options?.allow_custom_methods ?? false,
      maxRequests: common?.max_requests_per_connection ?? 0,
      // A head that does not come is a stream where nothing moves.
      requestHeadersTimeoutMs: config.request_headers_timeout || config.stream_idle_timeout,
      idleTimeoutMs: common?.idle_timeout ?? 3_600_000,
      delayedCloseMs: config.delayed_close_timeout,
    };
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

  get connections(): number {
    return this.#connections.size;
  }

  /** Serves a connection. */
  accept(socket: Socket, downstream: DownstreamInfo): HttpConnection {
    const connection = new HttpConnection(this, socket, downstream);
    this.#connections.add(connection);
    this.#stopCounting ??= this.#registry.onRead(this.#countBytes);
    this.stats.downstream_cx_total++;
    this.stats.downstream_cx_active++;
    if (downstream.tls) {
      this.stats.downstream_cx_ssl_total++;
      this.stats.downstream_cx_ssl_active++;
    }
    return connection;
  }

  readonly #countBytes = (): void => {
    for (const connection of this.#connections) connection.countBytes();
  };

  /** A network filter closed a connection before it came here. */
  refused(): void {
    this.stats.downstream_cx_total++;
    this.stats.downstream_cx_destroy++;
    this.stats.downstream_cx_destroy_local++;
  }

  /** Which version of HTTP a connection speaks, where that is known before anything of it came. */
  protocolOf(socket: Socket): 'http1' | 'http2' | 'told-by-bytes' {
    const { codec_type: type } = this.#config;
    if (type === 'HTTP1') return 'http1';
    if (type === 'HTTP2') return 'http2';
    const alpn = 'alpnProtocol' in socket ? socket.alpnProtocol : false;
    if (alpn === 'h2') return 'http2';
    return typeof alpn === 'string' && alpn !== '' ? 'http1' : 'told-by-bytes';
  }

  /** A connection turned out to speak that version. */
  spoken(protocol: 'http1' | 'http2'): void {
    this.stats[`downstream_cx_${protocol}_total`]++;
    this.stats[`downstream_cx_${protocol}_active`]++;
  }

  /**
   * Counts who ended a connection, and whether a request was being served on it. As Envoy has it, a client that ends it
   * after it was asked to ended it, too: what is closed here alone is what nobody there closes in time.
   */
  countDestroyed(socket: Socket, wasBusy: boolean): void {
    const { stats } = this;
    // A reset is an error that the socket tells of; what is destroyed here has none.
    const isRemote = socket.readableEnded || socket.errored !== null;
    if (isRemote) stats.downstream_cx_destroy_remote++;
    else stats.downstream_cx_destroy_local++;
    if (!wasBusy) return;
    stats.downstream_cx_destroy_active_rq++;
    if (isRemote) stats.downstream_cx_destroy_remote_active_rq++;
    else stats.downstream_cx_destroy_local_active_rq++;
  }

  /** `protocol`: what it came to speak. */
  closed(
    connection: HttpConnection,
    downstream: DownstreamInfo,
    openMs: number,
    protocol: 'http1' | 'http2' | undefined,
  ): void {
    if (!this.#connections.delete(connection)) return;
    if (this.#connections.size === 0) {
      this.#stopCounting?.();
      this.#stopCounting = undefined;
    }
    this.stats.downstream_cx_active--;
    if (protocol) this.stats[`downstream_cx_${protocol}_active`]--;
    this.stats.downstream_cx_destroy++;
    if (downstream.tls) this.stats.downstream_cx_ssl_active--;
    this.stats.downstream_cx_length_ms.record(openMs);
  }

  /** Asks every connection to leave: idle ones now, the others after what they serve. */
  drain(): void {
    for (const connection of this.#connections) connection.drain();
  }

  destroy(): void {
    for (const connection of this.#connections) connection.destroy();
    for (const { filter } of this.filters) filter.close?.();
    this.tracing?.close();
  }

  // What exchanges ask.

  begun({ head }: Exchange, info: StreamInfo): void {
    this.#active++;
    this.#total++;
    this.stats.downstream_rq_total++;
    if (head.protocol === 'HTTP/2') this.stats.downstream_rq_http2_total++;
    else this.stats.downstream_rq_http1_total++;
    this.stats.downstream_rq_active++;
    if (info.request?.protocol === 'HTTP/1.0') info.request.headers.remove('expect');
  }

  ended(_exchange: Exchange, info: StreamInfo): void {
    this.#active--;
    this.stats.downstream_rq_active--;
    this.stats.downstream_rq_completed++;
    const listener = this.#listenerStats;
    if (listener) {
      listener.downstream_rq_completed++;
      if (info.response) countDownstreamClass(listener, info.response.status);
    }
    this.stats.downstream_rq_time.record(info.endMs - info.startMs);
    for (const write of this.#logs) write(info);
  }

  tunnelBegun(): void {
    this.stats.downstream_cx_upgrades_total++;
    this.stats.downstream_cx_upgrades_active++;
  }

  tunnelEnded(): void {
    this.stats.downstream_cx_upgrades_active--;
  }

  /** Brings path and authority into the form that routes match; gives the answer where that cannot be. */
  clean(head: RequestHead): LocalReply | undefined {
    const underscores = this.#config.common_http_protocol_options?.headers_with_underscores_action ?? 'ALLOW';
    if (underscores !== 'ALLOW') {
      if (underscores === 'REJECT_REQUEST' && head.headers.flat.some((text, i) => i % 2 === 0 && text.includes('_'))) {
        return UNDERSCORES;
      }
      head.headers.removeWhere((name) => name.includes('_'));
    }
    if (head.path === '*') {
      this.stats.downstream_rq_non_relative_path++;
      return NO_PATH;
    }
    if (this.#config.strip_trailing_host_dot) head.authority = withoutTrailingDot(head.authority);
    if (this.#config.strip_any_host_port) head.authority = withoutPort(head.authority);
    else if (this.#config.strip_matching_host_port && head.authority.endsWith(`:${this.#listenerPort}`)) {
      head.authority = withoutPort(head.authority);
    }
    return this.#cleansPath && head.path !== '' ? this.#cleanPath(head) : undefined;
  }

  #cleanPath(head: RequestHead): LocalReply | undefined {
    const normalized = normalizePath(head.path, this.#path);
    switch (normalized.type) {
      case 'path':
        head.path = normalized.path;
        return undefined;
      case 'rejected':
        this.stats.downstream_rq_failed_path_normalization++;
        return BAD_PATH;
      case 'redirect':
        this.stats.downstream_rq_redirected_with_normalized_path++;
        return { ...refuse(307, 'path_normalization_failed'), headers: [['location', normalized.path]] };
    }
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

  /** What every response says, whoever made it. */
  finishResponseHead(head: ResponseHead, request: RequestHead | undefined): void {
    const { headers } = head;
    const config = this.#config;
    if (!headers.has('date')) headers.add('date', this.#date.current());
    if (config.server_header_transformation === 'OVERWRITE') headers.set('server', config.server_name);
    else if (config.server_header_transformation === 'APPEND_IF_ABSENT' && !headers.has('server')) {
      headers.add('server', config.server_name);
    }
    if (config.via !== '') appendVia(headers, config.via);
    if (!config.always_set_request_id_in_response) return;
    const id = request?.headers.get('x-request-id');
    if (id !== undefined) headers.set('x-request-id', id);
  }

  violationBody(status: number): string {
    return reasonPhrase(status);
  }
}
