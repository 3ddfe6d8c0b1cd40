/** One call on a connection: gRPC over HTTP/2, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. */
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { type StatusCode, toWeftError, WeftError } from '@weft/contracts/error';
import { FrameReader, frame } from '../frame.ts';
import { codeName, codeOfHttpStatus, decodeMessage } from '../status.ts';
import type { Session } from './session.ts';

export interface CallEvents {
  message(message: Buffer): void;
  /** The call is over; told once, after the last message. Without an error: status OK. */
  end(error?: WeftError): void;
}

export interface CallRequest {
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
}

export interface RunningCall {
  write(message: Uint8Array, done: () => void): void;
  /** Nothing more will be written. */
  halfClose(): void;
  /** Ends the call here and there; `end` is told that error. */
  cancel(error: WeftError): void;
  pause(): void;
  resume(): void;
}

/** Headers that are the protocol's own, and no metadata. */
const RESERVED = /^:|^grpc-|^content-type$|^date$/;

function metadataOf(trailers: IncomingHttpHeaders): Record<string, string | Uint8Array> {
  const metadata: Record<string, string | Uint8Array> = {};
  for (const [key, value] of Object.entries(trailers)) {
    if (typeof value !== 'string' || RESERVED.test(key)) continue;
    metadata[key] = key.endsWith('-bin') ? Buffer.from(value.split(',')[0] ?? '', 'base64') : value;
  }
  return metadata;
}

/** The error in the headers that end a call; undefined for status OK. */
function statusOf(headers: IncomingHttpHeaders, httpStatus: number, where: string): WeftError | undefined {
  const text = headers['grpc-status'];
  if (text === undefined) {
    const code = httpStatus === 200 ? 'UNKNOWN' : codeOfHttpStatus(httpStatus);
    return new WeftError(code, `${where} answered with HTTP status ${httpStatus} and no gRPC status`, {
      source: 'upstream',
    });
  }
  if (text === '0') return undefined;
  const code = codeName(Number(text));
  const message = decodeMessage(String(headers['grpc-message'] ?? '')) || `${where} failed with ${code}`;
  return new WeftError(code, message, { source: 'upstream', metadata: metadataOf(headers) });
}

const RESET_CODES: ReadonlyMap<number, StatusCode> = new Map([
  [constants.NGHTTP2_REFUSED_STREAM, 'UNAVAILABLE'],
  [constants.NGHTTP2_CANCEL, 'CANCELLED'],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, 'RESOURCE_EXHAUSTED'],
  [constants.NGHTTP2_INADEQUATE_SECURITY, 'PERMISSION_DENIED'],
]);

/** The error of a stream that ended without a status. */
function brokenError(stream: ClientHttp2Stream, session: Session, where: string): WeftError {
  if (session.ending) return session.ending;
  if (session.http2.destroyed || session.http2.socket?.destroyed) {
    // The server may have begun: only the caller knows whether trying again is safe.
    const message = `${where} did not finish: the connection was lost`;
    return new WeftError('UNAVAILABLE', message, { source: 'upstream', retryable: false });
  }
  const code = RESET_CODES.get(stream.rstCode) ?? 'INTERNAL';
  const retryable = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
  return new WeftError(code, `${where} was reset by the server (HTTP/2 error ${stream.rstCode})`, {
    source: 'upstream',
    retryable,
  });
}

/** Whether a call was not begun by the server, so that it can be made again whatever it does. */
export function wasRefused(error: unknown): boolean {
  return error instanceof WeftError && error.code === 'UNAVAILABLE' && error.cause === REFUSED;
}

const REFUSED = Symbol('the server refused the stream before it began');

/** Begins a call. Throws `WeftError` UNAVAILABLE, safe to try again, when the connection takes no more. */
export function startCall(session: Session, { path, headers }: CallRequest, events: CallEvents): RunningCall {
  const where = `${path} at ${session.address.text}`;
  const reader = new FrameReader();
  let result: { readonly error: WeftError | undefined } | undefined;
  let httpStatus = 0;
  let stream: ClientHttp2Stream;
  try {
    stream = session.http2.request({ ...headers, ':method': 'POST', ':path': path }, { endStream: false });
  } catch {
    // Its connection has just ended, which no call can be blamed for.
    session.retire();
    throw new WeftError('UNAVAILABLE', `${where} could not be called: the connection was lost`, { cause: REFUSED });
  }
  session.begin();

  const settle = (error: WeftError | undefined): void => {
    result ??= { error };
  };
  const cancel = (error: WeftError): void => {
    settle(error);
    stream.close(constants.NGHTTP2_CANCEL);
    // What has arrived and nobody reads would keep it open.
    stream.resume();
  };
  stream.on('response', (received, flags) => {
    session.heard();
    httpStatus = Number(received[':status']);
    if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0 || httpStatus !== 200) {
      settle(statusOf(received, httpStatus, where));
    }
  });
  stream.on('trailers', (trailers) => settle(statusOf(trailers, httpStatus, where)));
  stream.on('data', (chunk: Buffer) => {
    session.heard();
    if (result) return;
    try {
      for (const message of reader.push(chunk)) events.message(message);
    } catch (thrown) {
      cancel(toWeftError(thrown));
    }
  });
  // A server may end a call that its client still writes to; nobody will read the rest.
  stream.once('end', () => {
    if (!stream.writableEnded) stream.close(constants.NGHTTP2_CANCEL);
  });
  // Its story is told by the reset code and the state of the connection.
  stream.on('error', () => undefined);
  stream.once('close', () => {
    session.end();
    const refused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM && httpStatus === 0 && !result;
    if (refused)
      settle(new WeftError('UNAVAILABLE', `${where} was refused: the server is closing`, { cause: REFUSED }));
    settle(brokenError(stream, session, where));
    events.end(result?.error);
  });
  return {
    write: (message, done) => {
      stream.write(frame(message), () => done());
    },
    halfClose: () => {
      stream.end();
    },
    cancel,
    pause: () => stream.pause(),
    resume: () => stream.resume(),
  };
}
