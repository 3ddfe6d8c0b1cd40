/** A connection to an upstream that speaks HTTP/2 (RFC 9113): many requests at once. */
import type { Socket } from 'node:net';
import { type Clock, Deadline } from '../clock.ts';
import type { RequestHead } from '../http/message.ts';
import type { RequestStream, ResponseListener, UpstreamReset } from '../http/stream.ts';
import type { ClosedCause } from '../http1/client-connection.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import { hearLastWords } from '../net/last-words.ts';
import { localAddressOf } from '../net/peer.ts';
import type { PoolConnection } from '../pool/pool.ts';
import { type ClientHost, ClientStream } from './client-stream.ts';
import { Http2Connection } from './connection.ts';
import { IGNORED } from './fields.ts';
import { ERROR, Http2Error, MAX_STREAM_ID, PREFACE, SETTING } from './frames.ts';
import type { FieldSink } from './hpack/decoder.ts';
import type { Http2ClientOptions } from './options.ts';
import { ResponseFields } from './response-fields.ts';
import { Http2Stats } from './stats.ts';

/** The owner of a connection: a pool. */
export interface Http2ConnectionOwner {
  /** It can take requests (again): SETTINGS came, or a stream ended while it was full. */
  onCapacity(connection: Http2ClientConnection): void;
  /** GOAWAY came or the connection drains: no new requests; those that run go on. */
  onDraining(connection: Http2ClientConnection): void;
  onClosed(connection: Http2ClientConnection, cause: ClosedCause): void;
  onBytes(received: number): void;
}

/** What every server allows at least, as long as it has not said so (RFC 9113, 6.5.2). */
const STREAMS_BEFORE_SETTINGS = 100;
const DEFAULT_SCHEME = { encrypted: 'https', clear: 'http' } as const;

/** A request whose head can only be written once the upstream has said what it takes. */
interface Deferred {
  readonly stream: ClientStream;
  readonly head: RequestHead;
}

export class Http2ClientConnection extends Http2Connection<ClientStream> implements ClientHost, PoolConnection {
  readonly protocol = 'HTTP/2';
  readonly #owner: Http2ConnectionOwner;
  readonly #fields: ResponseFields;
  readonly #idle: Deadline;
  readonly #defaultScheme: string;
  #lastStream = -1;
  #served = 0;
  #hasPeerSettings = false;
  #deferred: Deferred[] = [];
  #isDraining = false;
  #localAddress: string | undefined;
  /** Whether the upstream takes no more: what it said before is still heard, which streams it has not taken above all. */
  readonly #isBroken: () => boolean;
  #closedCause: ClosedCause = 'remote';
  cutCause: Pick<UpstreamReset, 'type' | 'text'> = { type: 'connection-termination', text: '' };

  /** `stats`: what all connections of a cluster count together. */
  constructor(
    socket: Socket,
    owner: Http2ConnectionOwner,
    options: Http2ClientOptions,
    queue: FlushQueue,
    clock: Clock,
    stats: Http2Stats = new Http2Stats(),
  ) {
    super(socket, options, queue, clock, stats);
    this.#owner = owner;
    this.#fields = new ResponseFields(options.maxHeadBytes, options.maxFields);
    this.#defaultScheme = 'encrypted' in socket ? DEFAULT_SCHEME.encrypted : DEFAULT_SCHEME.clear;
    this.#idle = new Deadline(clock, () => this.#onIdle());
    this.#isBroken = hearLastWords(socket, clock, () => this.streams.size > 0);
    this.writer.bytes(PREFACE);
    this.greet([[SETTING.enablePush, 0]]);
    this.#idle.set(options.idleTimeoutMs);
  }

  /** Streams that may be begun now: 0 while it drains, or when it is closed. */
  get capacity(): number {
    if (this.#isDraining || this.isClosing || this.#isBroken()) return 0;
    return Math.max(0, this.#maxStreams - this.streams.size);
  }

  get #maxStreams(): number {
    const { maxConcurrentStreams } = this.options;
    const ofPeer = this.#hasPeerSettings ? this.peer.maxConcurrentStreams : STREAMS_BEFORE_SETTINGS;
    return Math.min(maxConcurrentStreams, ofPeer);
  }

  /** Streams under way. */
  get active(): number {
    return this.streams.size;
  }

  /** How many requests were begun on it. */
  get served(): number {
    return this.#served;
  }

  /** This side's address, as logs show it. */
  get localAddress(): string {
    this.#localAddress ??= localAddressOf(this.socket);
    return this.#localAddress;
  }

  /** Begins a request; {@link RequestStream.sendHead} follows at once. */
  begin(listener: ResponseListener): RequestStream {
    const stream = new ClientStream(this.#nextId(), this, this.peer.initialWindow, listener, this.#served > 0);
    this.streams.add(stream);
    this.stats.streams_active++;
    this.guard.streamOpened();
    this.#idle.clear();
    if (++this.#served === this.options.maxRequests || this.#lastStream >= MAX_STREAM_ID - 2) {
      this.#closedCause = 'max-requests';
      this.#stopTaking();
    }
    return stream;
  }

  #nextId(): number {
    this.#lastStream += 2;
    return this.#lastStream;
  }

  /** Takes no more requests; closes when those that run are done. */
  drain(): void {
    if (!this.#isDraining) this.#closedCause = 'local';
    this.#stopTaking();
    this.#closeIfDone();
  }

  #stopTaking(): void {
    if (this.#isDraining || this.isClosing) return;
    this.#isDraining = true;
    this.#owner.onDraining(this);
  }

  #closeIfDone(): void {
    if (this.#isDraining && this.streams.size === 0) this.close();
  }

  #onIdle(): void {
    if (this.streams.size > 0) return;
    this.#closedCause = 'idle';
    this.close();
  }

  // What came.

  protected override onChunk(chunk: Buffer): void {
    this.#owner.onBytes(chunk.length);
    super.onChunk(chunk);
  }

  protected sinkOf(streamId: number): FieldSink {
    const stream = this.streams.get(streamId);
    if (!stream) {
      if (this.isIdle(streamId)) throw new Http2Error(ERROR.protocol, 'a response to nothing');
      return IGNORED;
    }
    if (stream.hasHead) return this.trailerSink();
    this.#fields.reset();
    return this.#fields;
  }

  protected onBlock(streamId: number, isEnd: boolean): void {
    const stream = this.streams.get(streamId);
    if (!stream) return;
    if (stream.hasHead) {
      this.onTrailers(stream, isEnd);
      return;
    }
    const fields = this.#fields;
    if (fields.isOverflow) {
      this.stats.header_overflow++;
      this.streamError(stream, ERROR.internal, 'a head too large');
      return;
    }
    const problem = stream.takeHead(fields, isEnd);
    if (problem !== '') this.malformed(streamId, stream, problem);
    else if (isEnd && !stream.isClosed) stream.remoteEnd(undefined);
  }

  /** A response that is none says nothing about the others: they go on. */
  protected override get endsOnlyStream(): boolean {
    return true;
  }

  protected isIdle(streamId: number): boolean {
    return (streamId & 1) === 0 || streamId > this.#lastStream;
  }

  protected get lastPeerStream(): number {
    return 0;
  }

  /** Requests beyond the last one that the upstream has taken were not processed (RFC 9113, 6.8). */
  protected onGoaway(lastStreamId: number): void {
    this.#stopTaking();
    for (const stream of this.streams.all()) {
      if (stream.id <= lastStreamId) continue;
      stream.close();
      stream.refused();
    }
    if (!this.isClosing) this.#closeIfDone();
  }

  protected onPeerSettings(): void {
    this.#hasPeerSettings = true;
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const { stream, head } of deferred) {
      if (stream.isClosed) continue;
      this.streams.delete(stream.id);
      stream.id = this.#nextId();
      this.streams.add(stream);
      stream.sendWindow = this.peer.initialWindow;
      this.sendRequestHead(stream, head, false);
      stream.open();
    }
    if (this.capacity > 0) this.#owner.onCapacity(this);
  }

  protected onPong(): void {
    // Of what keeps the connection alive nothing more is to be done.
  }

  protected onSettled(): void {
    // How long an answer may take is for those to say who asked.
  }

  // What streams ask.

  sendRequestHead(stream: ClientStream, head: RequestHead, isEnd: boolean): void {
    const { encoder, writer } = this;
    if (head.upgrade !== undefined && !this.peer.takesExtendedConnect) {
      this.#cannotYetOrEver(stream, head);
      return;
    }
    writer.beginBlock(encoder);
    const isPlainConnect = head.method === 'CONNECT' && head.upgrade === undefined;
    encoder.field(':method', head.upgrade === undefined ? head.method : 'CONNECT');
    if (head.upgrade !== undefined) encoder.field(':protocol', head.upgrade);
    if (!isPlainConnect) encoder.field(':scheme', this.#schemeOf(head));
    encoder.field(':authority', head.authority);
    if (!isPlainConnect) encoder.field(':path', head.path);
    this.encodeFields(head.headers);
    writer.endBlock(encoder, stream.id, isEnd, this.peer.maxFrameBytes);
    stream.headSent(isEnd);
  }

  #schemeOf({ scheme, headers }: RequestHead): string {
    if (scheme !== '') return scheme;
    const forwarded = headers.get('x-forwarded-proto');
    return forwarded === 'http' || forwarded === 'https' ? forwarded : this.#defaultScheme;
  }

  /** Extended CONNECT needs the upstream's word that it takes it (RFC 8441, 3). */
  #cannotYetOrEver(stream: ClientStream, head: RequestHead): void {
    stream.keep();
    if (!this.#hasPeerSettings) {
      this.#deferred.push({ stream, head });
      return;
    }
    process.nextTick(() => {
      if (stream.isClosed) return;
      stream.close();
      stream.fail('protocol-error', 'the upstream takes no extended CONNECT');
    });
  }

  waitForFlush(): void {
    // How long a request may take is for those to say who send it.
  }

  // The end.

  protected onStreamGone(): void {
    if (this.isClosing) return;
    const { size } = this.streams;
    if (this.#isDraining) {
      // Once those are told that it was for.
      if (size === 0) process.nextTick(() => this.#closeIfDone());
      return;
    }
    if (size === 0) this.#idle.set(this.options.idleTimeoutMs);
    if (size + 1 >= this.#maxStreams && this.capacity > 0) this.#owner.onCapacity(this);
  }

  protected onStreamCut(): void {
    // An upstream that resets streams is what retries and outlier detection look at.
  }

  protected onFailed(error: Http2Error): void {
    this.#closedCause = error.code === ERROR.none ? 'local' : 'protocol-error';
    this.cutCause = { type: error.code === ERROR.none ? 'connection-termination' : 'protocol-error', text: '' };
  }

  protected onOver(text: string): void {
    this.#idle.dispose();
    this.#deferred = [];
    if (text !== '' && this.cutCause.text === '') this.cutCause = { type: this.cutCause.type, text };
    this.#owner.onClosed(this, this.#closedCause);
    this.cutStreams();
    if (!this.socket.destroyed) this.socket.destroySoon();
  }
}
