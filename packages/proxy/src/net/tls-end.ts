/**
 * How the far side of a TLS connection came to its end: with the alert that says so, or by a bare FIN, which anybody on
 * the way can send (RFC 8446, 6.1). Node tells both alike. What it does not tell is read off its handles: a handle of TCP
 * is stopped once it has come to the end of what it reads, and goes on where an alert alone has come.
 */
import type { Socket } from 'node:net';
import { connectionBelow, handleOf } from './handles.ts';

interface ReadingHandle {
  /** 0, or the number of an error of the operating system. */
  readStart(): number;
  readStop(): number;
}

function isReadingHandle(handle: object): handle is ReadingHandle {
  return (
    typeof Reflect.get(handle, 'readStart') === 'function' && typeof Reflect.get(handle, 'readStop') === 'function'
  );
}

/** The handle of the socket below; undefined where there is none, or this version of Node keeps it elsewhere. */
function handleBelow(socket: Socket): ReadingHandle | undefined {
  const below = connectionBelow(socket);
  const handle = below && handleOf(below);
  return handle && isReadingHandle(handle) ? handle : undefined;
}

/**
 * Looks from now on how the far side ends what it sends. What is given tells, once `end` was emitted, whether it did so
 * without saying so: what came may then be less than what was sent. False in the clear, where there is no such word.
 */
export function watchEnd(socket: Socket): () => boolean {
  let isCut = false;
  if (!('encrypted' in socket)) return () => false;
  const { push } = socket;
  socket.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    if (chunk === null) isCut = endedBelow(socket);
    return push.call(socket, chunk, encoding);
  };
  return () => isCut;
}

/** Whether it is the connection below that has come to its end. */
function endedBelow(socket: Socket): boolean {
  const own = handleOf(socket);
  // Nothing was read from below just now: the end was among what had been read before.
  const isReading = own !== undefined && Reflect.get(own, 'reading') === true;
  const below = isReading ? handleBelow(socket) : undefined;
  if (below?.readStart() !== 0) return false;
  below.readStop();
  return true;
}
