/**
 * A connection from a client that speaks HTTP/1.0 or HTTP/1.1 (RFC 9112). Requests are served one after another, in the
 * order in which they came; what a client sends ahead waits in a bounded buffer.
 */
import type { Socket } from 'node:net';
import { type Clock, Deadline } from '../clock.ts';
import { HeaderList } from '../http/header-list.ts';
import type { ResponseHead } from '../http/message.ts';
import type { RequestListener, ResponseStream } from '../http/stream.ts';
import { breakOff } from '../net/break-off.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import { linger } from '../net/linger.ts';
import type { PausedClient } from '../net/paused-clients.ts';
import { SocketWriter } from '../net/socket-writer.ts';
import type { Framing } from './fields.ts';
import { type BodyKind, Parser, type ParserEvents } from './parser.ts';
import { ReadGate } from './read-gate.ts';
import { checkRequestHead, checkRequestStart, readRequestHead } from './request-head.ts';
import { type BodyFraming, connectionLine, frameBody } from './response-framing.ts';
import type { Http1ServerOptions, RequestHandler } from './server-options.ts';
import type { Violation } from './violation.ts';
import { lastChunkText, responseHeadText, upgradeLines, writeChunk } from './write-head.ts';

/** What a client may send ahead of the answers that it waits for, before nothing more is read of it. */
const MAX_HELD_BYTES = 16_384;
/** So many requests that came together are answered before others have their turn. */
const MAX_IN_A_ROW = 128;

export class Http1ServerConnection implements ParserEvents, ResponseStream, PausedClient {
  readonly #socket: Socket;
  readonly #handler: RequestHandler;
  readonly #options: Http1ServerOptions;
  readonly #queue: FlushQueue;
  readonly #writer: SocketWriter;
  readonly #parser: Parser;
  readonly #gate: ReadGate;
  /** Of the next request: that it begins, or that the rest of its head comes once it has begun. */
  readonly #deadline: Deadline;
  #listener: RequestListener | undefined;
  #request: 'none' | 'reading' | 'complete' = 'none';
  #response: 'none' | 'awaited' | 'body' | 'complete' = 'none';
  #framing: BodyFraming = 'length';
  #method = '';
  #isHttp10 = false;
  #wantsTunnel = false;
  #closesAfter = false;
  /** While the owner is being told of a head, which it may answer at once. */
  #isInHead = false;
  /** The client waits for a 100 before it sends the body, and may not send it after another answer. */
  #awaitsContinue = false;
  /** Whether the whole body of the request came together with its head. */
  #isBodyHere = false;
  #served = 0;
  /** The client does not read its answers, or has had many while others waited: what it sent ahead has to wait. */
  #isHeldBack = false;
  #inARow = 0;
  /** The client sends no more, which counts once what it sent ahead is served. */
  #hasInputEnded = false;
  /** While the parser reads, which may go through several requests. */
  #isReading = false;
  /** A part of a head has come, and the deadline of its rest is set. */
  #isHeadBegun = false;
  #isClosing = false;
  #isOver = false;

  constructor(socket: Socket, handler: RequestHandler, options: Http1ServerOptions, queue: FlushQueue, clock: Clock) {
    this.#socket = socket;
    this.#handler = handler;
    this.#options = options;
    this.#queue = queue;
    this.#writer = new SocketWriter(socket, queue, () => this.#onDrain());
    this.#parser = new Parser(this, options, checkRequestStart);
    this.#gate = new ReadGate(socket, this, queue.paused);
    this.#deadline = new Deadline(clock, () => this.#onDeadline());
    socket.on('data', (chunk: Buffer) => this.#onData(chunk, false));
    queue.reads.attach(socket, (chunk) => this.#onData(chunk, true));
    socket.on('end', () => this.#onEndOfInput());
    socket.on('error', () => this.#over());
    socket.on('close', () => this.#over());
    this.#deadline.set(options.idleTimeoutMs);
  }

  /** Whether a request is being read or answered. */
  get isActive(): boolean {
    return this.#response !== 'none' || !this.#parser.isBetweenMessages;
  }

  /** Ends the connection as soon as no request is being served. */
  drain(): void {
    if (!this.isActive) this.#close();
    else this.#closesAfter = true;
  }

  destroy(): void {
    this.#socket.destroy();
    this.#over();
  }

  // What the socket tells.

  #onData(chunk: Buffer, isLent: boolean): void {
    if (this.#isClosing) return;
    this.#queue.beginTurn();
    this.#inARow = 0;
    this.#isReading = true;
    this.#parser.push(chunk, isLent);
    this.#isReading = false;
    this.#settle();
  }

  /** Once what came is read: what the connection waits for now, for how long, and whether more is read meanwhile. */
  #settle(): void {
    if (this.#isClosing) return;
    if (this.#response === 'complete' && !this.#isTunnel()) {
      // Answered, though the body is still to come: it is not waited for.
      this.#close();
      return;
    }
    if (this.#response === 'none') this.#awaitRequest();
    const isWaiting = this.#response !== 'none' || this.#isHeldBack;
    this.#gate.fill(isWaiting && !this.#isTunnel() && this.#parser.heldBytes > MAX_HELD_BYTES);
  }

  #awaitRequest(): void {
    if (this.#parser.isBetweenMessages || this.#isHeldBack) {
      this.#isHeadBegun = false;
      this.#deadline.set(this.#options.idleTimeoutMs);
    } else if (!this.#isHeadBegun) {
      this.#isHeadBegun = true;
      this.#deadline.set(this.#options.requestHeadersTimeoutMs);
    }
  }

  #onEndOfInput(): void {
    if (this.#isHeldBack) {
      this.#hasInputEnded = true;
      return;
    }
    if (this.#framing === 'tunnel' && this.#listener) {
      this.#request = 'complete';
      this.#parser.stop();
      const listener = this.#listener;
      if (this.#response === 'complete') this.#listener = undefined;
      else this.#queue.paused.add(this.#socket, this);
      listener.onRequestEnd(undefined);
      return;
    }
    if (this.#isClosing || this.#listener === undefined) this.#writer.end();
    else this.destroy();
  }

  #onDrain(): void {
    if (this.#response !== 'none') this.#listener?.onDownstreamDrain();
    else this.#goOn();
  }

  readonly #goOn = (): void => {
    if (!this.#isHeldBack || this.#isClosing || this.#writer.isBlocked) return;
    this.#isHeldBack = false;
    this.#queue.beginTurn();
    this.#takeNext();
  };

  #onDeadline(): void {
    if (this.#isHeadBegun) this.#answerOutOfTurn((stream) => this.#handler.onHeadTimeout(stream));
    else if (!this.isActive || this.#isHeldBack) this.#close();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isClosing = true;
    this.#deadline.dispose();
    this.#parser.stop();
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.onDownstreamReset('connection');
    this.#handler.onClose();
  }

  // What the parser tells.

  readHead(text: string, framing: Framing): number | BodyKind | Violation {
    const head = readRequestHead(text, framing, this.#options.maxFields);
    if ('detail' in head) return head;
    this.#isHttp10 = head.protocol === 'HTTP/1.0';
    const refused = checkRequestHead(head, this.#options);
    if (refused) return refused;
    this.#deadline.clear();
    this.#isHeadBegun = false;
    this.#method = head.method;
    const isLast = ++this.#served === this.#options.maxRequests;
    if (isLast || framing.close || (this.#isHttp10 && !framing.keepAlive)) this.#closesAfter = true;
    if (head.upgrade === 'h2c' || head.bodyLength !== 0) head.upgrade = undefined;
    this.#wantsTunnel = head.method === 'CONNECT' || head.upgrade !== undefined;
    this.#awaitsContinue = head.expectsContinue && head.bodyLength !== 0;
    this.#isBodyHere = head.bodyLength >= 0 && head.bodyLength <= this.#parser.following;
    this.#request = head.bodyLength === 0 && !this.#wantsTunnel ? 'complete' : 'reading';
    this.#response = 'awaited';
    this.#framing = 'length';
    this.#isInHead = true;
    const listener = this.#handler.onRequest(head, this);
    this.#isInHead = false;
    if (!this.#isAnswered()) this.#listener = listener;
    if (this.#isTunnel()) return 'tunnel';
    if (this.#wantsTunnel) return 'on-hold';
    return head.bodyLength === -1 ? 'chunked' : head.bodyLength;
  }

  #isTunnel(): boolean {
    return this.#framing === 'tunnel';
  }

  #isAnswered(): boolean {
    return this.#response === 'complete' || this.#isClosing;
  }

  onBody(chunk: Buffer): void {
    this.#awaitsContinue = false;
    this.#listener?.onRequestBody(chunk);
  }

  onEnd(trailers: string[] | undefined): void {
    this.#request = 'complete';
    const kept = trailers && this.#options.enableTrailers ? new HeaderList(trailers) : undefined;
    this.#listener?.onRequestEnd(kept);
    this.#finishIfComplete();
  }

  onViolation(violation: Violation): void {
    this.#closesAfter = true;
    if (this.#response === 'complete') this.#close();
    else if (this.#listener) this.#listener.onRequestMalformed(violation.status, violation.detail);
    else this.#answerOutOfTurn((stream) => this.#handler.onViolation(violation, stream));
  }

  /** Answers what is not a request; nothing more is read. */
  #answerOutOfTurn(answer: (stream: ResponseStream) => void): void {
    this.#deadline.clear();
    this.#parser.stop();
    this.#method = '';
    this.#closesAfter = true;
    this.#wantsTunnel = false;
    this.#request = 'reading';
    this.#response = 'awaited';
    answer(this);
  }

  // What the response's owner calls.

  endAfter(): void {
    this.#closesAfter = true;
  }

  sendInformational(head: ResponseHead): void {
    if (this.#isOver || this.#isHttp10 || this.#response !== 'awaited') return;
    if (head.status === 100) this.#awaitsContinue = false;
    this.#writer.text(`${responseHeadText(head.status, head.headers)}\r\n`);
  }

  sendHead(head: ResponseHead, end: boolean): void {
    if (this.#isOver) return;
    if (this.#wantsTunnel && !this.#isTunnel()) this.#refuseTunnel();
    if (this.#request !== 'complete' && this.#mayLeaveBody(end)) this.#closesAfter = true;
    if (this.#handler.isDraining()) this.#closesAfter = true;
    let text = responseHeadText(head.status, head.headers);
    text += this.#isTunnel() ? upgradeLines(head) : this.#frame(head, end);
    this.#response = 'body';
    this.#writer.text(`${text}\r\n`);
    if (!this.#isTunnel() || this.#isInHead) return;
    this.#parser.tunnel();
    this.#gate.fill(false);
  }

  /**
   * Whether an answer that begins now may be over before the request is: its body is not waited for then, and the client
   * has to know that the connection ends with the answer (RFC 9112, 9.6).
   */
  #mayLeaveBody(end: boolean): boolean {
    return end || this.#awaitsContinue || !this.#isInHead || !this.#isBodyHere;
  }

  /** What follows a refused Upgrade is the next request; what follows a refused CONNECT may be anything. */
  #refuseTunnel(): void {
    this.#wantsTunnel = false;
    this.#request = 'complete';
    if (this.#method !== 'CONNECT') return;
    this.#closesAfter = true;
    this.#parser.stop();
  }

  #frame(head: ResponseHead, end: boolean): string {
    const { framing, line } = frameBody(this.#method, head, end, this.#isHttp10);
    this.#framing = framing;
    if (framing === 'until-close') this.#closesAfter = true;
    return line + connectionLine(this.#closesAfter, this.#isHttp10);
  }

  sendBody(chunk: Buffer): boolean {
    if (this.#isOver || chunk.length === 0) return true;
    if (this.#framing !== 'chunked') return this.#writer.bytes(chunk);
    return writeChunk(this.#writer, chunk);
  }

  sendEnd(trailers: HeaderList | undefined): void {
    if (this.#isOver) return;
    if (this.#framing === 'chunked') {
      this.#writer.text(lastChunkText(this.#options.enableTrailers ? trailers : undefined));
    }
    this.#response = 'complete';
    if (this.#framing === 'tunnel') {
      this.#writer.end();
      if (this.#request === 'complete') this.#listener = undefined;
      return;
    }
    this.#finishIfComplete();
  }

  abort(): void {
    if (this.#isOver) return;
    this.#listener = undefined;
    this.#isClosing = true;
    this.#parser.stop();
    this.#writer.flush();
    if (this.#framing === 'until-close') {
      // Here the end of the connection would be that of the body.
      breakOff(this.#socket);
      return;
    }
    this.#socket.destroySoon();
    linger(this.#socket, this.#options.delayedCloseMs);
  }

  pauseRequest(): void {
    this.#gate.hold();
  }

  /** A tunnel goes on after the end of what the client sends, up to the end of what it gets; nothing else does. */
  get leaves(): PausedClient['leaves'] {
    return this.#wantsTunnel || this.#isTunnel() ? 'with-both-ends' : 'with-its-end';
  }

  resumeRequest(): void {
    this.#gate.release();
  }

  becomeTunnel(): void {
    this.#framing = 'tunnel';
  }

  // The end of a response.

  #finishIfComplete(): void {
    if (this.#response !== 'complete' || this.#isInHead) return;
    this.#listener = undefined;
    if (this.#closesAfter || this.#request !== 'complete') {
      this.#close();
      return;
    }
    this.#response = 'none';
    this.#request = 'none';
    this.#framing = 'length';
    this.#gate.forget();
    const isTurnOver = ++this.#inARow > MAX_IN_A_ROW;
    if (isTurnOver || this.#writer.isBlocked) this.#holdBack(isTurnOver);
    else this.#takeNext();
  }

  #holdBack(isTurnOver: boolean): void {
    this.#isHeldBack = true;
    if (isTurnOver) setImmediate(this.#goOn);
    if (!this.#isReading) this.#settle();
  }

  /** Begins with what was sent ahead. While the parser reads, it goes through that itself. */
  #takeNext(): void {
    if (this.#isReading) {
      this.#parser.next();
      return;
    }
    this.#inARow = 0;
    this.#isReading = true;
    this.#parser.next();
    this.#isReading = false;
    this.#settle();
    if (this.#hasInputEnded) this.#onEndOfInput();
  }

  /** Sends what is left and closes; what the client still sends is thrown away for a while, lest it lose the answer. */
  #close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#response = 'complete';
    this.#parser.stop();
    this.#gate.open();
    this.#writer.end();
    this.#deadline.dispose();
    linger(this.#socket, this.#options.delayedCloseMs);
  }
}
