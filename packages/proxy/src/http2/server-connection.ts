/**
 * A connection from a client that speaks HTTP/2 (RFC 9113): many requests at once, each told to the handler as one over
 * HTTP/1.1 would be.
 */
import type { Socket } from 'node:net';
import { type Clock, Deadline } from '../clock.ts';
import type { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import type { ResponseStream } from '../http/stream.ts';
import type { RequestHandler } from '../http1/server-options.ts';
import type { Violation } from '../http1/violation.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import { linger, lingerBriefly } from '../net/linger.ts';
import { Http2Connection } from './connection.ts';
import { IGNORED } from './fields.ts';
import { ERROR, type ErrorCode, Http2Error, MAX_STREAM_ID, PREFACE, SETTING } from './frames.ts';
import type { FieldSink } from './hpack/decoder.ts';
import { PING } from './link.ts';
import type { Http2ServerOptions } from './options.ts';
import { RequestFields } from './request-fields.ts';
import { type ServerHost, ServerStream } from './server-stream.ts';
import type { Http2Stats } from './stats.ts';
import { STATUS_TEXT } from './status-text.ts';
import type { Http2Stream } from './stream.ts';

/** Who serves the requests of a connection. */
export interface Http2RequestHandler extends RequestHandler {
  /** The client broke the protocol, or its limits; the connection ends. */
  onConnectionError(cause: 'protocol' | 'premature-resets'): void;
  /** The connection was unused for too long. */
  onIdleTimeout(): void;
}

/** Streams that their client resets sooner than this say nothing about its patience (Envoy's default). */
const PREMATURE_MS = 1000;
/** How long a client may take for a PING before a drain goes on without it. */
const DRAIN_NOTICE_MS = 5000;

/** How long the rest of a request may come that is answered already, before the client is told to stop. */
const REQUEST_END_MS = 500;

export class Http2ServerConnection extends Http2Connection<ServerStream> implements ServerHost {
  readonly #handler: Http2RequestHandler;
  readonly #server: Http2ServerOptions;
  readonly #fields: RequestFields;
  readonly #idle: Deadline;
  readonly #headTimeout: Deadline;
  readonly #drainNotice: Deadline;
  #prefaceAt = 0;
  #lastStream = 0;
  /** The last of the streams that were begun after the client was told of the last one, and are not served. */
  #lastIgnored = 0;
  #served = 0;
  /** The stream whose block is being decoded, where it is to be a request. */
  #newStream = 0;
  #isHeadBegun = false;
  #hasFailed = false;
  #drain: 'none' | 'noticed' | 'final' = 'none';

  constructor(
    socket: Socket,
    handler: Http2RequestHandler,
    options: Http2ServerOptions,
    queue: FlushQueue,
    clock: Clock,
    stats: Http2Stats,
  ) {
    super(socket, options, queue, clock, stats);
    this.#handler = handler;
    this.#server = options;
    this.#fields = new RequestFields(options.maxHeadBytes, options.maxFields, options.allowsConnect);
    this.#idle = new Deadline(clock, () => this.#onIdle());
    this.#headTimeout = new Deadline(clock, () => this.#onHeadTimeout());
    this.#drainNotice = new Deadline(clock, () => this.#finishDrain());
    this.greet([
      [SETTING.enableConnectProtocol, options.allowsConnect ? 1 : 0],
      [SETTING.maxConcurrentStreams, options.maxConcurrentStreams],
    ]);
    this.#idle.set(options.idleTimeoutMs);
  }

  /** Whether a request is being read or answered. */
  get isActive(): boolean {
    return this.streams.size > 0;
  }

  /**
   * Ends the connection once the requests are served that are under way, on the wire included: the client is told to
   * begin no more, and after a round trip which ones were the last (RFC 9113, 6.8).
   */
  drain(): void {
    if (this.#drain !== 'none' || this.isClosing) return;
    this.#drain = 'noticed';
    this.stats.goaway_sent++;
    this.writer.goaway(MAX_STREAM_ID, ERROR.none);
    this.writer.ping(false, PING.drain, 0);
    this.#drainNotice.set(DRAIN_NOTICE_MS);
  }

  #finishDrain(): void {
    if (this.#drain !== 'noticed' || this.isClosing) return;
    this.#drain = 'final';
    this.#drainNotice.dispose();
    if (this.streams.size === 0) {
      this.close();
      return;
    }
    this.stats.goaway_sent++;
    this.writer.goaway(this.#lastStream, ERROR.none);
  }

  destroy(): void {
    this.socket.destroy();
    this.over('');
  }

  // What came.

  protected override onChunk(chunk: Buffer): void {
    if (this.#prefaceAt === PREFACE.length) {
      super.onChunk(chunk);
      return;
    }
    if (this.isClosing) return;
    const size = Math.min(chunk.length, PREFACE.length - this.#prefaceAt);
    if (chunk.compare(PREFACE, this.#prefaceAt, this.#prefaceAt + size, 0, size) !== 0) {
      this.fail(new Http2Error(ERROR.protocol, 'what came is no HTTP/2'));
      return;
    }
    this.#prefaceAt += size;
    if (chunk.length > size) super.onChunk(chunk.subarray(size));
  }

  protected onSettled(): void {
    if (this.isInHead) {
      if (this.#isHeadBegun) return;
      this.#isHeadBegun = true;
      this.#headTimeout.set(this.#server.requestHeadersTimeoutMs);
    } else if (this.#isHeadBegun) {
      this.#isHeadBegun = false;
      this.#headTimeout.clear();
    }
  }

  #onHeadTimeout(): void {
    const { streamId } = this.block;
    if (streamId > this.#lastStream) this.#handler.onHeadTimeout(this.#open(streamId, 'none'));
    this.fail(new Http2Error(ERROR.none, 'a head did not come in time'));
  }

  #onIdle(): void {
    if (this.streams.size > 0) return;
    this.#handler.onIdleTimeout();
    this.close();
  }

  protected isIdle(streamId: number): boolean {
    return (streamId & 1) === 0 || streamId > Math.max(this.#lastStream, this.#lastIgnored);
  }

  protected get lastPeerStream(): number {
    return this.#lastStream;
  }

  protected sinkOf(streamId: number): FieldSink {
    if (streamId > this.#lastStream && (streamId & 1) === 1) {
      this.#newStream = streamId;
      this.#fields.reset();
      return this.#fields;
    }
    this.#newStream = 0;
    return this.streams.has(streamId) ? this.trailerSink() : IGNORED;
  }

  protected onBlock(streamId: number, isEnd: boolean): void {
    if (this.#newStream !== 0) {
      this.#onRequest(streamId, isEnd);
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream) {
      this.stats.trailers++;
      this.onTrailers(stream, isEnd);
    } else if ((streamId & 1) === 0) throw new Http2Error(ERROR.protocol, 'a stream of a client with an even number');
    else if (!this.resets.has(streamId)) throw new Http2Error(ERROR.streamClosed, 'HEADERS on a closed stream');
  }

  #onRequest(streamId: number, isEnd: boolean): void {
    if (this.#drain === 'final') {
      // Begun after the client was told which stream is the last: it knows that this one is not served.
      this.#lastIgnored = Math.max(this.#lastIgnored, streamId);
      this.resets.add(streamId);
      return;
    }
    this.#lastStream = streamId;
    this.guard.streamOpened();
    const fields = this.#fields;
    if (fields.isOverflow) {
      this.stats.header_overflow++;
      this.#refuse(streamId, ERROR.internal);
      this.onStreamCut(undefined);
      return;
    }
    if (this.streams.size >= this.options.maxConcurrentStreams) {
      this.stats.stream_refused_errors++;
      this.#refuse(streamId, ERROR.refusedStream);
      // Whoever knows the limit and does not keep it gains nothing by it.
      if (this.hasSettingsAck) this.onStreamCut(undefined);
      return;
    }
    const head = fields.finish(isEnd);
    if (!head) this.malformed(streamId, undefined, fields.problem);
    else if (head instanceof RequestHead) this.#serve(streamId, head, isEnd);
    else this.#answer(streamId, head, isEnd);
  }

  #refuse(streamId: number, code: ErrorCode): void {
    this.resets.add(streamId);
    this.writer.reset(streamId, code);
    this.stats.tx_reset++;
  }

  #open(streamId: number, tunnel: 'none' | 'plain' | 'extended'): ServerStream {
    const stream = new ServerStream(streamId, this, this.peer.initialWindow, this.clock.monotonicMs(), tunnel);
    this.streams.add(stream);
    this.stats.streams_active++;
    this.#idle.clear();
    return stream;
  }

  #serve(streamId: number, head: RequestHead, isEnd: boolean): void {
    const isConnect = head.method === 'CONNECT';
    const stream = this.#open(streamId, isConnect ? 'plain' : head.upgrade === undefined ? 'none' : 'extended');
    if (!isConnect && head.upgrade === undefined) stream.bodyLeft = head.bodyLength;
    if (++this.#served === this.options.maxRequests || this.#handler.isDraining()) this.drain();
    if (isEnd) stream.remoteEnd(undefined);
    const listener = this.#handler.onRequest(head, stream);
    stream.listen(listener);
  }

  #answer(streamId: number, violation: Violation, isEnd: boolean): void {
    const stream = this.#open(streamId, 'none');
    if (isEnd) stream.remoteEnd(undefined);
    this.#handler.onViolation(violation, stream as ResponseStream);
  }

  protected onGoaway(): void {
    // A client that goes away begins nothing more, and waits for what it has begun.
  }

  protected onPeerSettings(): void {
    // What a client allows is taken as it is.
  }

  protected onPong(what: number): void {
    if (what === PING.drain) this.#finishDrain();
  }

  // What streams ask.

  sendResponseHead(stream: ServerStream, status: number, headers: HeaderList, isEnd: boolean): void {
    const { encoder, writer } = this;
    writer.beginBlock(encoder);
    encoder.field(':status', STATUS_TEXT[status] ?? String(status));
    this.encodeFields(headers);
    writer.endBlock(encoder, stream.id, isEnd, this.peer.maxFrameBytes);
  }

  waitForFlush(stream: Http2Stream): void {
    const { flushTimeoutMs } = this.#server;
    if (flushTimeoutMs <= 0) return;
    stream.cancelFlushTimeout = this.clock.after(flushTimeoutMs, () => {
      this.stats.tx_flush_timeout++;
      this.reset(stream, ERROR.none);
    });
  }

  awaitEnd(stream: ServerStream): void {
    stream.cancelFlushTimeout = this.clock.after(REQUEST_END_MS, () => this.reset(stream, ERROR.none));
  }

  // The end.

  protected onStreamGone(): void {
    if (this.streams.size > 0 || this.isClosing) return;
    if (this.#drain === 'final') this.close();
    else this.#idle.set(this.#server.idleTimeoutMs);
  }

  protected onStreamCut(stream: ServerStream | undefined): void {
    if (stream && (stream.isLocalEnded || this.clock.monotonicMs() - stream.startedMs >= PREMATURE_MS)) return;
    if (!this.guard.isTooPremature()) return;
    this.#handler.onConnectionError('premature-resets');
    throw new Http2Error(ERROR.enhanceYourCalm, 'too many streams were reset before they were answered');
  }

  protected onFailed(error: Http2Error): void {
    this.#hasFailed = true;
    if (error.code !== ERROR.none && error.code !== ERROR.settingsTimeout) this.#handler.onConnectionError('protocol');
  }

  protected onOver(): void {
    this.#idle.dispose();
    this.#headTimeout.dispose();
    this.#drainNotice.dispose();
    this.cutStreams();
    const { delayedCloseMs } = this.#server;
    // What floods is not read any longer than the last words need.
    if (this.#hasFailed) lingerBriefly(this.socket, delayedCloseMs);
    else if (!this.socket.destroyed) linger(this.socket, delayedCloseMs);
    this.#handler.onClose();
  }
}
