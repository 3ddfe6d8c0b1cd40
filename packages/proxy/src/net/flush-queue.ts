import { LentReads } from './lent-reads.ts';
import { Reclaim } from './reclaim.ts';
import { DecodingRoom, Slabs } from './slabs.ts';

/** Something that gathers output and writes it when told. */
export interface Flushable {
  flush(): void;
}

/**
 * Flushes, once the event that is being handled is done, whatever gathered output during it: a head and its body, or
 * the answers to several requests that came at once, leave in one write and one TLS record.
 */
export class FlushQueue {
  /** Buffers to gather in. */
  readonly slabs = new Slabs();
  /** How sockets are read. */
  readonly reads = new LentReads();
  /** Room for what is decoded. */
  readonly decodingRoom = new DecodingRoom();
  readonly #reclaim = new Reclaim();
  #waiting: Flushable[] = [];
  #spare: Flushable[] = [];

  /** Each must be added once only until it was flushed. */
  add(target: Flushable): void {
    if (this.#waiting.push(target) === 1) process.nextTick(this.#flushAll);
  }

  /** Bytes of a body pass through. */
  moved(bytes: number): void {
    this.#reclaim.moved(bytes);
  }

  readonly #flushAll = (): void => {
    const batch = this.#waiting;
    this.#waiting = this.#spare;
    for (const target of batch) target.flush();
    batch.length = 0;
    this.#spare = batch;
  };
}
