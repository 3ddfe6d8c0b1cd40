/**
 * Cuts what a connection receives into frames (RFC 9113, 4.1), in whatever pieces it comes. Frames are told where they
 * stand in what was received; only one that comes in pieces is copied, and DATA never is: it is told as it comes.
 */
import { ERROR, FLAG_PADDED, FRAME, HEAD_BYTES, Http2Error, MAX_FRAME_BYTES } from './frames.ts';

/** Takes frames. What it throws ends the reading. */
export interface FrameEvents {
  /** A frame of any type but DATA; its payload stands in `bytes` between `start` and `end`. */
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void;
  /** A DATA frame begins; `size` is that of its whole payload, `padding` what of it is no data. */
  onDataFrame(flags: number, streamId: number, size: number, padding: number): void;
  /** Some of that frame's data, never empty. */
  onData(bytes: Buffer, start: number, end: number): void;
  /** All of that frame came. */
  onDataEnd(): void;
}

const NOTHING = Buffer.alloc(0);

export class FrameReader {
  readonly #events: FrameEvents;
  /** The start of a frame of which more is to come. */
  #held: Buffer = NOTHING;
  #heldBytes = 0;
  /** Of a DATA frame under way: bytes of data, and then of padding, that are to come; -1: there is none. */
  #dataLeft = -1;
  #paddingLeft = 0;
  #isStopped = false;

  constructor(events: FrameEvents) {
    this.#events = events;
  }

  /** Whether a frame is under way, other than DATA. */
  get isInFrame(): boolean {
    return this.#heldBytes > 0;
  }

  stop(): void {
    this.#isStopped = true;
    this.#held = NOTHING;
    this.#heldBytes = 0;
  }

  push(chunk: Buffer): void {
    let at = 0;
    if (this.#heldBytes > 0) at = this.#complete(chunk);
    const { length } = chunk;
    while (at < length && !this.#isStopped) {
      if (this.#dataLeft >= 0) {
        at = this.#data(chunk, at);
        continue;
      }
      const needed = length - at < HEAD_BYTES ? HEAD_BYTES : this.#needed(chunk, at);
      if (length - at < needed) {
        this.#hold(chunk, at, needed);
        return;
      }
      at = this.#frame(chunk, at);
    }
  }

  /** Bytes that must be there before a frame whose head stands at `at` can be told. */
  #needed(bytes: Buffer, at: number): number {
    const size = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    if (size > MAX_FRAME_BYTES) throw new Http2Error(ERROR.frameSize, `a frame of ${size} bytes`);
    if (bytes[at + 3] !== FRAME.data) return HEAD_BYTES + size;
    return ((bytes[at + 4] as number) & FLAG_PADDED) !== 0 && size > 0 ? HEAD_BYTES + 1 : HEAD_BYTES;
  }

  #hold(chunk: Buffer, at: number, needed: number): void {
    const rest = chunk.length - at;
    // Room grows with what comes, not with what a peer says will come.
    this.#held = Buffer.allocUnsafe(Math.min(needed, Math.max(64, rest * 2)));
    chunk.copy(this.#held, 0, at);
    this.#heldBytes = rest;
  }

  /** Adds to the frame that is held until it is whole, and tells it; gives how much of the chunk that took. */
  #complete(chunk: Buffer): number {
    let at = 0;
    for (;;) {
      const needed = this.#heldBytes < HEAD_BYTES ? HEAD_BYTES : this.#needed(this.#held, 0);
      const taken = Math.min(needed - this.#heldBytes, chunk.length - at);
      if (this.#heldBytes + taken > this.#held.length) {
        const larger = Buffer.allocUnsafe(Math.min(needed, Math.max(this.#heldBytes + taken, this.#held.length * 2)));
        this.#held.copy(larger, 0, 0, this.#heldBytes);
        this.#held = larger;
      }
      chunk.copy(this.#held, this.#heldBytes, at, at + taken);
      at += taken;
      this.#heldBytes += taken;
      if (this.#heldBytes < needed) return at;
      if (needed > HEAD_BYTES || this.#needed(this.#held, 0) === HEAD_BYTES) break;
    }
    const held = this.#held;
    this.#held = NOTHING;
    this.#heldBytes = 0;
    this.#frame(held, 0);
    return at;
  }

  /** Tells the frame at `at`, which is there as far as it has to be; gives where it ends, or its data begins. */
  #frame(bytes: Buffer, at: number): number {
    const size = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    const type = bytes[at + 3] as number;
    const flags = bytes[at + 4] as number;
    const streamId =
      (((bytes[at + 5] as number) & 0x7f) << 24) |
      ((bytes[at + 6] as number) << 16) |
      ((bytes[at + 7] as number) << 8) |
      (bytes[at + 8] as number);
    const start = at + HEAD_BYTES;
    if (type !== FRAME.data) {
      this.#events.onFrame(type, flags, streamId, bytes, start, start + size);
      return start + size;
    }
    if ((flags & FLAG_PADDED) === 0) {
      this.#beginData(flags, streamId, size, 0);
      return start;
    }
    if (size === 0) throw new Http2Error(ERROR.frameSize, 'a padded DATA frame without the length of its padding');
    const padding = (bytes[start] as number) + 1;
    if (padding > size) throw new Http2Error(ERROR.protocol, 'a DATA frame with more padding than bytes');
    this.#beginData(flags, streamId, size, padding);
    return start + 1;
  }

  #beginData(flags: number, streamId: number, size: number, padding: number): void {
    this.#events.onDataFrame(flags, streamId, size, padding);
    this.#dataLeft = size - padding;
    this.#paddingLeft = Math.max(padding - 1, 0);
    if (this.#dataLeft + this.#paddingLeft === 0) this.#endData();
  }

  #data(chunk: Buffer, from: number): number {
    let at = from;
    if (this.#dataLeft > 0) {
      at = Math.min(chunk.length, from + this.#dataLeft);
      this.#dataLeft -= at - from;
      this.#events.onData(chunk, from, at);
    }
    if (this.#dataLeft > 0) return at;
    const padding = Math.min(chunk.length - at, this.#paddingLeft);
    this.#paddingLeft -= padding;
    if (this.#paddingLeft === 0) this.#endData();
    return at + padding;
  }

  #endData(): void {
    this.#dataLeft = -1;
    this.#events.onDataEnd();
  }
}
