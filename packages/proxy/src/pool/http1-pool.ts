/**
 * Connections to one host that speak HTTP/1.1: kept while they are of use, made when they are needed, and never more
 * than the cluster's limits allow.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import type { Host } from '../cluster/host.ts';
import type { ClusterLimits } from '../cluster/limits.ts';
import type { UpstreamReset } from '../http/stream.ts';
import {
  type ClientConnectionOwner,
  type ClosedCause,
  Http1ClientConnection,
  type Http1ClientOptions,
} from '../http1/client-connection.ts';
import { type ConnectFailure, Connecting, type ConnectOptions } from '../net/connect.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import type { ClusterStats } from '../stats/groups.ts';
import type { Pool, PoolWaiter } from './pool.ts';

/** What the pools of one cluster share. */
export interface PoolContext {
  readonly stats: ClusterStats;
  readonly limits: ClusterLimits;
  readonly connect: ConnectOptions;
  readonly http1: Http1ClientOptions;
  readonly queue: FlushQueue;
  readonly clock: Clock;
}

interface Pending {
  readonly connecting: Connecting;
  readonly startedMs: number;
}

const unsent = (type: UpstreamReset['type'], text = ''): UpstreamReset => ({
  type,
  text,
  isUnsent: true,
  isReused: false,
});

export class Http1Pool implements Pool, ClientConnectionOwner {
  readonly #host: Host;
  readonly #context: PoolContext;
  /** The last one used is the first to be used again, so that those that are too many grow idle and go. */
  readonly #idle: Http1ClientConnection[] = [];
  readonly #busy = new Set<Http1ClientConnection>();
  readonly #waiters: PoolWaiter[] = [];
  readonly #connecting = new Set<Pending>();
  readonly #openedMs = new WeakMap<Http1ClientConnection, number>();
  #isDraining = false;

  constructor(host: Host, context: PoolContext) {
    this.#host = host;
    this.#context = context;
  }

  /** Gives a connection to the waiter: at once, where one is unused, or when one is there. */
  acquire(waiter: PoolWaiter): void {
    const { limits, stats } = this.#context;
    if (limits.requests >= limits.maxRequests) {
      stats.upstream_rq_pending_overflow++;
      waiter.onPoolFailure(unsent('overflow'));
      return;
    }
    const connection = this.#takeIdle();
    if (connection) {
      this.#give(connection, waiter);
      return;
    }
    if (limits.pending >= limits.maxPending) {
      stats.upstream_rq_pending_overflow++;
      waiter.onPoolFailure(unsent('overflow'));
      return;
    }
    limits.pending++;
    stats.upstream_rq_pending_total++;
    stats.upstream_rq_pending_active++;
    this.#waiters.push(waiter);
    this.#connectIfNeeded();
  }

  /** Takes a waiter back that has not been given a connection. */
  cancel(waiter: PoolWaiter): void {
    const index = this.#waiters.indexOf(waiter);
    if (index === -1) return;
    this.#waiters.splice(index, 1);
    this.#leftQueue();
    this.#context.stats.upstream_rq_cancelled++;
    for (const pending of this.#connecting) {
      if (this.#connecting.size <= this.#waiters.length) return;
      this.#stopConnecting(pending);
      pending.connecting.cancel();
    }
  }

  /** Makes no more connections; those that are busy finish what they do. */
  drain(): void {
    this.#isDraining = true;
    for (const connection of [...this.#idle, ...this.#busy]) connection.drain();
  }

  /** Ends everything now. */
  destroy(): void {
    this.drain();
    for (const pending of this.#connecting) {
      this.#stopConnecting(pending);
      pending.connecting.cancel();
    }
    for (const waiter of this.#waiters.splice(0)) this.#failWaiter(waiter, unsent('local'));
    for (const connection of [...this.#busy]) connection.socket.destroy();
  }

  #takeIdle(): Http1ClientConnection | undefined {
    let connection = this.#idle.pop();
    while (connection && !connection.isUsable) connection = this.#idle.pop();
    return connection;
  }

  #give(connection: Http1ClientConnection, waiter: PoolWaiter): void {
    this.#busy.add(connection);
    waiter.onPoolReady(connection);
  }

  #connectIfNeeded(): void {
    const { limits, stats } = this.#context;
    while (this.#connecting.size < this.#waiters.length) {
      const hasSome = this.#connecting.size + this.#busy.size + this.#idle.length > 0;
      // Each host may have one whatever the limit, or its requests would wait for ever.
      if (limits.connections >= limits.maxConnections && hasSome) {
        stats.upstream_cx_overflow++;
        return;
      }
      this.#connect();
    }
  }

  #connect(): void {
    const { stats, limits, clock } = this.#context;
    limits.connections++;
    stats.upstream_cx_total++;
    stats.upstream_cx_http1_total++;
    stats.upstream_cx_active++;
    this.#host.connectionsActive++;
    this.#host.connectionsTotal++;
    const pending: Pending = {
      startedMs: clock.monotonicMs(),
      connecting: new Connecting(
        this.#host.address,
        {
          onConnected: (socket) => this.#onConnected(pending, socket),
          onConnectFailed: (failure) => this.#onConnectFailed(pending, failure),
        },
        this.#context.connect,
      ),
    };
    this.#connecting.add(pending);
  }

  #onConnected(pending: Pending, socket: Socket): void {
    const { stats, clock, http1, queue } = this.#context;
    this.#connecting.delete(pending);
    const nowMs = clock.monotonicMs();
    stats.upstream_cx_connect_ms.record(nowMs - pending.startedMs);
    const connection = new Http1ClientConnection(socket, this, http1, queue, clock);
    this.#openedMs.set(connection, nowMs);
    this.onIdle(connection);
  }

  #onConnectFailed(pending: Pending, failure: ConnectFailure): void {
    const { stats } = this.#context;
    this.#stopConnecting(pending);
    this.#host.connectFailures++;
    stats.upstream_cx_connect_fail++;
    if (failure.type === 'connect-timeout') stats.upstream_cx_connect_timeout++;
    while (this.#waiters.length > this.#connecting.size) {
      stats.upstream_rq_pending_failure_eject++;
      this.#failWaiter(this.#waiters.shift() as PoolWaiter, unsent(failure.type, failure.text));
    }
  }

  #stopConnecting(pending: Pending): void {
    if (!this.#connecting.delete(pending)) return;
    this.#connectionGone();
  }

  #connectionGone(): void {
    const { stats, limits } = this.#context;
    limits.connections--;
    stats.upstream_cx_active--;
    stats.upstream_cx_destroy++;
    this.#host.connectionsActive--;
  }

  #leftQueue(): void {
    this.#context.limits.pending--;
    this.#context.stats.upstream_rq_pending_active--;
  }

  #failWaiter(waiter: PoolWaiter, reset: UpstreamReset): void {
    this.#leftQueue();
    waiter.onPoolFailure(reset);
  }

  // What connections tell.

  onIdle(connection: Http1ClientConnection): void {
    this.#busy.delete(connection);
    const waiter = this.#waiters.shift();
    if (waiter) {
      this.#leftQueue();
      this.#give(connection, waiter);
    } else if (this.#isDraining) connection.drain();
    else this.#idle.push(connection);
  }

  onClosed(connection: Http1ClientConnection, cause: ClosedCause): void {
    const { stats, clock } = this.#context;
    const wasBusy = this.#busy.delete(connection);
    const index = this.#idle.indexOf(connection);
    if (index !== -1) this.#idle.splice(index, 1);
    this.#connectionGone();
    stats.upstream_cx_length_ms.record(clock.monotonicMs() - (this.#openedMs.get(connection) ?? 0));
    if (cause === 'remote') stats.upstream_cx_destroy_remote++;
    else stats.upstream_cx_destroy_local++;
    if (wasBusy) stats.upstream_cx_destroy_with_active_rq++;
    if (wasBusy && cause === 'remote') stats.upstream_cx_destroy_remote_with_active_rq++;
    if (wasBusy && cause !== 'remote') stats.upstream_cx_destroy_local_with_active_rq++;
    if (cause === 'idle') stats.upstream_cx_idle_timeout++;
    if (cause === 'protocol-error') stats.upstream_cx_protocol_error++;
    if (cause === 'max-requests') stats.upstream_cx_max_requests++;
    this.#connectIfNeeded();
  }

  onBytes(received: number): void {
    this.#context.stats.upstream_cx_rx_bytes_total += received;
  }
}
