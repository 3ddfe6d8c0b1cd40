/**
 * Connections to one host: kept while they are of use, made when they are needed, and never more than the cluster's
 * limits allow (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/upstream/connection_pooling).
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Host } from '../cluster/host.ts';
import type { UpstreamReset } from '../http/stream.ts';
import type { ClosedCause } from '../http1/client-connection.ts';
import { type ConnectFailure, Connecting, type ConnectOptions } from '../net/connect.ts';
import { Http1Shelf } from './http1-shelf.ts';
import { Http2Shelf } from './http2-shelf.ts';
import type { Pool, PoolConnection, PoolContext, PoolProtocol, PoolWaiter } from './pool.ts';
import type { Shelf, ShelfOwner } from './shelf.ts';

interface Pending {
  readonly connecting: Connecting;
  readonly startedMs: number;
}

/** What is offered by ALPN where the cluster's TLS context does not say. */
const ALPN: { readonly [P in PoolProtocol]: readonly string[] } = {
  http1: ['http/1.1'],
  http2: ['h2'],
  auto: ['h2', 'http/1.1'],
};

const unsent = (type: UpstreamReset['type'], text = ''): UpstreamReset => ({
  type,
  text,
  isUnsent: true,
  isReused: false,
});

export class HostPool implements Pool, ShelfOwner {
  readonly #host: Host;
  readonly #context: PoolContext;
  readonly #connectOptions: ConnectOptions;
  readonly #protocol: PoolProtocol;
  readonly #onEmpty: () => void;
  readonly #http1: Http1Shelf;
  readonly #http2: Http2Shelf;
  /** What the next connection is likely to speak. */
  #likely: Shelf;
  readonly #waiters: PoolWaiter[] = [];
  readonly #connecting = new Set<Pending>();

  /** `onEmpty`: nobody waits, and there is no connection left. */
  constructor(
    host: Host,
    protocol: PoolProtocol,
    context: PoolContext,
    connect: ConnectOptions,
    onEmpty: () => void = () => undefined,
  ) {
    this.#host = host;
    this.#context = context;
    this.#protocol = protocol;
    this.#onEmpty = onEmpty;
    this.#connectOptions = { ...connect, alpn: ALPN[protocol] };
    this.#http1 = new Http1Shelf(context, this);
    this.#http2 = new Http2Shelf(context, this);
    this.#likely = protocol === 'http1' ? this.#http1 : this.#http2;
  }

  acquire(waiter: PoolWaiter): void {
    const { limits, stats } = this.#context;
    const hasRoom = limits.requests < limits.maxRequests;
    const connection = hasRoom ? this.#take() : undefined;
    if (connection) {
      waiter.onPoolReady(connection);
      return;
    }
    // As many requests as may be are under way. One that has to wait for a connection may find fewer when it has one.
    if (!hasRoom && this.#hasReady) {
      this.#refuseActive(waiter);
      return;
    }
    if (limits.pending >= limits.maxPending) {
      stats.upstream_rq_pending_overflow++;
      waiter.onPoolFailure(unsent('overflow'));
      this.#checkEmpty();
      return;
    }
    limits.countPending(1);
    stats.upstream_rq_pending_total++;
    stats.upstream_rq_pending_active++;
    this.#host.requestsPending++;
    this.#waiters.push(waiter);
    this.#connectIfNeeded();
  }

  /** As many requests as may be are under way. */
  #refuseActive(waiter: PoolWaiter): void {
    this.#context.stats.upstream_rq_active_overflow++;
    waiter.onPoolFailure(unsent('overflow'));
    this.#checkEmpty();
  }

  get #hasReady(): boolean {
    return this.#http1.hasReady || this.#http2.hasReady;
  }

  /** After a server has changed its mind on what it speaks, connections of both kinds may be there. */
  #take(): PoolConnection | undefined {
    const connection = this.#likely.take();
    if (connection || this.#protocol !== 'auto') return connection;
    return (this.#likely === this.#http1 ? this.#http2 : this.#http1).take();
  }

  cancel(waiter: PoolWaiter): void {
    const index = this.#waiters.indexOf(waiter);
    if (index === -1) return;
    this.#waiters.splice(index, 1);
    this.#leftQueue();
    this.#context.stats.upstream_rq_cancelled++;
    for (const pending of this.#connecting) {
      if (this.#expectedStreams - this.#likely.streamsPerConnection < this.#waiters.length) return;
      this.#abandon(pending);
    }
    this.#checkEmpty();
  }

  #checkEmpty(): void {
    if (this.#waiters.length + this.#connecting.size + this.#http1.size + this.#http2.size === 0) this.#onEmpty();
  }

  countBytes(): void {
    this.#http1.countBytes();
    this.#http2.countBytes();
  }

  drain(): void {
    this.#http1.drain();
    this.#http2.drain();
  }

  destroy(): void {
    this.drain();
    for (const pending of this.#connecting) {
      this.#abandon(pending);
    }
    for (const waiter of this.#waiters.splice(0)) this.#failWaiter(waiter, unsent('local'));
    this.#http1.destroy();
    this.#http2.destroy();
  }

  // Connections that are being made.

  #connectIfNeeded(): void {
    const { limits, stats } = this.#context;
    while (this.#expectedStreams < this.#waiters.length) {
      const hasSome = this.#connecting.size + this.#http1.size + this.#http2.size > 0;
      // Each host may have one whatever the limit, or its requests would wait for ever.
      if (hasSome && !limits.canConnect(this.#host)) {
        stats.upstream_cx_overflow++;
        return;
      }
      this.#connect();
    }
  }

  /** How many requests the connections that are being made are likely to take. */
  get #expectedStreams(): number {
    const { streamsPerConnection, expected } = this.#likely;
    return this.#connecting.size * streamsPerConnection + expected;
  }

  #connect(): void {
    const { stats, limits, clock } = this.#context;
    limits.countConnection(this.#host, 1);
    stats.upstream_cx_total++;
    stats.upstream_cx_active++;
    if (this.#protocol !== 'auto') this.#countProtocol();
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
        this.#connectOptions,
      ),
    };
    this.#connecting.add(pending);
  }

  #countProtocol(): void {
    const { stats } = this.#context;
    if (this.#likely === this.#http1) stats.upstream_cx_http1_total++;
    else stats.upstream_cx_http2_total++;
  }

  #onConnected(pending: Pending, socket: Socket): void {
    const { stats, clock } = this.#context;
    this.#connecting.delete(pending);
    stats.upstream_cx_connect_ms.record(clock.monotonicMs() - pending.startedMs);
    if (this.#protocol === 'auto') this.#learn(socket);
    this.#likely.add(socket);
    this.#connectIfNeeded();
  }

  /** A server that chooses no protocol by ALPN, as it may (RFC 7301, 3.2), speaks HTTP/1.1. */
  #learn(socket: Socket): void {
    this.#likely = socket instanceof TLSSocket && socket.alpnProtocol === 'h2' ? this.#http2 : this.#http1;
    this.#countProtocol();
  }

  #onConnectFailed(pending: Pending, failure: ConnectFailure): void {
    const { stats } = this.#context;
    this.#stopConnecting(pending);
    this.#host.connectFailures++;
    stats.upstream_cx_connect_fail++;
    if (failure.type === 'connect-timeout') stats.upstream_cx_connect_timeout++;
    if (failure.type === 'connect-failure') stats.upstream_cx_destroy_remote++;
    else stats.upstream_cx_destroy_local++;
    this.#ejectWaiters(unsent(failure.type, failure.text));
    this.#checkEmpty();
  }

  /** Those for whom no connection is being made any more are told. */
  #ejectWaiters(reset: UpstreamReset): void {
    while (this.#waiters.length > this.#expectedStreams) {
      this.#context.stats.upstream_rq_pending_failure_eject++;
      this.#failWaiter(this.#waiters.shift() as PoolWaiter, reset);
    }
  }

  /** Nobody wants it any more. */
  #abandon(pending: Pending): void {
    this.#stopConnecting(pending);
    this.#context.stats.upstream_cx_destroy_local++;
    pending.connecting.cancel();
  }

  #stopConnecting(pending: Pending): void {
    if (this.#connecting.delete(pending)) this.#connectionGone();
  }

  #connectionGone(): void {
    const { stats, limits } = this.#context;
    limits.countConnection(this.#host, -1);
    stats.upstream_cx_active--;
    stats.upstream_cx_destroy++;
    this.#host.connectionsActive--;
  }

  #leftQueue(): void {
    this.#context.limits.countPending(-1);
    this.#context.stats.upstream_rq_pending_active--;
    this.#host.requestsPending--;
  }

  #failWaiter(waiter: PoolWaiter, reset: UpstreamReset): void {
    this.#leftQueue();
    waiter.onPoolFailure(reset);
  }

  // What shelves tell.

  onRoom(): void {
    const { limits } = this.#context;
    while (this.#waiters.length > 0) {
      const hasRoom = limits.requests < limits.maxRequests;
      const connection = hasRoom ? this.#take() : undefined;
      if (hasRoom && !connection) return;
      const waiter = this.#waiters.shift() as PoolWaiter;
      this.#leftQueue();
      if (connection) waiter.onPoolReady(connection);
      else this.#refuseActive(waiter);
    }
  }

  onShortage(): void {
    this.#connectIfNeeded();
  }

  onUnopened(): void {
    // Another connection would most likely fare no better: those who wait decide whether to come again.
    this.#ejectWaiters(unsent('connection-termination'));
  }

  onGone(cause: ClosedCause, wasBusy: boolean, openedMs: number): void {
    const { stats, clock } = this.#context;
    this.#connectionGone();
    stats.upstream_cx_length_ms.record(clock.monotonicMs() - openedMs);
    const isRemote = cause === 'remote' || cause === 'cut-short';
    if (isRemote) stats.upstream_cx_destroy_remote++;
    else stats.upstream_cx_destroy_local++;
    if (wasBusy) stats.upstream_cx_destroy_with_active_rq++;
    if (wasBusy && isRemote) stats.upstream_cx_destroy_remote_with_active_rq++;
    if (wasBusy && !isRemote) stats.upstream_cx_destroy_local_with_active_rq++;
    if (cause === 'idle') stats.upstream_cx_idle_timeout++;
    if (cause === 'protocol-error' || cause === 'cut-short') stats.upstream_cx_protocol_error++;
    if (cause === 'max-requests') stats.upstream_cx_max_requests++;
    this.#connectIfNeeded();
    this.#checkEmpty();
  }

  onBytes(received: number): void {
    this.#context.stats.upstream_cx_rx_bytes_total += received;
  }
}
