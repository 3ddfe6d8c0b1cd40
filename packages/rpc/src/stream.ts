/** What streams over gRPC and their twins in memory share: bounded sending, bounded receiving, one end. */
import { WeftError } from '@weft/contracts/error';
import { MESSAGE_OVERHEAD_BYTES, MessageQueue } from './queue.ts';
import type { RawStream } from './types.ts';

/** The largest message, both ways. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** Past this many bytes under way `send` says false. */
const SEND_BYTES = 64 * 1024;
/** A sender that goes on all the same, past this many, loses the stream: memory is bounded whatever the far side does. */
const MAX_SEND_BYTES = 2 * MAX_MESSAGE_BYTES;

/** The far side, as a stream sees it. Every function may be called after the end, and then does nothing. */
export interface Wire {
  /** Takes a message; `done` is called once it is on its way, or never will be. */
  write(message: Buffer, done: () => void): void;
  /** Nothing more will be written. With an error, whatever was thrown, the whole stream is over. */
  finish(error?: unknown): void;
  /** Stops and goes on with `deliver`. */
  pause(): void;
  resume(): void;
}

/** What a wire tells of the far side. */
export interface WireEnd {
  readonly stream: RawStream;
  deliver(message: Buffer): void;
  /** The far side sends nothing more. */
  remoteEnd(): void;
  /** The stream is over: nothing more can be sent or received. What was received can still be read. */
  close(error?: WeftError): void;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

class WiredStream implements RawStream, WireEnd {
  readonly stream: RawStream = this;
  readonly messages: MessageQueue;
  readonly #wire: Wire;
  readonly #over = new AbortController();
  #underWay = 0;
  #ended = false;
  #paused = false;
  #waiting: (() => void)[] = [];

  constructor(wire: Wire) {
    this.#wire = wire;
    this.messages = new MessageQueue(() => this.#onRead());
  }

  get signal(): AbortSignal {
    return this.#over.signal;
  }

  send(message: Uint8Array): boolean {
    if (this.#ended || this.signal.aborted) return false;
    const bytes = message.length + MESSAGE_OVERHEAD_BYTES;
    if (message.length > MAX_MESSAGE_BYTES) {
      this.end(new WeftError('RESOURCE_EXHAUSTED', `a message of ${message.length} bytes is larger than 16 MiB`));
      return false;
    }
    if (this.#underWay > 0 && this.#underWay + bytes > MAX_SEND_BYTES) {
      this.end(new WeftError('RESOURCE_EXHAUSTED', `the far side does not read: ${this.#underWay} bytes wait for it`));
      return false;
    }
    this.#underWay += bytes;
    this.#wire.write(asBuffer(message), () => {
      this.#underWay -= bytes;
      if (this.#underWay < SEND_BYTES) this.#wake();
    });
    return this.#underWay < SEND_BYTES;
  }

  drained(): Promise<void> {
    if (this.#underWay < SEND_BYTES || this.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#wire.finish(error);
  }

  deliver(message: Buffer): void {
    this.messages.push(message);
    if (this.messages.hasRoom || this.#paused) return;
    this.#paused = true;
    this.#wire.pause();
  }

  remoteEnd(): void {
    this.messages.end();
  }

  close(error?: WeftError): void {
    if (this.signal.aborted) return;
    this.#ended = true;
    this.messages.end(error);
    this.#over.abort(error ?? new WeftError('CANCELLED', 'the stream is over'));
    this.#wake();
  }

  #onRead(): void {
    if (!this.#paused || !this.messages.hasRoom) return;
    this.#paused = false;
    this.#wire.resume();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** A stream over a wire. */
export function streamOver(wire: Wire): WireEnd {
  return new WiredStream(wire);
}
