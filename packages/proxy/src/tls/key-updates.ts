/**
 * Ends connections whose peer keeps changing its keys (RFC 8446, 4.6.3): each change costs work and, where it asks for one in
 * return, bytes that a peer who reads nothing leaves to be kept. Envoy has the same limit from BoringSSL.
 */
import type { TLSSocket } from 'node:tls';

/** Changes in a row, with no byte of content between them. */
const MAX_IN_A_ROW = 32;
/** How the line begins that tells of a peer's new secret: `CLIENT_TRAFFIC_SECRET_N`. */
const FIRST_OF = { client: 'C'.charCodeAt(0), server: 'S'.charCodeAt(0) } as const;

/** `peer`: which of the two the far side is. The socket is one whose handshake is done. */
export function limitKeyUpdates(socket: TLSSocket, peer: keyof typeof FIRST_OF): void {
  if (socket.getProtocol() !== 'TLSv1.3') return;
  let inARow = 0;
  let contentBytes = 0;
  socket.on('keylog', (line: Buffer) => {
    if (line[0] !== FIRST_OF[peer]) return;
    const { bytesRead } = socket;
    inARow = bytesRead === contentBytes ? inARow + 1 : 1;
    contentBytes = bytesRead;
    if (inARow > MAX_IN_A_ROW) socket.destroy();
  });
}
