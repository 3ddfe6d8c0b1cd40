/** One stream of a connection (RFC 9113, 5): its state, and its flow control in both directions. */
import type { HeaderList } from '../http/header-list.ts';
import { sendableTrailers } from '../http/trailers.ts';
import { ByteQueue } from './byte-queue.ts';
import type { FrameWriter } from './frame-writer.ts';
import { ERROR, type ErrorCode, MAX_FRAME_BYTES } from './frames.ts';
import type { Http2Stats } from './stats.ts';

/** The connection, as its streams see it. */
export interface StreamHost {
  readonly writer: FrameWriter;
  readonly stats: Http2Stats;
  /** Bytes of bodies that may be sent on the connection. */
  sendWindow: number;
  readonly maxFrameBytes: number;
  readonly streamWindowBytes: number;
  sendTrailers(stream: Http2Stream, trailers: HeaderList): void;
  /** So many bytes that came are not kept any longer. */
  consumed(bytes: number): void;
  /** The stream waits for room: it is to be pumped when there is. */
  wait(stream: Http2Stream): void;
  /** A stream that says no more waits for the far side to take the rest. */
  waitForFlush(stream: Http2Stream): void;
  /** The stream is over. */
  gone(stream: Http2Stream): void;
}

const NO_BYTES = Buffer.alloc(0);

export abstract class Http2Stream {
  id: number;
  protected readonly host: StreamHost;
  sendWindow: number;
  #receiveWindow: number;
  /** Of what came: taken, and not yet given back to the sender as window. */
  #unannounced = 0;
  #queue: Buffer[] | undefined;
  #queueAt = 0;
  #isKept = false;
  #trailers: HeaderList | undefined;
  /** This side: what it sent, and whether there is more. */
  #local: 'open' | 'ending' | 'ended' = 'open';
  #isRemoteEnded = false;
  #isClosed = false;
  #wantsDrain = false;
  /** The frame that was written last, which may turn out to be the last of all. */
  #lastTurn = -1;
  #lastFlagsAt = 0;
  #lastSlab: Buffer | undefined;
  #isPaused = false;
  #held: ByteQueue | undefined;
  #isReleasing = false;
  /** Told once what is held was: the end of what the far side sends. */
  #heldEnd = false;
  #heldTrailers: HeaderList | undefined;
  /** What of the declared length is to come; -1: none was declared. */
  bodyLeft = -1;
  cancelFlushTimeout: (() => void) | undefined;
  /** Whether what the far side still sends is of use. */
  protected wantsMore = true;

  constructor(id: number, host: StreamHost, sendWindow: number) {
    this.id = id;
    this.host = host;
    this.sendWindow = sendWindow;
    this.#receiveWindow = host.streamWindowBytes;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isRemoteEnded(): boolean {
    return this.#isRemoteEnded;
  }

  /** Whether this side has said, or will say without anybody's help, that it sends no more. */
  get isLocalEnding(): boolean {
    return this.#local !== 'open';
  }

  get isLocalEnded(): boolean {
    return this.#local === 'ended';
  }

  // What the codec above is told.

  protected abstract onBody(chunk: Buffer): void;
  protected abstract onRemoteEnd(trailers: HeaderList | undefined): void;
  protected abstract onDrain(): void;
  /** Everything was sent, END_STREAM with it. */
  protected abstract onLocalEnd(): void;
  /** The far side ended the stream, or was at fault so that this side did. */
  abstract onReset(code: ErrorCode, isRemote: boolean): void;
  /** The connection ended. */
  abstract onCut(): void;

  /** Whether such a reset of the far side takes nothing away. */
  isHarmless(_code: ErrorCode): boolean {
    return false;
  }

  // Sending.

  /** What is sent waits until {@link open}. */
  keep(): void {
    this.#isKept = true;
    this.#queue ??= [];
  }

  open(): void {
    this.#isKept = false;
    if (this.#queue?.length !== 0) return;
    this.#queue = undefined;
    if (this.#local === 'ending') this.#sendEnd(this.#trailers);
  }

  /** The far side wants no more: what waits is dropped. */
  stop(): void {
    this.#dropQueue();
    this.#local = 'ended';
    this.#closeIfDone();
  }

  /** A block of fields was just written; `isEnd`: with END_STREAM. */
  protected headWritten(isEnd: boolean): void {
    this.#note();
    if (isEnd) this.#ended();
  }

  #note(): void {
    const { writer } = this.host;
    this.#lastTurn = writer.turn;
    this.#lastFlagsAt = writer.lastFlagsAt;
    this.#lastSlab = writer.slab;
  }

  /** False: more should wait for {@link onDrain}. */
  sendBody(chunk: Buffer): boolean {
    if (chunk.length === 0 || this.#isClosed || this.#local !== 'open') return true;
    const { host } = this;
    let sent = 0;
    if (!this.#queue && !host.writer.isBlocked) sent = this.#write(chunk, 0, Number.POSITIVE_INFINITY);
    if (sent === chunk.length && !host.writer.isBlocked) return true;
    if (sent < chunk.length) {
      host.stats.pending_send_bytes += chunk.length - sent;
      if (this.#queue) this.#queue.push(chunk);
      else {
        this.#queue = [chunk];
        this.#queueAt = sent;
      }
    }
    this.#wantsDrain = true;
    host.wait(this);
    return false;
  }

  /** Writes as much of a chunk, from a place on, as windows allow, in so many frames at most; gives where it stopped. */
  #write(chunk: Buffer, from: number, frames: number): number {
    const { host } = this;
    let at = from;
    for (let left = frames; at < chunk.length && left > 0; left--) {
      const size = Math.min(chunk.length - at, MAX_FRAME_BYTES, this.sendWindow, host.sendWindow);
      if (size <= 0) break;
      this.sendWindow -= size;
      host.sendWindow -= size;
      host.writer.data(this.id, chunk, at, at + size, false);
      at += size;
    }
    if (at > from) this.#note();
    return at;
  }

  sendEnd(trailers: HeaderList | undefined): void {
    if (this.#isClosed || this.#local !== 'open') return;
    if (this.#queue) {
      this.#local = 'ending';
      this.#trailers = trailers;
      this.host.waitForFlush(this);
    } else this.#sendEnd(trailers);
  }

  #sendEnd(trailers: HeaderList | undefined): void {
    const { writer } = this.host;
    const sent = sendableTrailers(trailers);
    if (sent) this.host.sendTrailers(this, sent);
    else if (!writer.endLast(this.#lastTurn, this.#lastFlagsAt, this.#lastSlab)) {
      writer.data(this.id, NO_BYTES, 0, 0, true);
    }
    this.#ended();
  }

  #ended(): void {
    this.#local = 'ended';
    this.cancelFlushTimeout?.();
    this.cancelFlushTimeout = undefined;
    this.onLocalEnd();
    this.#closeIfDone();
  }

  /**
   * There may be room again: sends one frame of what waits. Gives whether anything was sent; {@link isWaiting} tells
   * whether there is more.
   */
  pump(): boolean {
    const queue = this.#queue;
    if (!queue) {
      this.#drained();
      return false;
    }
    const chunk = queue[0];
    if (!chunk || this.#isKept) return false;
    const from = this.#queueAt;
    const at = this.#write(chunk, from, 1);
    this.host.stats.pending_send_bytes -= at - from;
    this.#queueAt = at;
    if (at === chunk.length) {
      queue.shift();
      this.#queueAt = 0;
    }
    if (queue.length > 0) return at > from;
    this.#queue = undefined;
    if (this.#local === 'ending') this.#sendEnd(this.#trailers);
    else if (!this.host.writer.isBlocked) this.#drained();
    return true;
  }

  #drained(): void {
    if (!this.#wantsDrain || this.#isClosed) return;
    this.#wantsDrain = false;
    this.onDrain();
  }

  get isWaiting(): boolean {
    return !this.#isClosed && (this.#queue !== undefined || this.#wantsDrain);
  }

  // Receiving.

  /** A DATA frame of that size begins. Gives what is wrong with that, or undefined. */
  beginData(size: number, data: number): ErrorCode | undefined {
    if (this.#isRemoteEnded) return ERROR.streamClosed;
    this.#receiveWindow -= size;
    if (this.#receiveWindow < 0) return ERROR.flowControl;
    if (this.bodyLeft >= 0) {
      this.bodyLeft -= data;
      if (this.bodyLeft < 0) return ERROR.protocol;
    }
    return undefined;
  }

  receive(chunk: Buffer): void {
    if (this.#isPaused || this.#held) {
      this.#held ??= new ByteQueue();
      this.#held.add(chunk);
      return;
    }
    this.took(chunk.length);
    this.onBody(chunk);
  }

  /** Bytes that came are not kept any longer: the far side may send as many more. */
  took(bytes: number): void {
    this.host.consumed(bytes);
    if (!this.wantsMore || this.#isRemoteEnded || this.#isClosed) return;
    this.#unannounced += bytes;
    if (this.#unannounced < this.host.streamWindowBytes >> 1) return;
    this.host.writer.windowUpdate(this.id, this.#unannounced);
    this.#receiveWindow += this.#unannounced;
    this.#unannounced = 0;
  }

  /** The far side sends no more. Gives whether that is well: as much came as it declared. */
  remoteEnd(trailers: HeaderList | undefined): boolean {
    this.#isRemoteEnded = true;
    if (this.bodyLeft > 0) return false;
    if (this.#isPaused || this.#held) {
      this.#heldEnd = true;
      this.#heldTrailers = trailers;
      return true;
    }
    this.onRemoteEnd(trailers);
    this.#closeIfDone();
    return true;
  }

  protected hold(): void {
    this.#isPaused = true;
  }

  protected release(): void {
    if (!this.#isPaused || this.#isReleasing) return;
    this.#isPaused = false;
    this.#isReleasing = true;
    this.#deliver();
    this.#isReleasing = false;
  }

  #deliver(): void {
    const held = this.#held;
    for (let chunk = held?.shift(); chunk; chunk = held?.shift()) {
      this.took(chunk.length);
      this.onBody(chunk);
      if (this.#isPaused || this.#isClosed) break;
    }
    if (this.#isPaused || this.#isClosed) return;
    this.#held = undefined;
    if (!this.#heldEnd || this.#isClosed) return;
    this.#heldEnd = false;
    this.onRemoteEnd(this.#heldTrailers);
    this.#closeIfDone();
  }

  // The end.

  #closeIfDone(): void {
    if (this.#local === 'ended' && this.#isRemoteEnded && !this.#heldEnd) this.close();
  }

  /** Nothing more is sent or told. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.cancelFlushTimeout?.();
    this.cancelFlushTimeout = undefined;
    const heldBytes = this.#held?.bytes ?? 0;
    this.#held = undefined;
    this.#dropQueue();
    this.host.gone(this);
    if (heldBytes > 0) this.host.consumed(heldBytes);
  }

  #dropQueue(): void {
    if (!this.#queue) return;
    const waiting = this.#queue.reduce((sum, { length }) => sum + length, -this.#queueAt);
    this.host.stats.pending_send_bytes -= waiting;
    this.#queue = undefined;
    this.#queueAt = 0;
  }
}
