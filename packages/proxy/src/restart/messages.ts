/** What the process that takes over and the one that it takes over from say to each other: a line of JSON each. */
import { WeftError } from '@weft/contracts/error';
import type { ListeningSocket } from '../listener/inherited.ts';

/** Processes of the same version can take over from each other. */
export const HOT_RESTART_VERSION = 'weft.1';

export type Request =
  /** Which sockets are there; the process `pid` is about to take them. */
  | { readonly type: 'sockets'; readonly pid: number; readonly epoch: number }
  /** The address of the admin interface is wanted. */
  | { readonly type: 'close-admin' }
  /**
   * Everything is taken over: serve what runs, take nothing new, end; after that many milliseconds at the latest. From
   * then on the old process tells how many connections it has, as they change.
   */
  | { readonly type: 'drain'; readonly shutdownMs: number };

export interface SocketsAnswer {
  readonly version: string;
  readonly pid: number;
  readonly sockets: readonly ListeningSocket[];
}

/** Why another process cannot take over. */
export interface RefusedAnswer {
  readonly refused: string;
}

/** Of a process that was taken over from. */
export interface ConnectionsAnswer {
  readonly connections: number;
}

/** Reads one line. Throws `WeftError` INVALID_ARGUMENT for what is not a request. */
export function parseRequest(line: string): Request {
  const given = parse(line);
  const type = field(given, 'type');
  const pid = field(given, 'pid');
  const epoch = field(given, 'epoch');
  if (type === 'sockets' && Number.isInteger(pid) && Number(pid) > 0 && Number.isInteger(epoch)) {
    return { type, pid: Number(pid), epoch: Number(epoch) };
  }
  if (type === 'close-admin') return { type };
  const shutdownMs = field(given, 'shutdownMs');
  if (type === 'drain' && typeof shutdownMs === 'number') return { type, shutdownMs };
  throw new WeftError(
    'INVALID_ARGUMENT',
    'a request to a proxy that is to be replaced has the type sockets, close-admin or drain',
  );
}

/** Throws `WeftError` FAILED_PRECONDITION where the process refuses, INVALID_ARGUMENT for what is not such an answer. */
export function parseSockets(line: string): SocketsAnswer {
  const given = parse(line);
  const refused = field(given, 'refused');
  if (typeof refused === 'string') throw new WeftError('FAILED_PRECONDITION', refused);
  const pid = field(given, 'pid');
  const version = field(given, 'version');
  const sockets = field(given, 'sockets');
  if (!Number.isInteger(pid) || version !== HOT_RESTART_VERSION || !Array.isArray(sockets)) {
    throw new WeftError(
      'INVALID_ARGUMENT',
      `what answered at the socket of the base ID is not a proxy with the hot restart version ${HOT_RESTART_VERSION}`,
    );
  }
  return {
    version,
    pid: Number(pid),
    sockets: sockets.map((socket: unknown) => ({
      address: String(field(socket, 'address')),
      descriptor: Number(field(socket, 'descriptor')),
    })),
  };
}

/** How many connections the old process has; undefined where the line says something else. */
export function parseConnections(line: string): number | undefined {
  const connections = field(parse(line), 'connections');
  return typeof connections === 'number' ? connections : undefined;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new WeftError('INVALID_ARGUMENT', 'what processes that replace each other say is JSON', { cause });
  }
}

function field(given: unknown, name: string): unknown {
  return typeof given === 'object' && given !== null ? Reflect.get(given, name) : undefined;
}
