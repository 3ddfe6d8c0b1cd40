/**
 * A connection to an upstream that speaks HTTP/1.1 (RFC 9112): one request at a time. Responses are read as strictly as
 * requests are, and one that ends early is never taken for a complete one.
 */
import type { Socket } from 'node:net';
import { type Clock, Deadline } from '../clock.ts';
import { HeaderList } from '../http/header-list.ts';
import type { RequestHead } from '../http/message.ts';
import type { RequestStream, ResponseListener, UpstreamReset } from '../http/stream.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import { hearLastWords } from '../net/last-words.ts';
import type { PausedClient } from '../net/paused-clients.ts';
import { localAddressOf } from '../net/peer.ts';
import { SocketWriter } from '../net/socket-writer.ts';
import { watchEnd } from '../net/tls-end.ts';
import type { Framing } from './fields.ts';
import { type BodyKind, Parser, type ParserEvents } from './parser.ts';
import { readResponseHead } from './response-head.ts';
import { VIOLATIONS, type Violation } from './violation.ts';
import { lastChunkText, requestHeadText, writeChunk } from './write-head.ts';

export interface Http1ClientOptions {
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  readonly enableTrailers: boolean;
  /** How long the connection may stay unused; 0: no limit. */
  readonly idleTimeoutMs: number;
  /** How many requests the connection may serve; 0: no limit. */
  readonly maxRequests: number;
}

/** The owner of a connection: a pool. */
export interface ClientConnectionOwner {
  /** The connection can serve the next request. */
  onIdle(connection: Http1ClientConnection): void;
  /** The far side said that it closes the connection after this response. */
  onCloseNotice?(): void;
  /** `wasBusy`: a request had not got all of its answer. */
  onClosed(connection: Http1ClientConnection, cause: ClosedCause, wasBusy: boolean): void;
  onBytes(received: number): void;
}

/** `cut-short`: the far side ended it within an answer. */
export type ClosedCause = 'remote' | 'cut-short' | 'local' | 'idle' | 'protocol-error' | 'max-requests';

/** What a server tells about its patience is taken with a margin, for the time that bytes travel. */
const KEEP_ALIVE_MARGIN_MS = 1000;
/** How long the rest of a response may take that nobody wants. */
const DISCARD_MS = 5000;
/** Informational responses to one request, beyond which it is an attack. */
const MAX_INFORMATIONAL = 256;

/** Methods of which nobody expects a body: of others it is said where there is none (RFC 9110, 8.6). */
const WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'TRACE', 'CONNECT']);

/** An upstream that has ended its half of a tunnel takes the other half, until its connection breaks. */
const HALF_OPEN: PausedClient = { leaves: 'broken' };

/** Takes a response that nobody wants. */
const DISCARDING: ResponseListener = {
  onUpstreamInformational: () => undefined,
  onUpstreamHead: () => undefined,
  onUpstreamBody: () => undefined,
  onUpstreamEnd: () => undefined,
  onUpstreamReset: () => undefined,
  onUpstreamDrain: () => undefined,
};

export class Http1ClientConnection implements ParserEvents, RequestStream {
  readonly #socket: Socket;
  readonly #owner: ClientConnectionOwner;
  readonly #options: Http1ClientOptions;
  readonly #queue: FlushQueue;
  readonly #writer: SocketWriter;
  readonly #parser: Parser;
  readonly #idle: Deadline;
  #listener: ResponseListener | undefined;
  #served = 0;
  #method = '';
  #wantsTunnel = false;
  #isChunked = false;
  #isRequestComplete = true;
  #isResponseBegun = false;
  /** Whether any byte came in answer to the request. */
  #isAnswered = false;
  #informational = 0;
  #upgrade: string | undefined;
  #isTunnel = false;
  /** Of a tunnel: the upstream sends no more. */
  #isUpstreamDone = false;
  #isReusable = true;
  /** Of a response that goes on until the upstream closes: whether somebody else may have cut it off. */
  #isCut: (() => boolean) | undefined;
  /** Whether the upstream takes no more, so that the end of what it sends is no proper one. */
  readonly #isBroken: () => boolean;
  #idleTimeoutMs: number;
  #isOver = false;
  #localAddress: string | undefined;

  constructor(
    socket: Socket,
    owner: ClientConnectionOwner,
    options: Http1ClientOptions,
    queue: FlushQueue,
    clock: Clock,
  ) {
    this.#socket = socket;
    this.#owner = owner;
    this.#options = options;
    this.#queue = queue;
    this.#idleTimeoutMs = options.idleTimeoutMs;
    this.#writer = new SocketWriter(socket, queue, () => this.#listener?.onUpstreamDrain());
    this.#parser = new Parser(this, options);
    this.#idle = new Deadline(clock, () => this.#close('idle', 'idle'));
    this.#isBroken = hearLastWords(socket, clock, () => this.#listener !== undefined);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk, false));
    queue.reads.attach(socket, (chunk) => this.#onData(chunk, true));
    socket.on('end', () => this.#onEndOfInput());
    socket.on('error', (error) => this.#onFarEnd(error.message));
    socket.on('close', () => this.#onFarEnd(''));
    this.#idle.set(this.#idleTimeoutMs);
  }

  /** How many requests were begun on it. */
  get served(): number {
    return this.#served;
  }

  /** Whether the far side, as far as is known, still takes requests. */
  get isUsable(): boolean {
    return !this.#isOver && this.#isReusable && this.#listener === undefined && this.#socket.writable;
  }

  /** This side's address, as logs show it. */
  get localAddress(): string {
    this.#localAddress ??= localAddressOf(this.#socket);
    return this.#localAddress;
  }

  readonly protocol = 'HTTP/1.1';

  get socket(): Socket {
    return this.#socket;
  }

  /** Begins a request; {@link RequestStream.sendHead} follows at once. */
  begin(listener: ResponseListener): RequestStream {
    this.#listener = listener;
    this.#isAnswered = false;
    this.#informational = 0;
    this.#served++;
    this.#idle.clear();
    return this;
  }

  /** Closes it now if it is unused, else when what it serves is done. */
  drain(): void {
    this.#isReusable = false;
    if (this.#listener === undefined) this.#close('local', 'local');
  }

  #onData(chunk: Buffer, isLent: boolean): void {
    this.#queue.beginTurn();
    this.#owner.onBytes(chunk.length);
    // An answer that nobody asked for: whose would it be?
    if (this.#listener === undefined) this.#close('protocol-error', 'protocol-error');
    else {
      this.#isAnswered = true;
      this.#parser.push(chunk, isLent);
    }
  }

  #onEndOfInput(): void {
    const listener = this.#listener;
    if (listener && this.#isTunnel && !this.#isBroken()) {
      this.#isUpstreamDone = true;
      this.#queue.paused.add(this.#socket, HALF_OPEN);
      listener.onUpstreamEnd(undefined);
      this.#finishTunnel('remote');
      return;
    }
    // That it is whole only the closure alert of TLS says (RFC 9112, 9.8).
    const isCut = this.#isBroken() || this.#isCut?.() === true;
    if (listener && this.#isResponseBegun && !isCut && this.#parser.finish()) return;
    this.#onFarEnd('');
  }

  /** The far side is gone; an answer that it had begun is none. */
  #onFarEnd(text: string): void {
    if (this.#isAnswered && this.#listener && !this.#isTunnel) this.#over('cut-short', 'protocol-error', text);
    else this.#over('remote', 'connection-termination', text);
  }

  /** A tunnel is over when both sides have said so; what is still to be written is. `cause`: who was the last to. */
  #finishTunnel(cause: ClosedCause): void {
    if (!this.#isUpstreamDone || !this.#isRequestComplete || this.#isOver) return;
    this.#isOver = true;
    this.#listener = undefined;
    this.#idle.dispose();
    this.#socket.destroySoon();
    this.#owner.onClosed(this, cause, true);
  }

  #close(cause: ClosedCause, reset: UpstreamReset['type'] | 'idle'): void {
    this.#over(cause, reset === 'idle' ? 'local' : reset, '');
  }

  #over(cause: ClosedCause, type: UpstreamReset['type'], text: string, wasBusy = this.#listener !== undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#idle.dispose();
    this.#parser.stop();
    this.#socket.destroy();
    const listener = this.#listener;
    this.#listener = undefined;
    this.#owner.onClosed(this, cause, wasBusy);
    listener?.onUpstreamReset({ type, text, isUnsent: false, isReused: this.#served > 1 && !this.#isAnswered });
  }

  // What the parser tells.

  readHead(text: string, framing: Framing): number | BodyKind | Violation {
    const read = readResponseHead(text, this.#method, framing, this.#options.maxFields);
    if ('detail' in read) return read;
    const { head, minor } = read;
    if (head.status < 200 && head.status !== 101) {
      if (++this.#informational > MAX_INFORMATIONAL) return VIOLATIONS.informational;
      this.#listener?.onUpstreamInformational(head);
      return 'informational';
    }
    const grantsTunnel = head.status === 101 || (this.#method === 'CONNECT' && head.status < 300);
    if (head.status === 101 && !this.#grantsUpgrade(framing)) return VIOLATIONS.status;
    this.#isResponseBegun = true;
    this.#isTunnel = grantsTunnel;
    const isLast = framing.close || (minor === 0 && !framing.keepAlive);
    if (isLast) this.#owner.onCloseNotice?.();
    if (isLast || grantsTunnel) this.#isReusable = false;
    if (framing.keepAliveSeconds >= 0) this.#learnIdleTimeout(framing.keepAliveSeconds * 1000);
    if (grantsTunnel) {
      this.#listener?.onUpstreamHead(head, false);
      return 'tunnel';
    }
    const untilClose = head.bodyLength === -1 && !framing.chunked;
    if (untilClose) {
      this.#isReusable = false;
      this.#isCut = watchEnd(this.#socket);
    }
    this.#listener?.onUpstreamHead(head, head.bodyLength === 0);
    if (untilClose) return 'until-close';
    return framing.chunked ? 'chunked' : head.bodyLength;
  }

  /** Whether a 101 switches to what was asked for, and to nothing else (RFC 9110, 7.8). */
  #grantsUpgrade(framing: Framing): boolean {
    return this.#upgrade !== undefined && framing.upgradeOption && framing.upgrade?.toLowerCase() === this.#upgrade;
  }

  #learnIdleTimeout(serverMs: number): void {
    const limitMs = serverMs - KEEP_ALIVE_MARGIN_MS;
    if (limitMs <= 0) this.#isReusable = false;
    else if (this.#idleTimeoutMs === 0 || limitMs < this.#idleTimeoutMs) this.#idleTimeoutMs = limitMs;
  }

  onBody(chunk: Buffer): void {
    this.#listener?.onUpstreamBody(chunk);
  }

  onEnd(trailers: string[] | undefined, rest: number): void {
    const listener = this.#listener;
    // Bytes beyond the response would be taken for the answer to the next request.
    const isWhole = this.#isRequestComplete && rest === 0;
    if (!isWhole || this.#served === this.#options.maxRequests) this.#isReusable = false;
    this.#listener = undefined;
    this.#isResponseBegun = false;
    if (this.#isReusable) this.#parser.next();
    listener?.onUpstreamEnd(trailers && this.#options.enableTrailers ? new HeaderList(trailers) : undefined);
    if (!this.#isReusable) {
      this.#over(this.#causeAfter(rest), 'local', '', !this.#isRequestComplete);
      return;
    }
    if (this.#socket.isPaused()) this.#socket.resume();
    this.#idle.set(this.#idleTimeoutMs);
    this.#owner.onIdle(this);
  }

  /** Why the connection ends with an answer that is whole, `rest` bytes after it. */
  #causeAfter(rest: number): ClosedCause {
    if (this.#served === this.#options.maxRequests) return 'max-requests';
    if (rest > 0) return 'protocol-error';
    return this.#socket.readableEnded ? 'remote' : 'local';
  }

  onViolation(violation: Violation): void {
    this.#over('protocol-error', 'protocol-error', violation.detail);
  }

  // What the request's owner calls.

  sendHead(head: RequestHead, end: boolean): void {
    this.#method = head.method;
    this.#upgrade = head.upgrade;
    this.#wantsTunnel = head.method === 'CONNECT' || head.upgrade !== undefined;
    this.#isRequestComplete = end && !this.#wantsTunnel;
    this.#isChunked = !end && head.bodyLength === -1 && !this.#wantsTunnel;
    let text = requestHeadText(head);
    const isSilent = end && head.upgrade === undefined;
    if (isSilent && !WITHOUT_BODY.has(head.method) && !head.headers.has('content-length'))
      text += 'content-length: 0\r\n';
    if (head.upgrade !== undefined) text += `connection: upgrade\r\nupgrade: ${head.upgrade}\r\n`;
    else if (this.#isChunked) text += 'transfer-encoding: chunked\r\n';
    this.#writer.text(`${text}\r\n`);
  }

  sendBody(chunk: Buffer): boolean {
    if (this.#listener === undefined || chunk.length === 0) return true;
    if (!this.#isChunked) return this.#writer.bytes(chunk);
    return writeChunk(this.#writer, chunk);
  }

  sendEnd(trailers: HeaderList | undefined): void {
    if (this.#listener === undefined) return;
    this.#isRequestComplete = true;
    if (this.#isChunked) this.#writer.text(lastChunkText(this.#options.enableTrailers ? trailers : undefined));
    if (!this.#isTunnel) return;
    this.#writer.end();
    this.#finishTunnel('local');
  }

  abort(): void {
    const wasBusy = this.#listener !== undefined;
    this.#listener = undefined;
    this.#over('local', 'local', '', wasBusy);
  }

  discardResponse(): void {
    if (this.#listener === undefined || !this.#isRequestComplete) {
      this.abort();
      return;
    }
    this.#listener = DISCARDING;
    this.#socket.resume();
    this.#idle.set(DISCARD_MS);
  }

  pauseResponse(): void {
    this.#socket.pause();
  }

  resumeResponse(): void {
    if (!this.#isOver) this.#socket.resume();
  }
}
