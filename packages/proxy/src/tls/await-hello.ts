/** Looks at the hello of a client ahead of the handshake. */
import type { Socket } from 'node:net';
import { type ClientOffer, readClientOffer } from './client-hello.ts';

/**
 * Reads until the hello came whole, and gives all that was read back to the socket, which is paused then. Undefined: it is
 * no hello that can be read; whoever makes the handshake will say so. A connection that ends before is nobody's to tell.
 */
export function awaitHello(socket: Socket, onHello: (offer: ClientOffer | undefined) => void): void {
  const chunks: Buffer[] = [];
  let length = 0;
  let wanted = 1;
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    length += chunk.length;
    if (length < wanted) return;
    const bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks.splice(0), length);
    if (chunks.length === 0) chunks.push(bytes);
    const offer = readClientOffer(bytes);
    if (typeof offer === 'object' && 'atLeast' in offer) {
      wanted = Math.max(length + 1, offer.atLeast);
      return;
    }
    socket.off('data', onData);
    socket.pause();
    socket.unshift(bytes);
    onHello(typeof offer === 'object' ? offer : undefined);
  };
  socket.on('data', onData);
}
