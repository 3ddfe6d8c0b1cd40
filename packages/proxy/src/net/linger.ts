/** The end of a connection whose last bytes are on their way. */
import type { Socket } from 'node:net';

/** How long a client may take nothing of what is left to send on a connection that is to be closed. */
const STALLED_MS = 10_000;

/** Ends a connection `delayMs` after everything was sent, or when the far side takes nothing of it any more. */
export function linger(socket: Socket, delayMs: number): void {
  let left = Number.POSITIVE_INFINITY;
  const look = (): void => {
    const { writableLength } = socket;
    if (writableLength === 0 || writableLength >= left) socket.destroy();
    else {
      left = writableLength;
      timer = setTimeout(look, STALLED_MS).unref();
    }
  };
  let timer = setTimeout(look, delayMs).unref();
  socket.once('finish', () => {
    clearTimeout(timer);
    timer = setTimeout(look, delayMs).unref();
  });
  socket.once('close', () => clearTimeout(timer));
}

/** Ends a connection `delayMs` from now, whatever of the last bytes is left: a peer that broke the rules gets no more. */
export function lingerBriefly(socket: Socket, delayMs: number): void {
  const timer = setTimeout(() => socket.destroy(), delayMs).unref();
  socket.once('close', () => clearTimeout(timer));
}
