/** Bytes from one connection to another, no faster than that takes them, and their end. */
import type { Socket } from 'node:net';
import type { BulkBuffer } from '../net/bulk-buffers.ts';
import type { FlushQueue } from '../net/flush-queue.ts';

/** The most that a record of TLS holds (RFC 8446, 5.1). */
const RECORD_BYTES = 16_384;
/** Whoever sends less at once than this needs no buffer of its own. */
const BULK_BYTES = 16_384;

/** `onBytes` is told of as many as came. */
export function carry(from: Socket, to: Socket, queue: FlushQueue, onBytes: (bytes: number) => void): void {
  to.on('drain', () => from.resume());
  from.on('end', () => to.end());
  if ('encrypted' in from) carryRecords(from, to, queue, onBytes);
  else carryBytes(from, to, queue, onBytes);
}

/**
 * TLS gives its records one by one: those that came together are written together, once everything that has come is
 * read.
 */
function carryRecords(from: Socket, to: Socket, queue: FlushQueue, onBytes: (bytes: number) => void): void {
  let isGathering = false;
  const write = (): void => {
    isGathering = false;
    to.uncork();
  };
  from.on('data', (chunk: Buffer) => {
    onBytes(chunk.length);
    queue.moved(chunk.length);
    // A record that is full is seldom the last one.
    if (!isGathering && chunk.length === RECORD_BYTES) {
      isGathering = true;
      to.cork();
      setImmediate(write);
    }
    if (!to.write(chunk)) from.pause();
  });
}

/**
 * What comes in the clear is read into the buffer that all connections share, and copied; where much comes, into a buffer
 * of its own, from which it is written, and which is read into again as soon as that is done: mostly at once.
 */
function carryBytes(from: Socket, to: Socket, queue: FlushQueue, onBytes: (bytes: number) => void): void {
  let own: BulkBuffer | undefined;
  const leave = (): void => {
    own?.leave();
    own = undefined;
  };
  const pass = (chunk: Buffer): void => {
    onBytes(chunk.length);
    queue.moved(chunk.length);
    if (!to.write(chunk)) from.pause();
  };
  const passOwn = (chunk: Buffer, buffer: BulkBuffer): void => {
    onBytes(chunk.length);
    buffer.begin();
    if (!to.write(chunk, buffer.written)) from.pause();
    // What is still to be written stays where it is; the next bytes come into another buffer.
    if (to.writableLength > 0 || chunk.length < BULK_BYTES) leave();
  };
  const isLent = queue.reads.attachInto(from, (chunk) => {
    if (own) passOwn(chunk, own);
    else pass(Buffer.from(chunk));
    if (chunk.length >= BULK_BYTES) own ??= queue.bulk.take();
    return own?.bytes ?? queue.reads.shared;
  });
  // What came before, and everything where it cannot be read so.
  from.on('data', pass);
  if (isLent) from.once('close', leave);
}
