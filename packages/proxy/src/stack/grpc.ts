/** What the proxy knows of gRPC (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
import { STATUS_CODES } from '@weft/contracts/error';
import type { HeaderList } from '../http/header-list.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';

export const GRPC_TYPE = 'application/grpc';

/** Whether that is the content type of gRPC: `application/grpc` or `application/grpc+proto`; gRPC-Web is not. */
export function isGrpcType(contentType: string | undefined): boolean {
  if (contentType === undefined || !contentType.startsWith(GRPC_TYPE)) return false;
  return contentType.length === GRPC_TYPE.length || contentType.charCodeAt(GRPC_TYPE.length) === 43;
}

/** Whether a request is one of gRPC. */
export function isGrpcRequest(head: RequestHead): boolean {
  return head.path !== '' && isGrpcType(head.headers.get('content-type'));
}

/** By number, the names of gRPC's statuses. */
export const GRPC_STATUS_NAMES: readonly string[] = ['OK', ...Object.keys(STATUS_CODES)];

/** The status that stands for an HTTP status where there is none of gRPC (http-grpc-status-mapping of gRPC). */
export function grpcStatusOfHttp(status: number): number {
  switch (status) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

const STATUS = /^\d{1,10}$/;

/** The number in the field `grpc-status`; undefined where it is not there, or no number. */
export function grpcStatusIn(headers: HeaderList | undefined): number | undefined {
  const text = headers?.get('grpc-status');
  return text !== undefined && STATUS.test(text) ? Number(text) : undefined;
}

/** What a call came to: the status in the trailers, else in the head, else what the HTTP status stands for. */
export function grpcOutcome(response: ResponseHead | undefined, trailers: HeaderList | undefined): number | undefined {
  const told = grpcStatusIn(trailers) ?? grpcStatusIn(response?.headers);
  return told ?? (response && grpcStatusOfHttp(response.status));
}

/** A message as the field `grpc-message` holds it: UTF-8, percent-encoded but for what is printable in ASCII. */
export function grpcMessage(text: string): string {
  if (/^[ -$&-}]*$/.test(text)) return text;
  let encoded = '';
  for (const byte of Buffer.from(text)) {
    const isPlain = byte >= 0x20 && byte < 0x7e && byte !== 0x25;
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds of a `grpc-timeout`, rounded up; undefined where it is not there, or not one. */
export function grpcTimeoutMs(headers: HeaderList): number | undefined {
  const text = headers.get('grpc-timeout');
  const found = text === undefined ? null : /^(\d{1,8})([HMSmun])$/.exec(text);
  return found ? Math.ceil(Number(found[1]) * (UNIT_MS[found[2] as string] as number)) : undefined;
}

const MAX_DIGITS = 99_999_999;

/** A `grpc-timeout` of so many milliseconds: eight digits at most. */
export function grpcTimeoutText(ms: number): string {
  if (ms <= MAX_DIGITS) return `${Math.floor(ms)}m`;
  if (ms / 1000 <= MAX_DIGITS) return `${Math.floor(ms / 1000)}S`;
  return `${Math.min(MAX_DIGITS, Math.floor(ms / 60_000))}M`;
}
