/** What gives connections to one host, whatever version of HTTP they speak. */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import type { ClusterLimits } from '../cluster/limits.ts';
import type { Protocol } from '../http/message.ts';
import type { RequestStream, ResponseListener, UpstreamReset } from '../http/stream.ts';
import type { Http1ClientOptions } from '../http1/client-connection.ts';
import type { Http2ClientOptions } from '../http2/options.ts';
import type { Http2Stats } from '../http2/stats.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import type { ClusterStats } from '../stats/groups.ts';

/** A connection that takes a request now. */
export interface PoolConnection {
  /** Begins a request; {@link RequestStream.sendHead} follows at once. */
  begin(listener: ResponseListener): RequestStream;
  /** This side's address, as logs show it. */
  readonly localAddress: string;
  readonly protocol: Protocol;
  readonly socket: Socket;
}

/** Who waits for a connection. */
export interface PoolWaiter {
  onPoolReady(connection: PoolConnection): void;
  onPoolFailure(reset: UpstreamReset): void;
}

export interface Pool {
  /** Gives a connection to the waiter: at once, where one can take the request, or when one is there. */
  acquire(waiter: PoolWaiter): void;
  /** Takes a waiter back that has not been given a connection. */
  cancel(waiter: PoolWaiter): void;
  /** Adds what its connections sent since this was called last to what is counted. */
  countBytes(): void;
  /** Makes no more connections; those that are busy finish what they do. */
  drain(): void;
  /** Ends everything now. */
  destroy(): void;
}

/** Which version of HTTP the connections of a pool speak; `auto`: that which ALPN comes to, each for itself. */
export type PoolProtocol = 'http1' | 'http2' | 'auto';

/** What the connections of one pool share. */
export interface PoolContext {
  readonly stats: ClusterStats;
  readonly limits: ClusterLimits;
  readonly http1: Http1ClientOptions;
  readonly http2: Http2ClientOptions;
  readonly http2Stats: Http2Stats;
  /** So long after it was made a connection takes no more requests; 0: it may last. */
  readonly maxDurationMs: number;
  readonly queue: FlushQueue;
  readonly clock: Clock;
}
