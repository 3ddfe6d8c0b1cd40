/**
 * Passes the body of a response on at a rate: a slice at a time, twenty times a second, as the fault filter of Envoy does.
 * The first slice goes at once.
 */
import type { Cancel, Clock } from '../clock.ts';
import type { HeaderList } from '../http/header-list.ts';

const SLICES_A_SECOND = 20;
const SLICE_MS = 1000 / SLICES_A_SECOND;
/** How much is kept before whoever sends is made to wait. */
const MAX_HELD_BYTES = 65_536;

export interface ThrottledSink {
  /** False: the client is slow. */
  passBody(chunk: Buffer): boolean;
  passEnd(trailers: HeaderList | undefined): void;
  /** More can be written. */
  onThrottleDrain(): void;
}

export class ResponseThrottle {
  readonly #clock: Clock;
  readonly #sink: ThrottledSink;
  readonly #sliceBytes: number;
  readonly #chunks: Buffer[] = [];
  #heldBytes = 0;
  /** Of this slice. */
  #leftBytes: number;
  #isEnded = false;
  #trailers: HeaderList | undefined;
  #isClientSlow = false;
  #cancel: Cancel | undefined;

  constructor(bytesPerSecond: number, clock: Clock, sink: ThrottledSink) {
    this.#sliceBytes = Math.max(1, Math.floor(bytesPerSecond / SLICES_A_SECOND));
    this.#leftBytes = this.#sliceBytes;
    this.#clock = clock;
    this.#sink = sink;
  }

  /** False: wait for {@link ThrottledSink.onThrottleDrain}. */
  write(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    this.#heldBytes += chunk.length;
    this.#pass();
    return this.#heldBytes < MAX_HELD_BYTES;
  }

  /** The body is complete; its end is passed on after it. */
  end(trailers: HeaderList | undefined): void {
    this.#isEnded = true;
    this.#trailers = trailers;
    this.#pass();
  }

  /** The client takes more again. */
  resume(): void {
    this.#isClientSlow = false;
    this.#pass();
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#chunks.length = 0;
    this.#isEnded = false;
  }

  #pass(): void {
    const wasFull = this.#heldBytes >= MAX_HELD_BYTES;
    while (this.#leftBytes > 0 && this.#chunks.length > 0 && !this.#isClientSlow) this.#passSome();
    if (wasFull && this.#heldBytes < MAX_HELD_BYTES) this.#sink.onThrottleDrain();
    if (this.#chunks.length === 0 && this.#isEnded) {
      this.#isEnded = false;
      this.#sink.passEnd(this.#trailers);
    } else if (this.#leftBytes < this.#sliceBytes) {
      this.#cancel ??= this.#clock.after(SLICE_MS, () => {
        this.#cancel = undefined;
        this.#leftBytes = this.#sliceBytes;
        this.#pass();
      });
    }
  }

  #passSome(): void {
    const chunk = this.#chunks[0] as Buffer;
    const part = chunk.length <= this.#leftBytes ? chunk : chunk.subarray(0, this.#leftBytes);
    if (part === chunk) this.#chunks.shift();
    else this.#chunks[0] = chunk.subarray(part.length);
    this.#leftBytes -= part.length;
    this.#heldBytes -= part.length;
    if (!this.#sink.passBody(part)) this.#isClientSlow = true;
  }
}
