/** What gives connections to one host, whatever version of HTTP they speak. */
import type { Protocol } from '../http/message.ts';
import type { RequestStream, ResponseListener, UpstreamReset } from '../http/stream.ts';

/** A connection that takes a request now. */
export interface PoolConnection {
  /** Begins a request; {@link RequestStream.sendHead} follows at once. */
  begin(listener: ResponseListener): RequestStream;
  /** This side's address, as logs show it. */
  readonly localAddress: string;
  readonly protocol: Protocol;
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
  /** Makes no more connections; those that are busy finish what they do. */
  drain(): void;
  /** Ends everything now. */
  destroy(): void;
}
