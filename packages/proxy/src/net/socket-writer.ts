/** Gathers what is to be sent on a socket, and sends it in as few writes as can be. */
import type { Socket } from 'node:net';
import type { Flushable, FlushQueue } from './flush-queue.ts';

/** Bytes that may wait for the far side before the sender is told to pause. */
const HIGH_WATER_BYTES = 65_536;
/** Up to here pieces are copied into one buffer; beyond it copying costs more than a vectored write. */
const COPY_BYTES = 16_384;
/** Pieces that are smaller than this on average are copied however many they are: each that waits takes room of its own. */
const SMALL_PIECE_BYTES = 512;

export class SocketWriter implements Flushable {
  readonly #socket: Socket;
  readonly #queue: FlushQueue;
  readonly #onDrain: () => void;
  #parts: (string | Buffer)[] = [];
  #bytes = 0;
  #isQueued = false;
  #isBlocked = false;

  constructor(socket: Socket, queue: FlushQueue, onDrain: () => void) {
    this.#socket = socket;
    this.#queue = queue;
    this.#onDrain = onDrain;
    socket.on('drain', () => {
      this.#isBlocked = false;
      this.#onDrain();
    });
  }

  /** Whether the far side is slow: more should wait for the drain. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Adds text of one byte per character. */
  text(text: string): void {
    const last = this.#parts.length - 1;
    const before = this.#parts[last];
    if (typeof before === 'string') this.#parts[last] = before + text;
    else this.#parts.push(text);
    this.#added(text.length);
  }

  /** Adds bytes; false: the far side is slow, send more after the drain. */
  bytes(chunk: Buffer): boolean {
    this.#parts.push(chunk);
    this.#queue.moved(chunk.length);
    this.#added(chunk.length);
    return !this.#isBlocked;
  }

  #added(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= HIGH_WATER_BYTES) this.flush();
    else if (!this.#isQueued) {
      this.#isQueued = true;
      this.#queue.add(this);
    }
  }

  /** Sends everything, then closes this direction. */
  end(): void {
    this.flush();
    this.#socket.end();
  }

  flush(): void {
    this.#isQueued = false;
    const parts = this.#parts;
    if (parts.length === 0) return;
    this.#parts = [];
    const bytes = this.#bytes;
    this.#bytes = 0;
    if (!this.#socket.writable) return;
    if (!this.#write(parts, bytes)) this.#isBlocked = true;
  }

  #write(parts: readonly (string | Buffer)[], bytes: number): boolean {
    const socket = this.#socket;
    if (parts.length === 1) {
      const [only] = parts;
      return typeof only === 'string' ? socket.write(only, 'latin1') : socket.write(only as Buffer);
    }
    if (bytes <= COPY_BYTES || bytes < parts.length * SMALL_PIECE_BYTES) return socket.write(joined(parts, bytes));
    socket.cork();
    let accepted = true;
    for (const part of parts) {
      accepted = typeof part === 'string' ? socket.write(part, 'latin1') : socket.write(part);
    }
    socket.uncork();
    return accepted;
  }
}

function joined(parts: readonly (string | Buffer)[], bytes: number): Buffer {
  const whole = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const part of parts) {
    if (typeof part === 'string') at += whole.write(part, at, 'latin1');
    else {
      whole.set(part, at);
      at += part.length;
    }
  }
  return whole;
}
