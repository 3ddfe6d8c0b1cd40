/**
 * One request and its response, between a codec and what stands behind it. A codec of any version of HTTP gives these
 * and takes these, downstream and upstream, so that one stack serves all of them.
 */
import type { HeaderList } from './header-list.ts';
import type { RequestHead, ResponseHead } from './message.ts';

/** What a downstream codec tells of a request whose head it has given. */
export interface RequestListener {
  onRequestBody(chunk: Buffer): void;
  /** The request is complete. Of a tunnel: the client sends no more. */
  onRequestEnd(trailers: HeaderList | undefined): void;
  /**
   * The body breaks the protocol, and no more of it will be told. Whoever has not answered yet answers with `status`,
   * and aborts the response otherwise.
   */
  onRequestMalformed(status: number, detail: string): void;
  /**
   * The client left. Nothing more can be sent; nothing more will be told. `stream`: it took back this request alone, and its
   * connection stands.
   */
  onDownstreamReset(cause: 'stream' | 'connection'): void;
  /** More of the response can be sent, after {@link ResponseStream.sendBody} gave false. */
  onDownstreamDrain(): void;
}

/** Where a response goes. */
export interface ResponseStream {
  /** Has the connection end with this response, where a connection serves one request at a time. */
  endAfter(): void;
  /** A head with a status from 102 to 199, or 100. */
  sendInformational(head: ResponseHead): void;
  /** `end`: there is no body; {@link ResponseStream.sendEnd} follows all the same. */
  sendHead(head: ResponseHead, end: boolean): void;
  /** False: the client is slow; send more after it drained. */
  sendBody(chunk: Buffer): boolean;
  sendEnd(trailers: HeaderList | undefined): void;
  /** Ends the stream so that the client sees that the response is not complete. */
  abort(): void;
  /** Takes no more of the request until {@link ResponseStream.resumeRequest}. */
  pauseRequest(): void;
  resumeRequest(): void;
  /** What is sent from here on is not HTTP: the request was CONNECT, or an Upgrade that was granted. */
  becomeTunnel(): void;
}

/** What an upstream codec tells of the response. */
export interface ResponseListener {
  onUpstreamInformational(head: ResponseHead): void;
  /** `end`: there is no body. */
  onUpstreamHead(head: ResponseHead, end: boolean): void;
  onUpstreamBody(chunk: Buffer): void;
  onUpstreamEnd(trailers: HeaderList | undefined): void;
  /** The response will not be completed. Nothing more will be told. */
  onUpstreamReset(reason: UpstreamReset): void;
  /** More of the request can be sent. */
  onUpstreamDrain(): void;
}

export interface UpstreamReset {
  readonly type:
    | 'connect-failure'
    | 'connect-timeout'
    /** No connection could be begun from where this side was to come. */
    | 'local-connect-failure'
    /** The connection ended while the response was awaited or read. */
    | 'connection-termination'
    | 'protocol-error'
    /** A limit on connections or pending requests was reached. */
    | 'overflow'
    /** The upstream did not process the request, and says so: it may be sent again (RFC 9113, 8.7). */
    | 'refused-stream'
    /** The upstream ended the stream before the response was complete. */
    | 'remote-reset'
    /** Taken back by this side. */
    | 'local';
  /** What the operating system or TLS said; '' where there is nothing to say. */
  readonly text: string;
  /** Whether no byte of the request was handed to the connection. */
  readonly isUnsent: boolean;
  /** Whether the connection had served other requests before, so that the far side may have closed it for idleness. */
  readonly isReused: boolean;
}

/** Where a request goes. */
export interface RequestStream {
  /** `end`: there is no body, and {@link RequestStream.sendEnd} does not follow. */
  sendHead(head: RequestHead, end: boolean): void;
  /** False: the upstream is slow; send more after it drained. */
  sendBody(chunk: Buffer): boolean;
  sendEnd(trailers: HeaderList | undefined): void;
  /** Takes the request back: its connection is closed. */
  abort(): void;
  /** Nobody wants the rest of the response, which is short: it is read and thrown away, and nothing more is told. */
  discardResponse(): void;
  pauseResponse(): void;
  resumeResponse(): void;
}
