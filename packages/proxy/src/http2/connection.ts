/**
 * Messages on a connection (RFC 9113), on both sides of it: frames in, heads, bodies and trailers out of them. A server
 * and a client add what messages mean.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { HeaderList } from '../http/header-list.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import { TrailerFields } from './fields.ts';
import { type FrameEvents, FrameReader } from './frame-reader.ts';
import { ERROR, type ErrorCode, FLAG_ACK, FLAG_END_HEADERS, FLAG_END_STREAM, FRAME, Http2Error } from './frames.ts';
import { HeaderBlock } from './header-block.ts';
import { DEFAULT_TABLE_BYTES, type FieldSink, HpackDecoder, HpackError } from './hpack/decoder.ts';
import { Http2Link } from './link.ts';
import type { Http2Options } from './options.ts';
import { expectConnection, expectSize, expectStream, Fragment } from './payload.ts';
import type { Http2Stats } from './stats.ts';
import type { Http2Stream } from './stream.ts';

export abstract class Http2Connection<S extends Http2Stream> extends Http2Link<S> implements FrameEvents {
  protected readonly block: HeaderBlock;
  readonly #reader = new FrameReader(this);
  readonly #fragment = new Fragment();
  readonly #queue: FlushQueue;
  readonly #decoder: HpackDecoder;
  readonly #trailerFields: TrailerFields;
  /** The stream whose DATA frame is under way; undefined: it is thrown away. */
  #dataStream: S | undefined;
  #dataIsLast = false;

  constructor(socket: Socket, options: Http2Options, queue: FlushQueue, clock: Clock, stats: Http2Stats) {
    super(socket, options, queue, clock, stats);
    this.#queue = queue;
    this.#decoder = new HpackDecoder(queue.decodingRoom);
    this.#decoder.limit(Math.max(options.hpackTableBytes, DEFAULT_TABLE_BYTES));
    this.#trailerFields = new TrailerFields(options.maxHeadBytes, options.maxFields);
    this.block = new HeaderBlock(options.maxHeadBytes);
    socket.on('data', (chunk: Buffer) => this.onChunk(chunk));
    socket.on('end', () => this.#onEndOfInput());
  }

  // What a side adds.

  /** Where the fields of a block go that was begun on a stream; called when it is complete, before it is decoded. */
  protected abstract sinkOf(streamId: number): FieldSink;
  /** The block was decoded. */
  protected abstract onBlock(streamId: number, isEnd: boolean): void;
  /** The peer takes no more streams beyond that one. */
  protected abstract onGoaway(lastStreamId: number, code: number): void;
  /** What came was read. */
  protected abstract onSettled(): void;

  protected onSettingsAck(): void {
    this.#decoder.limit(this.options.hpackTableBytes);
  }

  protected stopReading(): void {
    this.#reader.stop();
    this.block.drop();
  }

  /** Whether a frame, or a block of fields, is under way. */
  protected get isInHead(): boolean {
    return this.block.streamId !== 0 || this.#reader.isInFrame;
  }

  // What the socket tells.

  protected onChunk(chunk: Buffer): void {
    if (this.isClosing) return;
    this.#queue.beginTurn();
    try {
      this.#reader.push(chunk);
      if (!this.isClosing) this.guard.onOutput();
    } catch (thrown) {
      if (thrown instanceof Http2Error) this.fail(thrown);
      else if (thrown instanceof HpackError) this.fail(new Http2Error(ERROR.compression, thrown.message));
      else throw thrown;
    }
    if (!this.isClosing) this.onSettled();
  }

  #onEndOfInput(): void {
    this.writer.end();
    this.over('');
  }

  // What the reader tells.

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (!this.hasSettings && (type !== FRAME.settings || (flags & FLAG_ACK) !== 0)) {
      throw new Http2Error(ERROR.protocol, 'the first frame is not SETTINGS');
    }
    if (this.block.streamId !== 0 && type !== FRAME.continuation) {
      throw new Http2Error(ERROR.protocol, 'another frame inside a header block');
    }
    switch (type) {
      case FRAME.headers:
        this.#onHeaders(flags, streamId, bytes, start, end);
        return;
      case FRAME.continuation:
        this.#onContinuation(flags, streamId, bytes, start, end);
        return;
      case FRAME.windowUpdate:
        this.onWindowUpdate(streamId, bytes, start, end);
        return;
      case FRAME.reset:
        this.#onReset(streamId, bytes, start, end);
        return;
      case FRAME.settings:
        this.onSettings(flags, streamId, bytes, start, end);
        return;
      case FRAME.ping:
        this.onPing(flags, streamId, bytes, start, end);
        return;
      case FRAME.goaway:
        expectConnection('GOAWAY', streamId);
        if (end - start < 8) throw new Http2Error(ERROR.frameSize, 'a GOAWAY that is too short');
        this.onGoaway(bytes.readUInt32BE(start) & 0x7fff_ffff, bytes.readUInt32BE(start + 4));
        return;
      case FRAME.priority:
        this.onPriority(streamId, bytes, start, end);
        return;
      case FRAME.pushPromise:
        throw new Http2Error(ERROR.protocol, 'PUSH_PROMISE, where push is not allowed');
    }
  }

  #onHeaders(flags: number, streamId: number, bytes: Buffer, from: number, to: number): void {
    expectStream('HEADERS', streamId);
    const fragment = this.#fragment;
    fragment.read(flags, streamId, bytes, from, to);
    const { start, end } = fragment;
    this.guard.onContent(end - start, flags);
    const isEnd = (flags & FLAG_END_STREAM) !== 0;
    if ((flags & FLAG_END_HEADERS) !== 0) this.#decode(streamId, isEnd, bytes, start, end);
    else this.block.begin(streamId, isEnd, bytes, start, end);
  }

  #onContinuation(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const { block } = this;
    if (block.streamId === 0 || block.streamId !== streamId) {
      throw new Http2Error(ERROR.protocol, 'CONTINUATION of nothing');
    }
    this.guard.onContent(end - start, 0);
    block.add(bytes, start, end);
    if ((flags & FLAG_END_HEADERS) === 0) return;
    const { isEnd } = block;
    const whole = block.take();
    this.#decode(streamId, isEnd, whole, 0, whole.length);
  }

  #decode(streamId: number, isEnd: boolean, bytes: Buffer, start: number, end: number): void {
    this.#decoder.decode(bytes, start, end, this.sinkOf(streamId));
    this.onBlock(streamId, isEnd);
  }

  /** Where the fields of trailers go. */
  protected trailerSink(): FieldSink {
    this.#trailerFields.reset();
    return this.#trailerFields;
  }

  /** Trailers of a stream were decoded. */
  protected onTrailers(stream: S, isEnd: boolean): void {
    const fields = this.#trailerFields;
    if (stream.isRemoteEnded) {
      this.streamError(stream, ERROR.streamClosed, 'trailers after the end');
      return;
    }
    if (fields.isOverflow) {
      this.stats.header_overflow++;
      this.streamError(stream, ERROR.internal, 'trailers too large');
      return;
    }
    if (!isEnd) fields.problem = 'trailers that are not the end';
    if (fields.problem !== '') {
      this.malformed(stream.id, stream, fields.problem);
      return;
    }
    const trailers = new HeaderList(fields.finish());
    trailers.secret = fields.secret;
    this.#remoteEnd(stream, trailers);
  }

  #remoteEnd(stream: S, trailers: HeaderList | undefined): void {
    if (!stream.remoteEnd(trailers)) this.streamError(stream, ERROR.protocol, 'less content than declared');
  }

  onDataFrame(flags: number, streamId: number, size: number, padding: number): void {
    if (!this.hasSettings) throw new Http2Error(ERROR.protocol, 'the first frame is not SETTINGS');
    if (this.block.streamId !== 0) throw new Http2Error(ERROR.protocol, 'DATA inside a header block');
    expectStream('DATA', streamId);
    this.guard.onContent(size - padding, flags);
    this.arrived(size);
    const stream = this.streams.get(streamId);
    this.#dataStream = stream;
    this.#dataIsLast = (flags & FLAG_END_STREAM) !== 0;
    if (!stream) {
      if (this.isIdle(streamId)) throw new Http2Error(ERROR.protocol, 'DATA on an idle stream');
      this.#discard(size);
      if (!this.resets.has(streamId)) this.#refuseData(streamId);
      return;
    }
    const wrong = stream.beginData(size, size - padding);
    if (wrong !== undefined) {
      this.#dataStream = undefined;
      this.#discard(size);
      this.streamError(stream, wrong, 'DATA that may not be');
    } else if (padding > 0) stream.took(padding);
  }

  /** Bytes of bodies that go nowhere: what they were read into is garbage. */
  #discard(bytes: number): void {
    this.#queue.moved(bytes);
    this.consumed(bytes);
  }

  #refuseData(streamId: number): void {
    this.resets.add(streamId);
    this.writer.reset(streamId, ERROR.streamClosed);
    this.stats.tx_reset++;
    this.onStreamCut(undefined);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    const stream = this.#dataStream;
    if (!stream) return;
    // Of a stream that ended while its frame came, the rest counts as taken.
    if (stream.isClosed) this.#discard(end - start);
    else stream.receive(bytes.subarray(start, end));
  }

  onDataEnd(): void {
    const stream = this.#dataStream;
    this.#dataStream = undefined;
    if (stream && this.#dataIsLast && !stream.isClosed) this.#remoteEnd(stream, undefined);
  }

  #onReset(streamId: number, bytes: Buffer, start: number, end: number): void {
    expectSize('RST_STREAM', end - start, 4);
    expectStream('RST_STREAM', streamId);
    if (this.isIdle(streamId)) throw new Http2Error(ERROR.protocol, 'RST_STREAM on an idle stream');
    const stream = this.streams.get(streamId);
    if (!stream) return;
    this.stats.rx_reset++;
    const code = bytes.readUInt32BE(start) as ErrorCode;
    if (stream.isHarmless(code)) {
      stream.stop();
      return;
    }
    stream.close();
    stream.onReset(code, true);
    this.onStreamCut(stream);
  }

  /** Whether an invalid message ends its stream only. */
  protected get endsOnlyStream(): boolean {
    return this.options.invalidMessageEndsStream;
  }

  /** A message that is not one (RFC 9113, 8.1.1). */
  protected malformed(streamId: number, stream: S | undefined, detail: string): void {
    this.stats.rx_messaging_error++;
    if (!this.endsOnlyStream) throw new Http2Error(ERROR.protocol, detail);
    if (stream) {
      this.streamError(stream, ERROR.protocol, detail);
      return;
    }
    this.resets.add(streamId);
    this.writer.reset(streamId, ERROR.protocol);
    this.stats.tx_reset++;
    this.onStreamCut(undefined);
  }
}
