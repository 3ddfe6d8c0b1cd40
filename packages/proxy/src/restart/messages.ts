/** What the process that takes over and the one that it takes over from say to each other: a line of JSON each. */
import { WeftError } from '@weft/contracts/error';
import type { ListeningSocket } from '../listener/acceptor.ts';

export type Request =
  /** Which sockets are there; the process `pid` is about to take them. */
  | { readonly type: 'sockets'; readonly pid: number }
  /** The address of the admin interface is wanted. */
  | { readonly type: 'close-admin' }
  /** Everything is taken over: serve what runs, take nothing new, end; after that many milliseconds at the latest. */
  | { readonly type: 'drain'; readonly shutdownMs: number };

export interface SocketsAnswer {
  readonly pid: number;
  readonly epoch: number;
  readonly sockets: readonly ListeningSocket[];
}

/** Reads one line. Throws `WeftError` INVALID_ARGUMENT for what is not a request. */
export function parseRequest(line: string): Request {
  const given: unknown = JSON.parse(line);
  const type = field(given, 'type');
  const pid = field(given, 'pid');
  if (type === 'sockets' && Number.isInteger(pid) && Number(pid) > 0) return { type, pid: Number(pid) };
  if (type === 'close-admin') return { type };
  const shutdownMs = field(given, 'shutdownMs');
  if (type === 'drain' && typeof shutdownMs === 'number') return { type, shutdownMs };
  throw new WeftError(
    'INVALID_ARGUMENT',
    'a request to a proxy that is to be replaced has the type sockets, close-admin or drain',
  );
}

/** Throws `WeftError` INVALID_ARGUMENT for what is not such an answer. */
export function parseSockets(line: string): SocketsAnswer {
  const given: unknown = JSON.parse(line);
  const pid = field(given, 'pid');
  const epoch = field(given, 'epoch');
  const sockets = field(given, 'sockets');
  if (!Number.isInteger(pid) || !Number.isInteger(epoch) || !Array.isArray(sockets)) {
    throw new WeftError('INVALID_ARGUMENT', 'what answered at the socket of the base ID is not a proxy of this kind');
  }
  return {
    pid: Number(pid),
    epoch: Number(epoch),
    sockets: sockets.map((socket: unknown) => ({
      address: String(field(socket, 'address')),
      descriptor: Number(field(socket, 'descriptor')),
    })),
  };
}

function field(given: unknown, name: string): unknown {
  return typeof given === 'object' && given !== null ? Reflect.get(given, name) : undefined;
}
