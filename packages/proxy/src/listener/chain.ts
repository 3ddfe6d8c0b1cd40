/** One filter chain of a listener, made ready: TLS, and the connection manager or TCP proxy behind it. */
import type { Socket } from 'node:net';
import type { AccessLogs } from '../access-log/logs.ts';
import type { Cancel, Clock } from '../clock.ts';
import type { Random } from '../cluster/balancer.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { HttpConnectionManagerConfig } from '../config/http.ts';
import type { FilterChainConfig, ListenerConfig } from '../config/listener.ts';
import type { TcpProxyConfig } from '../config/tcp.ts';
import { downstreamTlsConfig } from '../config/tls.ts';
import type { Log } from '../log.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import type { ServerContext } from '../runtime/server-context.ts';
import { HttpManager } from '../stack/http-manager.ts';
import { RouteTable } from '../stack/route-table.ts';
import { type DownstreamInfo, StreamInfo } from '../stack/stream-info.ts';
import { HttpStats, ListenerHttpStats, ListenerStats, TcpStats, TlsStats } from '../stats/groups.ts';
import { type StatsRegistry, statName } from '../stats/registry.ts';
import { TcpProxy } from '../tcp/tcp-proxy.ts';
import { DownstreamTls } from '../tls/downstream.ts';
import type { SecretStore } from '../tls/secrets.ts';
import type { UpstreamCalls } from '../upstream/calls.ts';
import type { Warming } from '../warming.ts';
import { NetworkFilters } from './network-filters.ts';
import type { RouteStore, RouteUse } from './routes.ts';

export type TrafficDirection = ListenerConfig['traffic_direction'];

export interface ChainContext extends ServerContext {
  readonly stats: StatsRegistry;
  readonly secrets: SecretStore;
  readonly routes: RouteStore;
  readonly logs: AccessLogs;
  readonly findCluster: (name: string) => Cluster | undefined;
  readonly calls: UpstreamCalls;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  readonly queue: FlushQueue;
  /** Whether connections of that direction are asked to leave; `MODIFY_ONLY`: whatever the server's health is. */
  readonly isDraining: (direction: TrafficDirection, type: ListenerConfig['drain_type']) => boolean;
}

/** What a chain is part of. */
export interface ChainPlace {
  readonly listener: ListenerConfig;
  /** Of the listener, as statistics name it. */
  readonly statPrefix: string;
}

/** What serves the connections of a chain. */
interface Server {
  /** `info`: what network filters found out; undefined where there are none. */
  accept(socket: Socket, downstream: DownstreamInfo, info: StreamInfo | undefined): void;
  /** A network filter did not let a connection through. */
  refused(info: StreamInfo): void;
  /** Asks every connection to leave. */
  drain(): void;
  destroy(): void;
  readonly connections: number;
  /** Requests, or TCP connections, that are being served. */
  readonly active: number;
  /** All that were ever begun. */
  readonly total: number;
}

export class Chain {
  readonly name: string;
  readonly match: FilterChainConfig['filter_chain_match'];
  readonly direction: TrafficDirection;
  readonly tls: DownstreamTls | undefined;
  readonly #filters: NetworkFilters;
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #routes: RouteUse | undefined;
  #users = 1;
  /** How many wait for what may still come to be a connection of it. */
  #held = 0;
  #isRetired = false;
  #isDestroyed = false;
  /** Of the end of what runs on a chain that is retired. */
  #cancelEnd: Cancel = () => undefined;
  #onGone: () => void = () => undefined;

  constructor(config: FilterChainConfig, place: ChainPlace, warming: Warming, context: ChainContext) {
    this.name = config.name;
    this.match = config.filter_chain_match;
    this.direction = place.listener.traffic_direction;
    this.tls = makeTls(config, place, warming, context);
    this.#clock = context.clock;
    this.#filters = new NetworkFilters(config.filters, context);
    const filter = config.filters.at(-1)?.typed_config;
    if (filter?.type === 'http') {
      this.#routes = useRoutes(filter.value, warming, context);
      this.#server = this.#makeHttp(filter.value, place, warming, context);
    } else this.#server = makeTcp(filter?.value as TcpProxyConfig, context);
  }

  #makeHttp(
    config: HttpConnectionManagerConfig,
    { listener, statPrefix }: ChainPlace,
    warming: Warming,
    context: ChainContext,
  ): Server {
    const prefix = statName(config.stat_prefix);
    const manager = new HttpManager({
      ...context,
      warming,
      config,
      routes: this.#routes?.routes ?? {
        current: config.route_config && new RouteTable(config.route_config, context.runtime),
      },
      stats: context.stats.share(
        `http.${prefix}.`,
        'http_',
        { envoy_http_conn_manager_prefix: prefix },
        () => new HttpStats(),
      ),
      listenerStats: context.stats.share(
        `listener.${statPrefix}.http.${prefix}.`,
        'listener_http_',
        { envoy_http_conn_manager_prefix: prefix, envoy_listener_address: statPrefix },
        () => new ListenerHttpStats(),
      ),
      registry: context.stats,
      logs: context.logs.http(config.access_log),
      bufferLimit: listener.per_connection_buffer_limit_bytes,
      listenerPort: listener.address.type === 'tcp' ? listener.address.port : 0,
      isOutbound: this.direction === 'OUTBOUND',
      isDraining: () => this.#isRetired || context.isDraining(this.direction, listener.drain_type),
    });
    return {
      accept(socket, downstream) {
        manager.accept(socket, downstream);
        // Where the start of the connection was looked at first, it is held since.
        if (socket.isPaused()) socket.resume();
      },
      refused: () => manager.connections.refused(),
      drain: () => manager.connections.drain(),
      destroy: () => manager.destroy(),
      get connections() {
        return manager.connections.size;
      },
      get active() {
        return manager.activeRequests;
      },
      get total() {
        return manager.totalRequests;
      },
    };
  }

  /** `known`: what the listener logs of the connection; undefined where it does not. */
  accept(socket: Socket, downstream: DownstreamInfo, known: StreamInfo | undefined): void {
    if (this.#filters.isEmpty) {
      this.#server.accept(socket, downstream, known);
      return;
    }
    const info = known ?? new StreamInfo(downstream, this.#clock.wallMs(), this.#clock.monotonicMs());
    if (this.#filters.admit(socket, info)) this.#server.accept(socket, downstream, info);
    else this.#server.refused(info);
  }

  get connections(): number {
    return this.#server.connections + this.#filters.waiting;
  }

  /** Requests, or TCP connections, that are being served. */
  get active(): number {
    return this.#server.active;
  }

  /** Requests, or TCP connections, that were ever begun. */
  get total(): number {
    return this.#server.total;
  }

  /** Asks every connection to leave: idle ones now, the others after what they serve. TCP connections stay. */
  drain(): void {
    this.#server.drain();
  }

  /** One more listener has the chain. */
  retain(): this {
    this.#users++;
    return this;
  }

  /**
   * One listener less has the chain; the last one's going retires it: clients are told with the next answer to leave,
   * connections that are there `drainMs` later are closed. None is closed sooner, though it may seem idle: a request can
   * be on its way. `onGone` is told at the end, or at once where others still have the chain.
   */
  release(drainMs: number, clock: Clock, onGone: () => void): void {
    if (--this.#users > 0) {
      onGone();
      return;
    }
    this.#isRetired = true;
    this.#onGone = onGone;
    this.#cancelEnd = clock.after(drainMs, () => this.destroy());
    this.onConnectionEnd();
  }

  /** Keeps a chain that retires without connections: one may still come, until {@link letGo}. */
  hold(): void {
    this.#held++;
  }

  letGo(): void {
    this.#held--;
    this.onConnectionEnd();
  }

  /** Told when one of its connections has ended. */
  onConnectionEnd(): void {
    if (this.#isRetired && this.connections === 0 && this.#held === 0) this.destroy();
  }

  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.#isRetired = true;
    this.#cancelEnd();
    this.#filters.destroy();
    this.#server.destroy();
    this.#routes?.close();
    this.tls?.close();
    const onGone = this.#onGone;
    this.#onGone = () => undefined;
    onGone();
  }
}

function useRoutes(
  config: HttpConnectionManagerConfig,
  warming: Warming,
  { routes }: ChainContext,
): RouteUse | undefined {
  return config.rds && routes.use(config.rds.config_source, config.rds.route_config_name, warming, config.stat_prefix);
}

function makeTls(
  config: FilterChainConfig,
  { statPrefix }: ChainPlace,
  warming: Warming,
  { stats, secrets, clock, counts }: ChainContext,
): DownstreamTls | undefined {
  const socket = config.transport_socket?.typed_config;
  if (socket?.type !== 'tls') return undefined;
  const labels = { envoy_listener_address: statPrefix };
  const tlsStats = stats.share(`listener.${statPrefix}.ssl.`, 'listener_ssl_', labels, () => new TlsStats());
  const listenerStats = stats.share(`listener.${statPrefix}.`, 'listener_', labels, () => new ListenerStats());
  return new DownstreamTls({
    config: downstreamTlsConfig(socket.value),
    secrets,
    warming,
    stats: tlsStats,
    clock,
    counts,
    serverNames: config.filter_chain_match?.server_names,
    handshakeMs: config.transport_socket_connect_timeout,
    onTimeout: () => {
      listenerStats.downstream_cx_transport_socket_connect_timeout++;
    },
  });
}

function makeTcp(config: TcpProxyConfig, context: ChainContext): Server {
  const prefix = statName(config.stat_prefix);
  const proxy = new TcpProxy({
    ...context,
    config,
    stats: context.stats.share(`tcp.${prefix}.`, 'tcp_', { envoy_tcp_prefix: prefix }, () => new TcpStats()),
    logs: context.logs.connections(config.access_log),
  });
  return {
    accept: (socket, downstream, info) => proxy.accept(socket, downstream, info),
    refused: (info) => proxy.refused(info),
    drain: () => undefined,
    destroy: () => proxy.destroy(),
    get connections() {
      return proxy.connections;
    },
    get active() {
      return proxy.connections;
    },
    get total() {
      return proxy.totalConnections;
    },
  };
}
