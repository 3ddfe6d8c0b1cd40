/** Connections that speak HTTP/2: each serves many requests at once. */
import type { Socket } from 'node:net';
import type { ClosedCause } from '../http1/client-connection.ts';
import { Http2ClientConnection, type Http2ConnectionOwner } from '../http2/client-connection.ts';
import type { PoolConnection, PoolContext } from './pool.ts';
import type { Shelf, ShelfOwner } from './shelf.ts';

export class Http2Shelf implements Shelf, Http2ConnectionOwner {
  readonly #context: PoolContext;
  readonly #owner: ShelfOwner;
  /** When each was made, and whether it has taken requests yet; those that leave among them. */
  readonly #all = new Map<Http2ClientConnection, { readonly openedMs: number; isOpen: boolean }>();
  /** Those that may take requests. The first one that can takes it: what many requests send leaves in one write. */
  #staying: Http2ClientConnection[] = [];
  #streamsPerConnection: number;
  #isDraining = false;

  constructor(context: PoolContext, owner: ShelfOwner) {
    this.#context = context;
    this.#owner = owner;
    this.#streamsPerConnection = context.http2.maxConcurrentStreams;
  }

  get size(): number {
    return this.#all.size;
  }

  get opening(): number {
    let count = 0;
    for (const { isOpen } of this.#all.values()) if (!isOpen) count++;
    return count;
  }

  get streamsPerConnection(): number {
    const { maxRequests } = this.#context.http2;
    return maxRequests === 0 ? this.#streamsPerConnection : Math.min(maxRequests, this.#streamsPerConnection);
  }

  take(): PoolConnection | undefined {
    for (const connection of this.#staying) if (connection.capacity > 0) return connection;
    return undefined;
  }

  add(socket: Socket): void {
    const { http2, http2Stats, queue, clock } = this.#context;
    const connection = new Http2ClientConnection(socket, this, http2, queue, clock, http2Stats);
    this.#all.set(connection, { openedMs: clock.monotonicMs(), isOpen: false });
    this.#staying.push(connection);
    if (connection.capacity > 0) this.onCapacity(connection);
    if (this.#isDraining) connection.drain();
  }

  drain(): void {
    this.#isDraining = true;
    for (const connection of [...this.#staying]) connection.drain();
  }

  destroy(): void {
    for (const connection of [...this.#all.keys()]) connection.socket.destroy();
  }

  // What connections tell.

  onCapacity(connection: Http2ClientConnection): void {
    const known = this.#all.get(connection);
    const streams = connection.capacity + connection.active;
    // A server may allow no stream for now; another connection would not be allowed one either.
    if (!known || streams === 0) return;
    known.isOpen = true;
    this.#streamsPerConnection = streams;
    this.#owner.onRoom();
    this.#owner.onShortage();
  }

  onDraining(connection: Http2ClientConnection): void {
    const { http2, stats } = this.#context;
    this.#leave(connection);
    const isUsedUp = http2.maxRequests > 0 && connection.served >= http2.maxRequests;
    if (!this.#isDraining && !isUsedUp) stats.upstream_cx_close_notify++;
    this.#unopened(connection);
    this.#owner.onShortage();
  }

  #unopened(connection: Http2ClientConnection): void {
    const known = this.#all.get(connection);
    if (!known || known.isOpen) return;
    known.isOpen = true;
    this.#owner.onUnopened();
  }

  #leave(connection: Http2ClientConnection): void {
    this.#staying = this.#staying.filter((other) => other !== connection);
  }

  onClosed(connection: Http2ClientConnection, cause: ClosedCause): void {
    const known = this.#all.get(connection);
    if (!known) return;
    this.#leave(connection);
    this.#unopened(connection);
    this.#all.delete(connection);
    this.#owner.onGone(cause, connection.active > 0, known.openedMs);
  }

  onBytes(received: number): void {
    this.#owner.onBytes(received);
  }
}
