/** The status of a call: https://grpc.github.io/grpc/core/md_doc_statuscodes.html, and how it travels in trailers. */

import { STATUS_CODES, type StatusCode, toWeftError, WeftError } from '@weft/contracts/error';
import { MessageError } from '@weft/protobuf';

const NAMES: ReadonlyMap<number, StatusCode> = new Map(
  (Object.keys(STATUS_CODES) as StatusCode[]).map((name) => [STATUS_CODES[name], name]),
);

/** Longer texts are cut: they travel in a header, and headers are limited. */
const MAX_MESSAGE_LENGTH = 4000;

/** The name of a code that came over the wire; UNKNOWN for a number that is none. */
export function codeName(code: number): StatusCode {
  return NAMES.get(code) ?? 'UNKNOWN';
}

/** The text of a status as any peer can take it: whole characters, and not too many. */
export function statusText(message: string): string {
  return message.toWellFormed().slice(0, MAX_MESSAGE_LENGTH).toWellFormed();
}

/** Told of what handlers throw that is no `WeftError`: a fault of the program, of which callers learn no details. */
export type OnFault = (thrown: unknown, path: string) => void;

/** What a caller is told of an error that a handler threw. */
export function callerError(thrown: unknown, path: string, onFault: OnFault): WeftError {
  if (thrown instanceof WeftError) return thrown;
  onFault(thrown, path);
  return new WeftError('INTERNAL', `${path} failed by a fault in the server; its log says more`, { cause: thrown });
}

/** The error of a request that cannot be decoded. */
export function requestError(thrown: unknown, path: string): WeftError {
  const { message } = toWeftError(thrown);
  const code = thrown instanceof MessageError ? 'INVALID_ARGUMENT' : 'INTERNAL';
  return new WeftError(code, `the request to ${path} cannot be read: ${message}`, {
    cause: thrown,
    source: 'downstream',
  });
}

/** What stands for the gRPC status where a server sent none: http-grpc-status-mapping of the gRPC specification. */
export function codeOfHttpStatus(status: number): StatusCode {
  switch (status) {
    case 400:
      return 'INTERNAL';
    case 401:
      return 'UNAUTHENTICATED';
    case 403:
      return 'PERMISSION_DENIED';
    case 404:
      return 'UNIMPLEMENTED';
    case 429:
    case 502:
    case 503:
    case 504:
      return 'UNAVAILABLE';
    default:
      return 'UNKNOWN';
  }
}

/** The text in a `grpc-message` trailer: percent-encoded UTF-8; what is not, is taken as it stands. */
export function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
