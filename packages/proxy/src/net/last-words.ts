/**
 * What a far side said before it closed without reading on: the system still has it when a write fails, and Node throws it
 * away with the socket. A server that refuses a large body does just that: it answers, closes, and the rest that it never
 * read turns its end into a reset (RFC 9112, 9.6).
 */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';

/** What was said is there already, and is read at once: this is for systems that do not tell the end after a failed write. */
const READ_ON_MS = 500;

function isOfWrite(error: Error & { readonly syscall?: string }): boolean {
  return error.syscall === 'write' || error.syscall === 'writev';
}

/** Tells what is read at once: a stream that failed in one direction tells nothing of the other. */
function tellAtOnce(socket: Socket): void {
  socket.push = (chunk: unknown): boolean => {
    if (chunk === null) socket.emit('end');
    else socket.emit('data', chunk);
    return !socket.isPaused();
  };
}

/**
 * Has a socket on which a write fails be read to its end before it is destroyed, where `isAwaited` says that somebody
 * waits for what may have come. It is not writable any more. What is given tells whether that is so: the end is then no
 * end that the far side meant, for the system tells of a reset only once.
 */
export function hearLastWords(socket: Socket, clock: Clock, isAwaited: () => boolean): () => boolean {
  const { destroy } = socket;
  let isHeard = false;
  socket.destroy = (error?: Error): Socket => {
    if (isHeard || error === undefined || !isOfWrite(error) || !isAwaited()) return destroy.call(socket, error);
    isHeard = true;
    tellAtOnce(socket);
    const cancel = clock.after(READ_ON_MS, () => destroy.call(socket, error));
    socket.once('close', cancel);
    return socket;
  };
  return () => isHeard;
}
