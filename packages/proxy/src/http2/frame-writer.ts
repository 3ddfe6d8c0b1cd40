/**
 * Writes frames (RFC 9113, 4.1 and 6). What one turn of the event loop produces for a connection is gathered in one
 * buffer and leaves in one write, and one TLS record; large pieces of bodies are sent from where they are.
 */
import type { Socket } from 'node:net';
import type { Flushable, FlushQueue } from '../net/flush-queue.ts';
import { SLAB_BYTES, type Slab } from '../net/slabs.ts';
import { type ErrorCode, FLAG_ACK, FLAG_END_HEADERS, FLAG_END_STREAM, FRAME, HEAD_BYTES } from './frames.ts';
import type { HpackEncoder } from './hpack/encoder.ts';

/** Pieces of bodies from here on are not copied. */
const LARGE_BYTES = 4096;
/** So much is gathered before it is written, though the turn goes on. */
const HIGH_WATER_BYTES = 65_536;
/** A block of fields gets so much room at least, or it goes to a fresh buffer. */
const BLOCK_ROOM = 1024;
const FLAGS_AT = 4;

export class FrameWriter implements Flushable {
  readonly #socket: Socket;
  readonly #queue: FlushQueue;
  readonly #onDrain: () => void;
  #slab: Slab | undefined;
  /** Of the slab: what is not among the pieces yet. */
  #start = 0;
  #at = 0;
  /** What comes before that. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  /** Slabs that stand among the pieces. */
  #spent: Slab[] = [];
  #isQueued = false;
  #isBlocked = false;
  /** Changes when what was gathered can no longer be changed. */
  #turn = 0;
  /** Frames that were given to the socket since it was empty, and those that were gathered since. */
  #frames = 0;
  #controlFrames = 0;
  #newFrames = 0;
  #newControlFrames = 0;
  #dataFrames = 0;
  /** Where the flags stand of the HEADERS or DATA frame that was written last. */
  lastFlagsAt = 0;

  constructor(socket: Socket, queue: FlushQueue, onDrain: () => void) {
    this.#socket = socket;
    this.#queue = queue;
    this.#onDrain = onDrain;
    socket.on('drain', () => {
      this.#isBlocked = false;
      this.#frames = 0;
      this.#controlFrames = 0;
      this.#onDrain();
    });
  }

  /** Whether the far side is slow: bodies should wait for the drain. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Frames that may wait for the far side. */
  get waitingFrames(): number {
    return (this.#socket.writableLength === 0 ? 0 : this.#frames) + this.#newFrames;
  }

  /** Of them, those that answer the far side: acknowledgements and resets. */
  get waitingControlFrames(): number {
    return (this.#socket.writableLength === 0 ? 0 : this.#controlFrames) + this.#newControlFrames;
  }

  /** DATA frames ever written. */
  get dataFrames(): number {
    return this.#dataFrames;
  }

  /** See {@link endLast}. */
  get turn(): number {
    return this.#turn;
  }

  /** Makes sure that so many bytes fit one after another, and gives the buffer. */
  #room(bytes: number): Buffer {
    if (this.#slab && this.#at + bytes <= SLAB_BYTES) return this.#slab.bytes;
    this.#passSlab();
    this.#slab = this.#queue.slabs.take();
    this.#start = 0;
    this.#at = 0;
    return this.#slab.bytes;
  }

  /** What is in the slab is complete. */
  #passSlab(): void {
    this.#passBytes();
    if (!this.#slab) return;
    this.#spent.push(this.#slab);
    this.#slab = undefined;
  }

  #passBytes(): void {
    if (!this.#slab || this.#at === this.#start) return;
    this.#pieces.push(this.#slab.bytes.subarray(this.#start, this.#at));
    this.#pieceBytes += this.#at - this.#start;
    this.#start = this.#at;
  }

  #written(): void {
    this.#newFrames++;
    if (!this.#isQueued) {
      this.#isQueued = true;
      this.#queue.add(this);
    }
  }

  /** Writes the head of a frame into a buffer that has room for it. */
  #head(to: Buffer, at: number, size: number, type: number, flags: number, streamId: number): void {
    to[at] = size >>> 16;
    to[at + 1] = size >>> 8;
    to[at + 2] = size;
    to[at + 3] = type;
    to[at + FLAGS_AT] = flags;
    to[at + 5] = streamId >>> 24;
    to[at + 6] = streamId >>> 16;
    to[at + 7] = streamId >>> 8;
    to[at + 8] = streamId;
  }

  /** A frame of one or two 32-bit numbers. */
  #numbers(type: number, flags: number, streamId: number, first: number, second?: number): void {
    const size = second === undefined ? 4 : 8;
    const to = this.#room(HEAD_BYTES + size);
    this.#head(to, this.#at, size, type, flags, streamId);
    to.writeUInt32BE(first, this.#at + HEAD_BYTES);
    if (second !== undefined) to.writeUInt32BE(second, this.#at + HEAD_BYTES + 4);
    this.#at += HEAD_BYTES + size;
    this.#written();
  }

  bytes(bytes: Buffer): void {
    this.#room(bytes.length).set(bytes, this.#at);
    this.#at += bytes.length;
    this.#written();
  }

  settings(pairs: readonly (readonly [id: number, value: number])[]): void {
    const size = pairs.length * 6;
    const to = this.#room(HEAD_BYTES + size);
    this.#head(to, this.#at, size, FRAME.settings, 0, 0);
    this.#at += HEAD_BYTES;
    for (const [id, value] of pairs) {
      to.writeUInt16BE(id, this.#at);
      to.writeUInt32BE(value, this.#at + 2);
      this.#at += 6;
    }
    this.#written();
  }

  settingsAck(): void {
    this.#newControlFrames++;
    const to = this.#room(HEAD_BYTES);
    this.#head(to, this.#at, 0, FRAME.settings, FLAG_ACK, 0);
    this.#at += HEAD_BYTES;
    this.#written();
  }

  ping(isAck: boolean, first: number, second: number): void {
    if (isAck) this.#newControlFrames++;
    this.#numbers(FRAME.ping, isAck ? FLAG_ACK : 0, 0, first, second);
  }

  goaway(lastStreamId: number, code: ErrorCode): void {
    this.#numbers(FRAME.goaway, 0, 0, lastStreamId, code);
  }

  reset(streamId: number, code: ErrorCode): void {
    this.#newControlFrames++;
    this.#numbers(FRAME.reset, 0, streamId, code);
  }

  windowUpdate(streamId: number, bytes: number): void {
    this.#numbers(FRAME.windowUpdate, 0, streamId, bytes);
  }

  /** Begins a block of fields, which the encoder writes to where it will be sent from. */
  beginBlock(encoder: HpackEncoder): void {
    const to = this.#room(BLOCK_ROOM);
    encoder.begin(to, this.#at + HEAD_BYTES);
  }

  /** Sends the block that was begun as HEADERS, and CONTINUATION where it is long. */
  endBlock(encoder: HpackEncoder, streamId: number, isEnd: boolean, maxFrameBytes: number): void {
    const flags = isEnd ? FLAG_END_STREAM : 0;
    const { buffer, start } = encoder;
    const size = encoder.at - start;
    if (buffer !== this.#slab?.bytes) {
      this.#longBlock(buffer.subarray(start, start + size), flags, streamId, maxFrameBytes);
      return;
    }
    this.#head(buffer, this.#at, size, FRAME.headers, flags | FLAG_END_HEADERS, streamId);
    this.lastFlagsAt = this.#at + FLAGS_AT;
    this.#at += HEAD_BYTES + size;
    this.#written();
  }

  #longBlock(block: Buffer, flags: number, streamId: number, maxFrameBytes: number): void {
    for (let at = 0; at < block.length; at += maxFrameBytes) {
      const piece = block.subarray(at, at + maxFrameBytes);
      const isLast = at + piece.length === block.length;
      const type = at === 0 ? FRAME.headers : FRAME.continuation;
      const to = this.#room(HEAD_BYTES);
      if (at === 0) this.lastFlagsAt = this.#at + FLAGS_AT;
      this.#head(to, this.#at, piece.length, type, (at === 0 ? flags : 0) | (isLast ? FLAG_END_HEADERS : 0), streamId);
      this.#at += HEAD_BYTES;
      this.#passBytes();
      this.#pieces.push(piece);
      this.#pieceBytes += piece.length;
      this.#written();
    }
  }

  /** Sends `bytes` between `start` and `end` as one DATA frame. */
  data(streamId: number, bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    const size = end - start;
    const isLarge = size >= LARGE_BYTES;
    const to = this.#room(isLarge ? HEAD_BYTES : HEAD_BYTES + size);
    this.#head(to, this.#at, size, FRAME.data, isEnd ? FLAG_END_STREAM : 0, streamId);
    this.lastFlagsAt = this.#at + FLAGS_AT;
    this.#at += HEAD_BYTES;
    if (isLarge) {
      this.#passBytes();
      this.#pieces.push(bytes.subarray(start, end));
      this.#pieceBytes += size;
    } else {
      bytes.copy(to, this.#at, start, end);
      this.#at += size;
    }
    this.#dataFrames++;
    this.#queue.moved(size);
    this.#written();
    if (this.#pieceBytes >= HIGH_WATER_BYTES) this.#write();
  }

  /**
   * Gives the frame whose flags stand at `flagsAt` END_STREAM, if it is still here: `turn` and `flagsAt` are as they were
   * when it was written. False: it is not.
   */
  endLast(turn: number, flagsAt: number, slab: Buffer | undefined): boolean {
    if (turn !== this.#turn || slab === undefined || slab !== this.#slab?.bytes) return false;
    slab[flagsAt] = (slab[flagsAt] as number) | FLAG_END_STREAM;
    return true;
  }

  /** The buffer that is being filled. */
  get slab(): Buffer | undefined {
    return this.#slab?.bytes;
  }

  /** Sends everything, then closes this direction. */
  end(): void {
    this.flush();
    this.#socket.end();
  }

  flush(): void {
    this.#isQueued = false;
    this.#write();
  }

  #write(): void {
    const slab = this.#slab;
    if (this.#pieces.length === 0 && this.#at === this.#start) return;
    const socket = this.#socket;
    this.#turn++;
    if (socket.writableLength === 0) {
      this.#frames = 0;
      this.#controlFrames = 0;
    }
    this.#frames += this.#newFrames;
    this.#controlFrames += this.#newControlFrames;
    this.#newFrames = 0;
    this.#newControlFrames = 0;
    if (!socket.writable) this.#drop();
    else if (this.#pieces.length === 0 && slab) {
      const bytes = slab.bytes.subarray(this.#start, this.#at);
      this.#slab = undefined;
      this.#start = 0;
      this.#at = 0;
      if (!socket.write(bytes, slab.release)) this.#isBlocked = true;
    } else this.#writePieces();
  }

  #drop(): void {
    this.#slab?.release();
    this.#slab = undefined;
    this.#start = 0;
    this.#at = 0;
    this.#pieces = [];
    this.#pieceBytes = 0;
    this.#spent = [];
  }

  #writePieces(): void {
    const socket = this.#socket;
    this.#passSlab();
    const spent = this.#spent;
    const pieces = this.#pieces;
    this.#spent = [];
    this.#pieces = [];
    this.#pieceBytes = 0;
    const last = pieces.length - 1;
    const release = (): void => {
      for (const slab of spent) slab.release();
    };
    socket.cork();
    let isTaken = true;
    for (let i = 0; i <= last; i++) {
      isTaken = i === last ? socket.write(pieces[i] as Buffer, release) : socket.write(pieces[i] as Buffer);
    }
    socket.uncork();
    if (!isTaken) this.#isBlocked = true;
  }
}
