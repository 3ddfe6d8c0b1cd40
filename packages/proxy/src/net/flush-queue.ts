import type { Turns } from '../clock.ts';
import { BulkBuffers } from './bulk-buffers.ts';
import { LentReads } from './lent-reads.ts';
import { PausedClients } from './paused-clients.ts';
import { Reclaim } from './reclaim.ts';
import { DecodingRoom, Slabs } from './slabs.ts';

/** Something that gathers output and writes it when told. */
export interface Flushable {
  flush(): void;
}

/**
 * Flushes, once all that has come to any socket is read, whatever gathered output meanwhile: a head and its body leave in
 * one write, and so do the requests of many connections that go on over one, in one TLS record. To read first and
 * write afterwards also wakes the far sides once for all of it; after each socket it costs a quarter more.
 */
export class FlushQueue implements Turns {
  /** Buffers to gather in. */
  readonly slabs = new Slabs();
  /** How sockets are read. */
  readonly reads = new LentReads();
  /** What streams of bytes are read into. */
  readonly bulk = new BulkBuffers();
  /** Room for what is decoded. */
  readonly decodingRoom = new DecodingRoom();
  /** Clients that nothing is read from for now. */
  readonly paused = new PausedClients();
  readonly #reclaim = new Reclaim();
  #waiting: Flushable[] = [];
  #spare: Flushable[] = [];
  #turn = 0;
  #endsSoon = false;

  /** Changes with what is read, and when everything is flushed. */
  get turn(): number {
    return this.#turn;
  }

  /** Something was read, and is looked at from now on. */
  beginTurn(): void {
    this.#turn++;
  }

  endSoon(): void {
    if (this.#endsSoon) return;
    this.#endsSoon = true;
    setImmediate(this.#flushAll);
  }

  /** Each must be added once only until it was flushed. */
  add(target: Flushable): void {
    this.#waiting.push(target);
    this.endSoon();
  }

  /** Bytes of a body pass through. */
  moved(bytes: number): void {
    this.#reclaim.moved(bytes);
  }

  readonly #flushAll = (): void => {
    const batch = this.#waiting;
    this.#waiting = this.#spare;
    this.#endsSoon = false;
    for (const target of batch) target.flush();
    batch.length = 0;
    this.#spare = batch;
    this.#turn++;
  };
}
