/** What a connection from a client is told to hold to, and who serves its requests. */
import type { RequestHead } from '../http/message.ts';
import type { RequestListener, ResponseStream } from '../http/stream.ts';
import type { Violation } from './violation.ts';

export interface Http1ServerOptions {
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  readonly acceptsHttp10: boolean;
  /** Taken for the Host that a request in HTTP/1.0 lacks; '': such a request is refused. */
  readonly defaultHostForHttp10: string;
  readonly enableTrailers: boolean;
  /** Whether methods are taken that no registry knows. */
  readonly allowsCustomMethods: boolean;
  /** How many requests the connection may serve; 0: no limit. */
  readonly maxRequests: number;
  /** From the first byte of a request to the end of its head; 0: no limit. */
  readonly requestHeadersTimeoutMs: number;
  /** Without a request; 0: no limit. */
  readonly idleTimeoutMs: number;
  /** How long to wait, after the last answer, for the client to close. */
  readonly delayedCloseMs: number;
}

/** Who serves the requests of a connection. */
export interface RequestHandler {
  /** A request's head came. The listener is told of what follows. */
  onRequest(head: RequestHead, stream: ResponseStream): RequestListener;
  /** What came is no request: answer it. The connection ends afterwards. */
  onViolation(violation: Violation, stream: ResponseStream): void;
  /** The head of a request did not come in time: answer it. The connection ends afterwards. */
  onHeadTimeout(stream: ResponseStream): void;
  /** Whether the connection should end after the response that is being sent. */
  isDraining(): boolean;
  onClose(): void;
}
