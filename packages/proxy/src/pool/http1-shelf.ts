/** Connections that speak HTTP/1.1: each serves one request at a time. */
import type { Socket } from 'node:net';
import { type ClientConnectionOwner, type ClosedCause, Http1ClientConnection } from '../http1/client-connection.ts';
import type { PoolConnection, PoolContext } from './pool.ts';
import { Lasting, type Shelf, type ShelfOwner } from './shelf.ts';

export class Http1Shelf implements Shelf, ClientConnectionOwner {
  readonly expected = 0;
  readonly streamsPerConnection = 1;
  readonly #context: PoolContext;
  readonly #owner: ShelfOwner;
  /** The last one used is the first to be used again, so that those that are too many grow idle and go. */
  readonly #idle: Http1ClientConnection[] = [];
  readonly #busy = new Set<Http1ClientConnection>();
  readonly #lasting = new WeakMap<Http1ClientConnection, Lasting>();
  #isDraining = false;

  constructor(context: PoolContext, owner: ShelfOwner) {
    this.#context = context;
    this.#owner = owner;
  }

  get size(): number {
    return this.#busy.size + this.#idle.length;
  }

  get hasReady(): boolean {
    return this.#idle.some(({ isUsable }) => isUsable);
  }

  take(): PoolConnection | undefined {
    let connection = this.#idle.pop();
    while (connection && !connection.isUsable) connection = this.#idle.pop();
    if (connection) this.#busy.add(connection);
    return connection;
  }

  add(socket: Socket): void {
    const { http1, queue, clock } = this.#context;
    const connection = new Http1ClientConnection(socket, this, http1, queue, clock);
    this.#lasting.set(connection, new Lasting(socket, connection, this.#context));
    this.onIdle(connection);
  }

  drain(): void {
    this.#isDraining = true;
    for (const connection of [...this.#idle, ...this.#busy]) connection.drain();
  }

  countBytes(): void {
    for (const list of [this.#idle, this.#busy]) {
      for (const connection of list) this.#lasting.get(connection)?.countBytes();
    }
  }

  destroy(): void {
    for (const connection of [...this.#busy]) connection.socket.destroy();
  }

  // What connections tell.

  onIdle(connection: Http1ClientConnection): void {
    this.#busy.delete(connection);
    this.#idle.push(connection);
    this.#owner.onRoom();
    if (this.#isDraining && !this.#busy.has(connection)) connection.drain();
  }

  onCloseNotice(): void {
    this.#context.stats.upstream_cx_close_notify++;
  }

  onClosed(connection: Http1ClientConnection, cause: ClosedCause, wasBusy: boolean): void {
    this.#busy.delete(connection);
    const index = this.#idle.indexOf(connection);
    if (index !== -1) this.#idle.splice(index, 1);
    const lasting = this.#lasting.get(connection);
    lasting?.end();
    this.#owner.onGone(cause, wasBusy, lasting?.openedMs ?? 0);
  }

  onBytes(received: number): void {
    this.#owner.onBytes(received);
  }
}
