/** Bytes from one connection to another, no faster than that takes them, and their end. */
import type { Socket } from 'node:net';
import type { BulkBuffer } from '../net/bulk-buffers.ts';
import type { Flushable, FlushQueue } from '../net/flush-queue.ts';

/** The most that a record of TLS holds (RFC 8446, 5.1). */
const RECORD_BYTES = 16_384;
/** Whoever sends less at once than this needs no buffer of its own. */
const BULK_BYTES = 16_384;
/** As soon as so much waits for the far side, nothing more is read before all of it is gone. */
const WAITING_BYTES = 16_384;

/** `onBytes` is told of as many as came. */
export function carry(from: Socket, to: Socket, queue: FlushQueue, onBytes: (bytes: number) => void): void {
  const way = new Way(from, to, queue, onBytes);
  if ('encrypted' in from) carryRecords(from, way, queue);
  else carryBytes(from, way, queue);
  // The end of a connection on which nothing came is told also while it is paused: nobody was there yet to hear it.
  if (from.readableEnded) way.end();
}

/** One direction. */
class Way {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #queue: FlushQueue;
  readonly #onBytes: (bytes: number) => void;

  constructor(from: Socket, to: Socket, queue: FlushQueue, onBytes: (bytes: number) => void) {
    this.#from = from;
    this.#to = to;
    this.#queue = queue;
    this.#onBytes = onBytes;
  }

  came(bytes: number): void {
    this.#onBytes(bytes);
  }

  /** Bytes that have come in a buffer that nobody else has. */
  pass(chunk: Buffer): void {
    this.#onBytes(chunk.length);
    this.#queue.moved(chunk.length);
    this.#write(chunk, this.#onWritten);
  }

  /**
   * Writes the first bytes of a buffer, which {@link came} was told of. Gives whether the far side took them at once: the
   * buffer is free to be read into.
   */
  write(buffer: BulkBuffer, length: number): boolean {
    const { bytes } = buffer;
    buffer.begin();
    return this.#write(length === bytes.length ? bytes : bytes.subarray(0, length), () => {
      buffer.written();
      this.#onWritten();
    });
  }

  end(): void {
    this.#to.end();
  }

  #write(chunk: Buffer, onWritten: () => void): boolean {
    // Nobody is there any more to take what still comes while the connection is closed.
    if (!this.#to.writable) {
      onWritten();
      return true;
    }
    this.#to.write(chunk, onWritten);
    const waiting = this.#to.writableLength;
    if (waiting >= WAITING_BYTES) this.#from.pause();
    return waiting === 0;
  }

  readonly #onWritten = (): void => {
    if (this.#to.writableLength === 0 && this.#from.isPaused()) this.#from.resume();
  };
}

/**
 * TLS gives its records one by one, in the buffer that all connections share. They are copied into one of their own: those
 * that came together are written together, once everything that has come is read, or the buffer is full.
 */
function carryRecords(from: Socket, way: Way, queue: FlushQueue): void {
  let gathered: BulkBuffer | undefined;
  let length = 0;
  let isQueued = false;
  const take = (): BulkBuffer | undefined => {
    const buffer = gathered;
    gathered = undefined;
    return buffer;
  };
  const write = (): void => {
    const buffer = take();
    if (!buffer) return;
    const bytes = length;
    length = 0;
    way.write(buffer, bytes);
    buffer.leave();
  };
  const batch: Flushable = {
    flush() {
      isQueued = false;
      write();
    },
  };
  const isLent = queue.reads.attachRecords(from, (bytes, count) => {
    // A record that is full is seldom the last one.
    if (!gathered && count < RECORD_BYTES) {
      way.pass(Buffer.from(bytes.subarray(0, count)));
      return;
    }
    way.came(count);
    gathered ??= queue.bulk.take();
    bytes.copy(gathered.bytes, length, 0, count);
    length += count;
    if (count < RECORD_BYTES || length + RECORD_BYTES > gathered.bytes.length) write();
    else if (!isQueued) {
      isQueued = true;
      queue.add(batch);
    }
  });
  // What came before, and everything where it cannot be read so.
  from.on('data', (chunk: Buffer) => way.pass(chunk));
  from.on('end', () => {
    write();
    way.end();
  });
  // It has said its end before, or is broken off.
  if (isLent) from.once('close', () => take()?.leave());
}

/**
 * What comes in the clear is read into the buffer that all connections share, and copied; where much comes, into a buffer
 * of its own, from which it is written, and which is read into again as soon as that is done: mostly at once.
 */
function carryBytes(from: Socket, way: Way, queue: FlushQueue): void {
  let own: BulkBuffer | undefined;
  const leave = (): void => {
    own?.leave();
    own = undefined;
  };
  const passOwn = (length: number, buffer: BulkBuffer): void => {
    way.came(length);
    // What is still to be written stays where it is; the next bytes come into another buffer.
    if (!way.write(buffer, length) || length < BULK_BYTES) leave();
  };
  const isLent = queue.reads.attachInto(from, (bytes, length) => {
    if (own) passOwn(length, own);
    else way.pass(Buffer.from(bytes.subarray(0, length)));
    if (length >= BULK_BYTES) own ??= queue.bulk.take();
    return own?.bytes ?? queue.reads.shared;
  });
  // What came before, and everything where it cannot be read so.
  from.on('data', (chunk: Buffer) => way.pass(chunk));
  from.on('end', () => way.end());
  if (isLent) from.once('close', leave);
}
