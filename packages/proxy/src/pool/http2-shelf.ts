/** Connections that speak HTTP/2: each serves many requests at once. */
import type { Socket } from 'node:net';
import type { ClosedCause } from '../http1/client-connection.ts';
import { Http2ClientConnection, type Http2ConnectionOwner } from '../http2/client-connection.ts';
import type { PoolConnection, PoolContext } from './pool.ts';
import { Lasting, type Shelf, type ShelfOwner } from './shelf.ts';

interface Kept {
  readonly connection: Http2ClientConnection;
  readonly lasting: Lasting;
  /** The server has said how many streams it takes; until then as many are opened as it took the last time. */
  isSettled: boolean;
}

export class Http2Shelf implements Shelf, Http2ConnectionOwner {
  readonly #context: PoolContext;
  readonly #owner: ShelfOwner;
  readonly #all = new Map<Http2ClientConnection, Kept>();
  /** Those that may take requests. The first one that can takes it: what many requests send leaves in one write. */
  #staying: Kept[] = [];
  /** What the server takes on one connection, as far as it is known. */
  #streams: number;
  #isDraining = false;

  constructor(context: PoolContext, owner: ShelfOwner) {
    const { maxConcurrentStreams, maxRequests } = context.http2;
    this.#context = context;
    this.#owner = owner;
    this.#streams = maxRequests === 0 ? maxConcurrentStreams : Math.min(maxRequests, maxConcurrentStreams);
  }

  get size(): number {
    return this.#all.size;
  }

  get streamsPerConnection(): number {
    return this.#streams;
  }

  get expected(): number {
    let streams = 0;
    for (const { connection, isSettled } of this.#staying) {
      if (!isSettled) streams += Math.max(0, this.#streams - connection.active);
    }
    return streams;
  }

  get hasReady(): boolean {
    return this.take() !== undefined;
  }

  take(): PoolConnection | undefined {
    for (const { connection, isSettled } of this.#staying) {
      if (connection.capacity > 0 && (isSettled || connection.active < this.#streams)) return connection;
    }
    return undefined;
  }

  add(socket: Socket): void {
    const { http2, http2Stats, queue, clock } = this.#context;
    const connection = new Http2ClientConnection(socket, this, http2, queue, clock, http2Stats);
    const kept: Kept = { connection, lasting: new Lasting(socket, connection, this.#context), isSettled: false };
    this.#all.set(connection, kept);
    this.#staying.push(kept);
    this.#owner.onRoom();
    if (this.#isDraining) connection.drain();
  }

  drain(): void {
    this.#isDraining = true;
    for (const { connection } of [...this.#staying]) connection.drain();
  }

  countBytes(): void {
    for (const { lasting } of this.#all.values()) lasting.countBytes();
  }

  destroy(): void {
    for (const connection of [...this.#all.keys()]) connection.socket.destroy();
  }

  // What connections tell.

  onCapacity(connection: Http2ClientConnection): void {
    const kept = this.#all.get(connection);
    if (!kept) return;
    kept.isSettled = true;
    const { maxRequests } = this.#context.http2;
    const streams = connection.capacity + connection.active;
    this.#streams = maxRequests === 0 ? streams : Math.min(maxRequests, streams);
    this.#owner.onRoom();
    this.#owner.onShortage();
  }

  onDraining(connection: Http2ClientConnection): void {
    const { http2, stats } = this.#context;
    const kept = this.#all.get(connection);
    const isUsedUp = http2.maxRequests > 0 && connection.served >= http2.maxRequests;
    if (!this.#isDraining && !isUsedUp) stats.upstream_cx_close_notify++;
    this.#leave(connection);
    if (kept && (isUsedUp || this.#isDraining)) kept.isSettled = true;
    else if (kept) this.#unsettled(kept);
    this.#owner.onShortage();
  }

  #leave(connection: Http2ClientConnection): void {
    this.#staying = this.#staying.filter((kept) => kept.connection !== connection);
  }

  /** The connection leaves, or is gone, and never said what it takes. */
  #unsettled(kept: Kept): void {
    if (kept.isSettled) return;
    kept.isSettled = true;
    this.#owner.onUnopened();
  }

  onClosed(connection: Http2ClientConnection, cause: ClosedCause): void {
    const kept = this.#all.get(connection);
    if (!kept) return;
    this.#leave(connection);
    this.#unsettled(kept);
    this.#all.delete(connection);
    kept.lasting.end();
    // What breaks the protocol ends all streams before it ends the connection.
    const wasBusy = connection.active > 0 && cause !== 'protocol-error';
    this.#owner.onGone(cause, wasBusy, kept.lasting.openedMs);
  }

  onBytes(received: number): void {
    this.#owner.onBytes(received);
  }
}
