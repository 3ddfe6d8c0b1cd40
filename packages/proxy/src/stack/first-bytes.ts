/** Tells HTTP/2 from HTTP/1.1 by the first bytes of a connection (RFC 9113, 3.4: prior knowledge). */
import type { Socket } from 'node:net';
import { type Clock, Deadline } from '../clock.ts';
import { PREFACE } from '../http2/frames.ts';

/** What is told of the start of a connection: one of these, once. */
export interface FirstBytesListener {
  /** What came so far is for the codec, which takes over the socket. */
  onProtocol(protocol: 'http1' | 'http2', bytes: Buffer): void;
  /** The connection ended, or nothing came in time. */
  onNothing(): void;
}

export class FirstBytes {
  readonly #socket: Socket;
  readonly #listener: FirstBytesListener;
  readonly #idle: Deadline;
  readonly #headTimeoutMs: number;
  #bytes: Buffer = Buffer.alloc(0);

  /** `idleTimeoutMs`: until anything comes; `headTimeoutMs`: from then until the rest has come. 0: no limit. */
  constructor(
    socket: Socket,
    listener: FirstBytesListener,
    idleTimeoutMs: number,
    headTimeoutMs: number,
    clock: Clock,
  ) {
    this.#headTimeoutMs = headTimeoutMs;
    this.#socket = socket;
    this.#listener = listener;
    this.#idle = new Deadline(clock, this.#onEnd);
    this.#idle.set(idleTimeoutMs);
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onEnd);
    socket.on('close', this.#onEnd);
  }

  readonly #onData = (chunk: Buffer): void => {
    const bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const size = Math.min(bytes.length, PREFACE.length);
    const isPreface = bytes.compare(PREFACE, 0, size, 0, size) === 0;
    if (isPreface && size < PREFACE.length) {
      if (this.#bytes.length === 0) this.#idle.set(this.#headTimeoutMs);
      this.#bytes = bytes;
      return;
    }
    this.#leave();
    this.#listener.onProtocol(isPreface ? 'http2' : 'http1', bytes);
  };

  /** Also where something came: a part of a preface is nothing. */
  readonly #onEnd = (): void => {
    this.#leave();
    this.#socket.destroy();
    this.#listener.onNothing();
  };

  #leave(): void {
    const socket = this.#socket;
    this.#idle.dispose();
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('close', this.#onEnd);
    socket.off('error', this.#onEnd);
  }

  /** The connection is given up. */
  stop(): void {
    this.#onEnd();
  }
}
