/**
 * What both sides of a connection do (RFC 9113): frames in and out, settings, windows, pings, and its end. A server and
 * a client add what messages mean.
 */
import type { Socket } from 'node:net';
import { type Clock, Deadline } from '../clock.ts';
import { HeaderList } from '../http/header-list.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import { TrailerFields } from './fields.ts';
import { FloodGuard } from './flood-guard.ts';
import { type FrameEvents, FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import {
  DEFAULT_WINDOW,
  ERROR,
  type ErrorCode,
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FRAME,
  Http2Error,
  MAX_WINDOW,
  SETTING,
} from './frames.ts';
import { HeaderBlock } from './header-block.ts';
import { DEFAULT_TABLE_BYTES, type FieldSink, HpackDecoder, HpackError } from './hpack/decoder.ts';
import { HpackEncoder } from './hpack/encoder.ts';
import { Keepalive } from './keepalive.ts';
import type { Http2Options } from './options.ts';
import { expectConnection, expectOther, expectSize, expectStream, Fragment } from './payload.ts';
import { RecentResets } from './recent-resets.ts';
import { PeerSettings } from './settings.ts';
import type { Http2Stats } from './stats.ts';
import type { Http2Stream, StreamHost } from './stream.ts';
import { WaitingStreams } from './waiting-streams.ts';

/** How long the peer may take to acknowledge settings (RFC 9113, 6.5.3). */
const SETTINGS_TIMEOUT_MS = 30_000;
/** What a PING of this side holds, by what it is for. */
export const PING = { keepalive: 1, drain: 2 } as const;

export abstract class Http2Connection<S extends Http2Stream> implements FrameEvents, StreamHost {
  readonly socket: Socket;
  readonly writer: FrameWriter;
  readonly stats: Http2Stats;
  sendWindow = DEFAULT_WINDOW;
  protected readonly options: Http2Options;
  protected readonly clock: Clock;
  protected readonly peer = new PeerSettings();
  protected readonly encoder = new HpackEncoder();
  protected readonly streams = new Map<number, S>();
  protected readonly resets = new RecentResets();
  protected readonly guard: FloodGuard;
  protected readonly block: HeaderBlock;
  readonly #reader = new FrameReader(this);
  readonly #fragment = new Fragment();
  readonly #decoder: HpackDecoder;
  readonly #trailerFields: TrailerFields;
  readonly #waiting: WaitingStreams;
  readonly #settingsTimeout: Deadline;
  readonly #keepalive: Keepalive;
  #receiveWindow: number;
  #unannounced = 0;
  /** The stream whose DATA frame is under way; undefined: it is thrown away. */
  #dataStream: S | undefined;
  #dataIsLast = false;
  #hasSettings = false;
  protected hasSettingsAck = false;
  #isClosing = false;
  #isOver = false;

  constructor(socket: Socket, options: Http2Options, queue: FlushQueue, clock: Clock, stats: Http2Stats) {
    this.socket = socket;
    this.options = options;
    this.clock = clock;
    this.stats = stats;
    this.writer = new FrameWriter(socket, queue, () => this.#waiting.pump());
    this.#waiting = new WaitingStreams(this.writer);
    this.guard = new FloodGuard(options.limits, stats, this.writer);
    this.#decoder = new HpackDecoder(queue.decodingRoom);
    this.#decoder.limit(Math.max(options.hpackTableBytes, DEFAULT_TABLE_BYTES));
    this.#trailerFields = new TrailerFields(options.maxHeadBytes, options.maxFields);
    this.block = new HeaderBlock(options.maxHeadBytes);
    this.#receiveWindow = options.connectionWindowBytes;
    this.#settingsTimeout = new Deadline(clock, () => this.#onSettingsTimeout());
    socket.on('data', (chunk: Buffer) => this.onChunk(chunk));
    socket.on('end', () => this.#onEndOfInput());
    socket.on('error', (error) => this.over(error.message));
    socket.on('close', () => this.over(''));
    const { keepaliveIntervalMs, keepaliveTimeoutMs } = options;
    const ping = (): void => this.writer.ping(false, PING.keepalive, 0);
    this.#keepalive = new Keepalive(keepaliveIntervalMs, keepaliveTimeoutMs, clock, ping, () => this.#onSilence());
  }

  // What a side adds.

  /** Where the fields of a block go that was begun on a stream; called when it is complete, before it is decoded. */
  protected abstract sinkOf(streamId: number): FieldSink;
  /** The block was decoded. */
  protected abstract onBlock(streamId: number, isEnd: boolean): void;
  /** The peer takes no more streams beyond that one. */
  protected abstract onGoaway(lastStreamId: number, code: number): void;
  protected abstract onPeerSettings(): void;
  protected abstract onPong(what: number): void;
  /** Whether a stream of that number was never opened. */
  protected abstract isIdle(streamId: number): boolean;
  /** The last stream of the peer that this side has taken. */
  protected abstract get lastPeerStream(): number;
  /** A stream is over and forgotten. */
  protected abstract onStreamGone(stream: S): void;
  /** The peer broke the protocol, or its limits; the connection is being closed. */
  protected abstract onFailed(error: Http2Error): void;
  /** The peer reset a stream, or made this side do so. */
  protected abstract onStreamCut(stream: S | undefined): void;
  /** What came was read. */
  protected abstract onSettled(): void;
  /** All is over; {@link cutStreams} tells the streams. */
  protected abstract onOver(text: string): void;

  get isClosing(): boolean {
    return this.#isClosing;
  }

  get maxFrameBytes(): number {
    return this.peer.maxFrameBytes;
  }

  get streamWindowBytes(): number {
    return this.options.streamWindowBytes;
  }

  /** Whether a frame, or a block of fields, is under way. */
  protected get isInHead(): boolean {
    return this.block.streamId !== 0 || this.#reader.isInFrame;
  }

  /** Sends the first frames. */
  protected greet(settings: readonly (readonly [id: number, value: number])[]): void {
    const { options } = this;
    this.writer.settings([
      [SETTING.headerTableSize, options.hpackTableBytes],
      [SETTING.initialWindowSize, options.streamWindowBytes],
      ...settings,
    ]);
    const more = options.connectionWindowBytes - DEFAULT_WINDOW;
    if (more > 0) this.writer.windowUpdate(0, more);
    this.#settingsTimeout.set(SETTINGS_TIMEOUT_MS);
  }

  // What the socket tells.

  protected onChunk(chunk: Buffer): void {
    if (this.#isClosing) return;
    try {
      this.#reader.push(chunk);
      if (!this.#isClosing) this.guard.onOutput();
    } catch (thrown) {
      if (thrown instanceof Http2Error) this.fail(thrown);
      else if (thrown instanceof HpackError) this.fail(new Http2Error(ERROR.compression, thrown.message));
      else throw thrown;
    }
    if (!this.#isClosing) this.onSettled();
  }

  #onEndOfInput(): void {
    this.writer.end();
    this.over('');
  }

  #onSettingsTimeout(): void {
    this.fail(new Http2Error(ERROR.settingsTimeout, 'the settings were not acknowledged'));
  }

  #onSilence(): void {
    this.stats.keepalive_timeout++;
    this.fail(new Http2Error(ERROR.none, 'a PING was not answered'));
  }

  // What the reader tells.

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (!this.#hasSettings && (type !== FRAME.settings || (flags & FLAG_ACK) !== 0)) {
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
        this.#onWindowUpdate(streamId, bytes, start, end);
        return;
      case FRAME.reset:
        this.#onReset(streamId, bytes, start, end);
        return;
      case FRAME.settings:
        this.#onSettings(flags, streamId, bytes, start, end);
        return;
      case FRAME.ping:
        this.#onPing(flags, streamId, bytes, start, end);
        return;
      case FRAME.goaway:
        expectConnection('GOAWAY', streamId);
        if (end - start < 8) throw new Http2Error(ERROR.frameSize, 'a GOAWAY that is too short');
        this.onGoaway(bytes.readUInt32BE(start) & 0x7fff_ffff, bytes.readUInt32BE(start + 4));
        return;
      case FRAME.priority:
        this.#onPriority(streamId, bytes, start, end);
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
    this.stats.trailers++;
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
    if (!this.#hasSettings) throw new Http2Error(ERROR.protocol, 'the first frame is not SETTINGS');
    if (this.block.streamId !== 0) throw new Http2Error(ERROR.protocol, 'DATA inside a header block');
    expectStream('DATA', streamId);
    this.guard.onContent(size - padding, flags);
    this.#receiveWindow -= size;
    if (this.#receiveWindow < 0) throw new Http2Error(ERROR.flowControl, 'more than the window of the connection');
    const stream = this.streams.get(streamId);
    this.#dataStream = stream;
    this.#dataIsLast = (flags & FLAG_END_STREAM) !== 0;
    if (!stream) {
      if (this.isIdle(streamId)) throw new Http2Error(ERROR.protocol, 'DATA on an idle stream');
      this.consumed(size);
      if (!this.resets.has(streamId)) this.#refuseData(streamId);
      return;
    }
    const wrong = stream.beginData(size, size - padding);
    if (wrong !== undefined) {
      this.#dataStream = undefined;
      this.consumed(size);
      this.streamError(stream, wrong, 'DATA that may not be');
    } else if (padding > 0) stream.took(padding);
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
    if (stream.isClosed) this.consumed(end - start);
    else stream.receive(bytes.subarray(start, end));
  }

  onDataEnd(): void {
    const stream = this.#dataStream;
    this.#dataStream = undefined;
    if (stream && this.#dataIsLast && !stream.isClosed) this.#remoteEnd(stream, undefined);
  }

  #onWindowUpdate(streamId: number, bytes: Buffer, start: number, end: number): void {
    expectSize('WINDOW_UPDATE', end - start, 4);
    this.guard.onWindowUpdate();
    const more = bytes.readUInt32BE(start) & 0x7fff_ffff;
    if (streamId === 0) {
      if (more === 0) throw new Http2Error(ERROR.protocol, 'a WINDOW_UPDATE of nothing');
      this.sendWindow += more;
      if (this.sendWindow > MAX_WINDOW) throw new Http2Error(ERROR.flowControl, 'a window beyond 2^31-1');
      this.#waiting.pump();
      return;
    }
    const stream = this.streams.get(streamId);
    if (!stream) {
      if (this.isIdle(streamId)) throw new Http2Error(ERROR.protocol, 'WINDOW_UPDATE on an idle stream');
      return;
    }
    if (more === 0) {
      this.streamError(stream, ERROR.protocol, 'a WINDOW_UPDATE of nothing');
      return;
    }
    stream.sendWindow += more;
    if (stream.sendWindow > MAX_WINDOW) this.streamError(stream, ERROR.flowControl, 'a window beyond 2^31-1');
    else if (this.#waiting.has(stream)) this.#waiting.pump();
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

  #onSettings(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    expectConnection('SETTINGS', streamId);
    if ((flags & FLAG_ACK) !== 0) {
      if (end > start) throw new Http2Error(ERROR.frameSize, 'an acknowledgement of SETTINGS that says something');
      this.hasSettingsAck = true;
      this.#settingsTimeout.dispose();
      this.#decoder.limit(this.options.hpackTableBytes);
      return;
    }
    const { peer } = this;
    const before = peer.initialWindow;
    peer.read(bytes, start, end);
    this.#hasSettings = true;
    const more = peer.initialWindow - before;
    if (more !== 0) this.#changeWindows(more);
    this.encoder.limit(Math.min(peer.tableBytes, this.options.hpackTableBytes));
    this.writer.settingsAck();
    this.onPeerSettings();
    this.#waiting.pump();
  }

  #changeWindows(more: number): void {
    for (const stream of this.streams.values()) {
      stream.sendWindow += more;
      if (stream.sendWindow > MAX_WINDOW) throw new Http2Error(ERROR.flowControl, 'a window beyond 2^31-1');
    }
  }

  #onPing(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    expectConnection('PING', streamId);
    expectSize('PING', end - start, 8);
    const first = bytes.readUInt32BE(start);
    const second = bytes.readUInt32BE(start + 4);
    if ((flags & FLAG_ACK) === 0) {
      this.writer.ping(true, first, second);
      return;
    }
    if (first === PING.keepalive) this.#keepalive.answered();
    else this.onPong(first);
  }

  #onPriority(streamId: number, bytes: Buffer, start: number, end: number): void {
    expectStream('PRIORITY', streamId);
    this.guard.onPriority();
    expectSize('PRIORITY', end - start, 5);
    expectOther(streamId, bytes, start);
  }

  // What streams ask.

  sendTrailers(stream: Http2Stream, trailers: HeaderList): void {
    const { encoder } = this;
    this.writer.beginBlock(encoder);
    this.encodeFields(trailers);
    this.writer.endBlock(encoder, stream.id, true, this.peer.maxFrameBytes);
    this.stats.trailers++;
  }

  protected encodeFields({ flat, secret }: HeaderList): void {
    const { encoder } = this;
    const { length } = flat;
    if (secret) {
      for (let i = 0; i < length; i += 2) {
        encoder.field(flat[i] as string, flat[i + 1] as string, secret.includes(flat[i] as string));
      }
      return;
    }
    for (let i = 0; i < length; i += 2) encoder.field(flat[i] as string, flat[i + 1] as string);
  }

  consumed(bytes: number): void {
    if (this.#isClosing) return;
    this.#unannounced += bytes;
    if (this.#unannounced < this.options.connectionWindowBytes >> 1) return;
    this.writer.windowUpdate(0, this.#unannounced);
    this.#receiveWindow += this.#unannounced;
    this.#unannounced = 0;
  }

  wait(stream: Http2Stream): void {
    this.#waiting.add(stream);
  }

  abstract waitForFlush(stream: Http2Stream): void;

  gone(stream: Http2Stream): void {
    const known = this.streams.get(stream.id);
    if (known !== stream) return;
    this.streams.delete(stream.id);
    this.#waiting.delete(stream);
    this.stats.streams_active--;
    this.guard.streamEnded();
    this.onStreamGone(known);
  }

  /** Resets a stream from this side. */
  reset(stream: Http2Stream, code: ErrorCode): void {
    if (stream.isClosed) return;
    this.resets.add(stream.id);
    this.writer.reset(stream.id, code);
    this.stats.tx_reset++;
    stream.close();
  }

  /** The peer is at fault on one stream, which ends. */
  protected streamError(stream: S, code: ErrorCode, _detail: string): void {
    this.reset(stream, code);
    stream.onReset(code, false);
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

  // The end.

  /** Tells the peer what was wrong, and closes the connection. */
  fail(error: Http2Error): void {
    if (this.#isClosing) return;
    this.onFailed(error);
    this.stats.goaway_sent++;
    this.writer.goaway(this.lastPeerStream, error.code);
    this.writer.end();
    this.over(error.message);
  }

  /** Closes a connection on which nothing runs any more, as agreed. */
  protected close(): void {
    if (this.#isClosing) return;
    this.stats.goaway_sent++;
    this.writer.goaway(this.lastPeerStream, ERROR.none);
    this.writer.end();
    this.over('');
  }

  protected over(text: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isClosing = true;
    this.#reader.stop();
    this.block.drop();
    this.#settingsTimeout.dispose();
    this.#keepalive.dispose();
    this.#waiting.clear();
    this.onOver(text);
  }

  /** Ends every stream with the connection. */
  protected cutStreams(): void {
    for (const stream of [...this.streams.values()]) {
      stream.close();
      stream.onCut();
    }
  }
}
