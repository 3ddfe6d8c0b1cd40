/** Why a connection could not be made, in words. */
import { WeftError } from '@weft/contracts/error';
import type { Address } from '../address.ts';

/** Seconds, for sentences. */
function seconds(ms: number): string {
  return `${ms / 1000} s`;
}

/** The error of an address that did not answer in time. */
export function timedOut(address: Address, afterMs: number): WeftError {
  return new WeftError('UNAVAILABLE', `${address.text} did not answer within ${seconds(afterMs)}`, {
    source: 'upstream',
  });
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : '';
}

function reason(text: string, cause: unknown): string {
  const code = codeOf(cause);
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens at ${text}`;
    case 'ENOENT':
      return `there is no socket at ${text}`;
    case 'EACCES':
    case 'EPERM':
      return `this user may not connect to ${text}`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host name in ${text} cannot be resolved`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `there is no way through the network to ${text}`;
    case 'ETIMEDOUT':
      return `${text} did not answer`;
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ERR_SOCKET_CLOSED':
      return `${text} closed the connection before it was ready`;
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return `${text} does not speak TLS`;
    default:
      if (code.startsWith('ERR_SSL')) return `the TLS handshake with ${text} failed: ${message(cause)}`;
      if (code.startsWith('ERR_HTTP2')) return `${text} does not speak HTTP/2`;
      return `${text} cannot be connected to: ${message(cause)}`;
  }
}

function message(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** The error of an address that could not be connected to; a refused certificate stays UNAUTHENTICATED. */
export function connectError(address: Address, cause: unknown): WeftError {
  if (cause instanceof WeftError) {
    if (cause.code !== 'UNAUTHENTICATED') return cause;
    return new WeftError('UNAUTHENTICATED', `the server at ${address.text}: ${cause.message}`, {
      source: 'upstream',
      cause,
    });
  }
  return new WeftError('UNAVAILABLE', reason(address.text, cause), { source: 'upstream', cause });
}

/** One error of all addresses that were tried. */
export function unreachable(errors: readonly WeftError[]): WeftError {
  const [first] = errors;
  if (!first) return new WeftError('UNAVAILABLE', 'no address of the server is known', { source: 'upstream' });
  if (errors.length === 1) return first;
  const allRefused = errors.every(({ code }) => code === 'UNAUTHENTICATED');
  const reasons = errors.map((error) => error.message).join('; ');
  return new WeftError(allRefused ? 'UNAUTHENTICATED' : 'UNAVAILABLE', `no server can be reached: ${reasons}`, {
    source: 'upstream',
    cause: first,
  });
}
