/** One connection through the TCP proxy. */
import type { Socket } from 'node:net';
import type { Clock, Deadline } from '../clock.ts';
import type { Random } from '../cluster/balancer.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import type { TcpProxyConfig } from '../config/tcp.ts';
import { breakOff } from '../net/break-off.ts';
import { type ConnectFailure, Connecting } from '../net/connect.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import type { PausedClient } from '../net/paused-clients.ts';
import { FLAG } from '../stack/response-flags.ts';
import type { StreamInfo } from '../stack/stream-info.ts';
import type { ClusterStats, TcpStats } from '../stats/groups.ts';
import { carry } from './carry.ts';
import { ConnectionPick, type ConnectionPolicy } from './connection-pick.ts';

/** How long a side may take nothing of what is left for it, once the other one is gone. */
const STALLED_MS = 30_000;

/** Either side may end what it sends, and go on to read. */
const HALF_OPEN: PausedClient = { leaves: 'broken' };

/** So many times the first wait are the longest one, where that is not said. */
const BACK_OFF_GROWTH = 10;

export interface TcpSessionOptions {
  readonly config: TcpProxyConfig;
  readonly stats: TcpStats;
  readonly queue: FlushQueue;
  readonly clock: Clock;
  readonly random: Random;
  readonly cluster: Cluster | undefined;
  readonly policy: ConnectionPolicy;
  readonly idle: (onIdle: () => void) => Deadline;
  readonly idleMs: number;
  /** There is a connection to the cluster. */
  readonly onConnected: () => void;
  readonly onEnd: () => void;
}

export class TcpSession {
  readonly #client: Socket;
  readonly #info: StreamInfo;
  readonly #options: TcpSessionOptions;
  readonly #idle: Deadline;
  /** Ends the session however busy it is; undefined where it may last. */
  readonly #longest: Deadline | undefined;
  readonly #pick: ConnectionPick;
  #connecting: Connecting | undefined;
  #cancelBackOff: (() => void) | undefined;
  #upstream: Socket | undefined;
  #host: Host | undefined;
  #attempts = 0;
  /** The upstream ended what it sends after the client had. */
  #isUpstreamLast = false;
  #isOver = false;

  constructor(client: Socket, info: StreamInfo, options: TcpSessionOptions) {
    this.#client = client;
    this.#info = info;
    this.#options = options;
    this.#pick = new ConnectionPick(info, options.policy);
    this.#idle = options.idle(() => {
      options.stats.idle_timeout++;
      this.#end();
    });
    const longestMs = options.config.max_downstream_connection_duration;
    if (longestMs === undefined) return;
    this.#longest = options.idle(() => {
      options.stats.max_downstream_connection_duration++;
      this.#giveUp(FLAG.DT);
    });
    const { max_downstream_connection_duration_jitter_percentage: jitter } = options.config;
    this.#longest.set(longestMs * (1 + (options.random() * (jitter?.value ?? 0)) / 100));
  }

  start(): void {
    const client = this.#client;
    // Nothing is read before there is somebody to take it; a client that leaves meanwhile is seen all the same.
    client.on('pause', () => this.#options.queue.paused.add(client, HALF_OPEN));
    client.pause();
    client.on('error', () => this.#onClientGone());
    client.on('close', () => this.#onClientGone());
    this.#idle.set(this.#options.idleMs);
    this.#connect();
  }

  destroy(): void {
    this.#end();
  }

  #connect(): void {
    const { cluster, config, stats } = this.#options;
    if (!cluster) {
      stats.downstream_cx_no_route++;
      this.#giveUp(FLAG.NC);
      return;
    }
    if (cluster.limits.connections >= cluster.limits.maxConnections) {
      cluster.stats.upstream_cx_overflow++;
      this.#giveUp(FLAG.UO);
      return;
    }
    const host = cluster.pick(this.#pick);
    if (!host) {
      cluster.stats.upstream_cx_none_healthy++;
      this.#giveUp(FLAG.UH);
      return;
    }
    if (this.#attempts++ >= config.max_connect_attempts) {
      cluster.stats.upstream_cx_connect_attempts_exceeded++;
      this.#giveUp(FLAG.UF | FLAG.URX);
      return;
    }
    this.#begin(cluster, host);
  }

  #begin(cluster: Cluster, host: Host): void {
    const startedMs = this.#options.clock.monotonicMs();
    this.#host = host;
    this.#pick.tried.push(host);
    this.#info.attempts = this.#attempts;
    this.#info.upstreamHost = host.key;
    this.#info.host = host;
    this.#info.clusterConfig = cluster.config;
    cluster.limits.countConnection(host, 1);
    cluster.stats.upstream_cx_total++;
    cluster.stats.upstream_cx_active++;
    cluster.stats.upstream_rq_pending_total++;
    host.connectionsActive++;
    host.connectionsTotal++;
    this.#connecting = new Connecting(
      host.address,
      {
        onConnected: (socket) => {
          cluster.stats.upstream_cx_connect_ms.record(this.#options.clock.monotonicMs() - startedMs);
          cluster.stats.upstream_rq_total++;
          host.outlier?.connected(true);
          if (cluster.config.close_connections_on_host_health_failure) this.#endWith(host);
          this.#onConnected(socket);
        },
        onConnectFailed: (failure) => this.#onConnectFailed(cluster, host, failure),
      },
      cluster.connectOf(host, this.#info.downstream),
    );
  }

  #onConnectFailed(cluster: Cluster, host: Host, failure: ConnectFailure): void {
    host.connectFailures++;
    cluster.stats.upstream_cx_connect_fail++;
    if (failure.type === 'connect-timeout') cluster.stats.upstream_cx_connect_timeout++;
    if (failure.type === 'connect-timeout') host.outlier?.timedOut();
    else host.outlier?.unreachable();
    cluster.stats.upstream_rq_pending_failure_eject++;
    this.#info.upstreamFailure = failure.text;
    this.#releaseUpstream(failure.type === 'connect-failure');
    if (this.#attempts < this.#options.config.max_connect_attempts) this.#connectAgain();
    else {
      cluster.stats.upstream_cx_connect_attempts_exceeded++;
      this.#giveUp(FLAG.UF | FLAG.URX);
    }
  }

  #connectAgain(): void {
    const { clock, config, random } = this.#options;
    const { base_interval: baseMs, max_interval: maxMs } = config.backoff_options ?? {};
    if (baseMs === undefined) {
      this.#connect();
      return;
    }
    const boundMs = Math.min(maxMs ?? baseMs * BACK_OFF_GROWTH, baseMs * 2 ** (this.#attempts - 1));
    this.#cancelBackOff = clock.after(random() * boundMs, () => this.#connect());
  }

  #onConnected(upstream: Socket): void {
    const { stats, cluster } = this.#options;
    const info = this.#info;
    this.#connecting = undefined;
    this.#upstream = upstream;
    if (info.host) info.reached(info.host);
    info.upstreamSocket = upstream;
    info.upstreamLocalAddress = `${upstream.localAddress ?? ''}:${upstream.localPort ?? ''}`;
    this.#carry(this.#client, upstream, (bytes) => {
      info.bytesReceived += bytes;
      stats.downstream_cx_rx_bytes_total += bytes;
      if (cluster) cluster.stats.upstream_cx_tx_bytes_total += bytes;
    });
    this.#carry(upstream, this.#client, (bytes) => {
      info.bytesSent += bytes;
      stats.downstream_cx_tx_bytes_total += bytes;
      if (cluster) cluster.stats.upstream_cx_rx_bytes_total += bytes;
    });
    upstream.once('end', () => {
      this.#isUpstreamLast = this.#client.readableEnded;
    });
    upstream.on('error', () => this.#onUpstreamGone());
    upstream.on('close', () => this.#onUpstreamGone());
    this.#client.resume();
    this.#options.onConnected();
  }

  /** Has the session end with its host's health. */
  #endWith(host: Host): void {
    host.onFailed ??= new Set();
    host.onFailed.add(this.#onHostFailed);
  }

  readonly #onHostFailed = (): void => this.#end();

  /** One direction: what comes from one goes to the other, no faster than that takes it, and so does its end. */
  #carry(from: Socket, to: Socket, count: (bytes: number) => void): void {
    const { queue, idleMs } = this.#options;
    carry(from, to, queue, (bytes) => {
      count(bytes);
      this.#idle.set(idleMs);
    });
  }

  /** A side that said its end before it went has sent everything: the other one gets it all, and a proper end. */
  #onClientGone(): void {
    if (this.#isOver) return;
    const isClean = this.#client.readableEnded;
    if (!isClean) this.#info.flags |= FLAG.DC;
    this.#end(isClean ? 'flush' : 'reset', isClean && this.#isUpstreamLast);
  }

  #onUpstreamGone(): void {
    if (this.#isOver) return;
    const isClean = this.#upstream?.readableEnded === true;
    if (!isClean) this.#info.flags |= this.#upstream?.errored ? FLAG.UR : FLAG.UC;
    this.#end(isClean ? 'flush' : 'reset', !isClean || this.#isUpstreamLast);
  }

  #giveUp(flags: number): void {
    this.#info.flags |= flags;
    this.#end();
  }

  /** `isRemote`: the far side ended it. */
  #releaseUpstream(isRemote: boolean): void {
    const { cluster } = this.#options;
    if (!this.#host || !cluster) return;
    this.#host.connectionsActive--;
    this.#host.onFailed?.delete(this.#onHostFailed);
    cluster.limits.countConnection(this.#host, -1);
    this.#host = undefined;
    countEnd(cluster.stats, isRemote, this.#upstream !== undefined);
  }

  /** `reset`: one side broke off, and the other must not take that for an end. `isRemote`: the upstream ended last. */
  #end(how: 'flush' | 'reset' | 'close' = 'close', isRemote = false): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#idle.dispose();
    this.#longest?.dispose();
    this.#connecting?.cancel();
    this.#cancelBackOff?.();
    this.#releaseUpstream(isRemote);
    for (const socket of [this.#upstream, this.#client]) if (socket) endSocket(socket, how);
    this.#options.onEnd();
  }
}

/** `isBusy`: it carried a connection of a client. */
function countEnd(stats: ClusterStats, isRemote: boolean, isBusy: boolean): void {
  stats.upstream_cx_active--;
  stats.upstream_cx_destroy++;
  if (isRemote) stats.upstream_cx_destroy_remote++;
  else stats.upstream_cx_destroy_local++;
  if (!isBusy) return;
  stats.upstream_cx_destroy_with_active_rq++;
  if (isRemote) stats.upstream_cx_destroy_remote_with_active_rq++;
  else stats.upstream_cx_destroy_local_with_active_rq++;
}

function endSocket(socket: Socket, how: 'flush' | 'reset' | 'close'): void {
  if (how === 'flush') {
    // Whoever takes nothing of what is left does not keep its connection for ever.
    socket.setTimeout(STALLED_MS, () => socket.destroy());
    socket.destroySoon();
  } else if (how === 'reset') breakOff(socket);
  else socket.destroy();
}
