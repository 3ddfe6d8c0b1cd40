/**
 * Ends connections whose peer keeps changing its keys (RFC 8446, 4.6.3): each change costs work and, where it asks for one in
 * return, bytes that a peer who reads nothing leaves to be kept. BoringSSL counts them; of Node nobody can hear of one but by
 * having it write down secrets in every handshake. What is seen instead is that bytes come, and no content of them.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../clock.ts';
import { connectionBelow } from '../net/handles.ts';

const LOOK_MS = 1000;
/** In a row; a record, which is content only once it is whole, has at most 16 KiB (RFC 8446, 5.2). A change has 27 bytes. */
const MAX_SILENT_BYTES = 65_536;

interface Watched {
  /** Where bytes come as they are on the wire; the socket itself where nobody tells of those. */
  readonly below: Socket;
  /** Of both, how many bytes had come when the last content was seen. */
  contentBytes: number;
  wireBytes: number;
}

/** The connections of one context. */
export class KeyUpdates {
  readonly #clock: Clock;
  readonly #maxSilentBytes: number;
  readonly #watched = new Map<TLSSocket, Watched>();
  #isLookDue = false;

  constructor(clock: Clock, maxSilentBytes: number = MAX_SILENT_BYTES) {
    this.#clock = clock;
    this.#maxSilentBytes = maxSilentBytes;
  }

  /** Watches a connection whose handshake is done, until it is closed. */
  watch(socket: TLSSocket): void {
    const below = connectionBelow(socket) ?? socket;
    this.#watched.set(socket, { below, contentBytes: socket.bytesRead, wireBytes: below.bytesRead });
    socket.once('close', () => this.#watched.delete(socket));
    this.#lookLater();
  }

  #lookLater(): void {
    if (this.#isLookDue) return;
    this.#isLookDue = true;
    this.#clock.after(LOOK_MS, () => this.#look());
  }

  #look(): void {
    this.#isLookDue = false;
    for (const [socket, watched] of this.#watched) {
      const [contentBytes, wireBytes] = [socket.bytesRead, watched.below.bytesRead];
      if (contentBytes !== watched.contentBytes) {
        watched.contentBytes = contentBytes;
        watched.wireBytes = wireBytes;
      } else if (wireBytes - watched.wireBytes > this.#maxSilentBytes) socket.destroy();
    }
    if (this.#watched.size > 0) this.#lookLater();
  }
}
