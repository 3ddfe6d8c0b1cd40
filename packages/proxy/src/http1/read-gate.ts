/** Whether more is read of a client: not while its request's owner takes no more, nor while it has sent too much ahead. */
import type { Socket } from 'node:net';
import type { PausedClient, PausedClients } from '../net/paused-clients.ts';

export class ReadGate {
  readonly #socket: Socket;
  readonly #client: PausedClient;
  readonly #paused: PausedClients;
  #isHeld = false;
  #isFull = false;
  #isShut = false;

  constructor(socket: Socket, client: PausedClient, paused: PausedClients) {
    this.#socket = socket;
    this.#client = client;
    this.#paused = paused;
  }

  /** The owner of a request takes no more of it. */
  hold(): void {
    this.#isHeld = true;
    this.#settle();
  }

  /** The owner takes more. */
  release(): void {
    this.#isHeld = false;
    this.#settle();
  }

  /** The request is over: what its owner wanted of it does not count any more, which is to be told by what comes next. */
  forget(): void {
    this.#isHeld = false;
  }

  /** Whether the client sent too much ahead. */
  fill(isFull: boolean): void {
    this.#isFull = isFull;
    this.#settle();
  }

  /** Nothing of what comes is kept: all is read. */
  open(): void {
    this.#isHeld = false;
    this.#isFull = false;
    this.#settle();
  }

  #settle(): void {
    const isShut = this.#isHeld || this.#isFull;
    if (isShut === this.#isShut) return;
    this.#isShut = isShut;
    if (!isShut) {
      this.#socket.resume();
      return;
    }
    this.#socket.pause();
    this.#paused.add(this.#socket, this.#client);
  }
}
