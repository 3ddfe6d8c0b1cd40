/** One request of a client, and its response. */
import type { HeaderList } from '../http/header-list.ts';
import type { ResponseHead } from '../http/message.ts';
import type { RequestListener, ResponseStream } from '../http/stream.ts';
import { ERROR, type ErrorCode } from './frames.ts';
import { Http2Stream, type StreamHost } from './stream.ts';

/** The connection, as a request's stream sees it. */
export interface ServerHost extends StreamHost {
  sendResponseHead(stream: ServerStream, status: number, headers: HeaderList, isEnd: boolean): void;
  reset(stream: Http2Stream, code: ErrorCode): void;
  /** The response is complete, and the request is not: it may come to its end for a while. */
  awaitEnd(stream: ServerStream): void;
}

export class ServerStream extends Http2Stream implements ResponseStream {
  readonly #server: ServerHost;
  readonly #isExtended: boolean;
  /** The request was CONNECT, plain or extended: what comes is held until a tunnel stands. */
  readonly #wantsTunnel: boolean;
  #isTunnel = false;
  #listener: RequestListener | undefined;
  readonly startedMs: number;

  constructor(
    id: number,
    host: ServerHost,
    sendWindow: number,
    startedMs: number,
    tunnel: 'none' | 'plain' | 'extended',
  ) {
    super(id, host, sendWindow);
    this.#server = host;
    this.startedMs = startedMs;
    this.#isExtended = tunnel === 'extended';
    this.#wantsTunnel = tunnel !== 'none';
    if (this.#wantsTunnel) this.hold();
  }

  /** Who is told of the rest of the request. */
  listen(listener: RequestListener): void {
    if (!this.isClosed && !this.isLocalEnded) this.#listener = listener;
  }

  // What the stream tells.

  protected onBody(chunk: Buffer): void {
    this.#listener?.onRequestBody(chunk);
  }

  protected onRemoteEnd(trailers: HeaderList | undefined): void {
    this.#listener?.onRequestEnd(trailers);
  }

  protected onDrain(): void {
    if (!this.isLocalEnding) this.#listener?.onDownstreamDrain();
  }

  /**
   * A client whose request is answered before it came whole need not send the rest (RFC 9113, 8.1). What is on its way
   * is thrown away, and looked at nevertheless: what breaks the protocol is told as such.
   */
  protected onLocalEnd(): void {
    if (this.#isTunnel) return;
    this.#listener = undefined;
    if (this.isRemoteEnded) {
      this.close();
      return;
    }
    this.wantsMore = false;
    this.release();
    this.#server.awaitEnd(this);
  }

  onReset(_code: ErrorCode, isRemote: boolean): void {
    const listener = this.#listener;
    this.#listener = undefined;
    if (isRemote) listener?.onDownstreamReset('stream');
    else listener?.onRequestMalformed(400, 'http2.invalid_message');
  }

  onCut(): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.onDownstreamReset('connection');
  }

  // What the response's owner calls.

  sendInformational(head: ResponseHead): void {
    if (this.isClosed || head.status === 101) return;
    this.#server.sendResponseHead(this, head.status, head.headers, false);
  }

  sendHead(head: ResponseHead, end: boolean): void {
    if (this.isClosed) return;
    const isEnd = end && !this.#isTunnel;
    const status = head.status === 101 && this.#isExtended ? 200 : head.status;
    this.#server.sendResponseHead(this, status, head.headers, isEnd);
    this.headWritten(isEnd);
    if (this.#isTunnel) this.release();
  }

  /** Of a tunnel it says that the far connection broke: RFC 9113, 8.5, and RFC 8441, 5. */
  abort(): void {
    this.#listener = undefined;
    const code = this.#isExtended ? ERROR.cancel : ERROR.connect;
    this.#server.reset(this, this.#isTunnel ? code : ERROR.internal);
  }

  endAfter(): void {
    // Other streams go on.
  }

  pauseRequest(): void {
    this.hold();
  }

  resumeRequest(): void {
    if (!this.#wantsTunnel || this.#isTunnel) this.release();
  }

  becomeTunnel(): void {
    this.#isTunnel = true;
  }
}
