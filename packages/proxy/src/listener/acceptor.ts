/** A bound address. Who serves its connections can change without a connection being refused meanwhile. */
import { unlinkSync } from 'node:fs';
import { createConnection, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { WeftError } from '@weft/contracts/error';
import { addressText, type NetworkAddress } from '../config/core.ts';
import { descriptorOf } from '../net/system-calls.ts';

/** Sockets of another process that listen, for whoever binds their address. */
export interface InheritedSockets {
  /** A descriptor that listens at that address (`127.0.0.1:8080`); undefined where there is none left. */
  take(address: string): number | undefined;
}

/** A socket that listens. */
export interface ListeningSocket {
  /** As configured: `127.0.0.1:8080`. */
  readonly address: string;
  readonly descriptor: number;
}

/** Gives each socket to the first who binds its address. */
export function inheritedSockets(sockets: readonly ListeningSocket[]): InheritedSockets {
  const left = Map.groupBy(sockets, ({ address }) => address);
  return { take: (address) => left.get(address)?.shift()?.descriptor };
}

/** Deals sockets out to workers: of each address one to each, as far as they go. */
export function shareOut(
  sockets: readonly ListeningSocket[],
  workers: number,
): readonly (readonly ListeningSocket[])[] {
  const shares: ListeningSocket[][] = Array.from({ length: workers }, () => []);
  for (const same of Map.groupBy(sockets, ({ address }) => address).values()) {
    for (const [index, socket] of same.entries()) shares[index % workers]?.push(socket);
  }
  return shares;
}

/**
 * How the workers of a process share addresses: there is one worker; this one is the first of several, which has every
 * address; or another one, which has those addresses alone that the kernel deals out (`SO_REUSEPORT`).
 */
export type AddressShare = 'only' | 'first' | 'other';

export interface AcceptorOptions {
  readonly address: NetworkAddress;
  readonly backlog: number | undefined;
  /** Taken over from the process before this one, in place of a socket of its own. */
  readonly inherited?: InheritedSockets | undefined;
  readonly share?: AddressShare;
  /** `enable_reuse_port` of the listener. */
  readonly allowsSharing?: boolean;
  readonly onConnection: (socket: Socket) => void;
}

export class Acceptor {
  readonly #server: Server;
  onConnection: (socket: Socket) => void;

  private constructor(server: Server, onConnection: (socket: Socket) => void) {
    this.#server = server;
    this.onConnection = onConnection;
    server.on('connection', (socket) => this.onConnection(socket));
  }

  /** Binds an address and listens. Throws `WeftError` UNAVAILABLE with the address and what to do. */
  static async bind(given: AcceptorOptions): Promise<Acceptor> {
    const { address, backlog, onConnection } = given;
    const descriptor = given.inherited?.take(addressText(address));
    const share = given.share ?? 'only';
    const isShared = share !== 'only' && canBeShared(address) && (given.allowsSharing ?? true);
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    if (share === 'other' && !isShared) return new Acceptor(server, onConnection);
    if (address.type === 'unix' && descriptor === undefined) await removeStaleSocket(address.path);
    const where = descriptor === undefined ? listenAt(address, isShared) : { fd: descriptor };
    const options: ListenOptions = { ...where, ...(backlog === undefined ? {} : { backlog }) };
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => reject(bindError(address, error)));
      server.listen(options, () => {
        server.removeAllListeners('error');
        resolve();
      });
    });
    // What goes wrong later concerns single connections that could not be accepted; the socket goes on listening.
    server.on('error', () => undefined);
    return new Acceptor(server, onConnection);
  }

  /** Below the socket that listens; undefined once it is closed. */
  get descriptor(): number | undefined {
    return descriptorOf(this.#server);
  }

  /** As bound, with the port that was found for port 0. */
  get address(): NetworkAddress {
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string') return { type: 'unix', path: bound ?? '' };
    return { type: 'tcp', host: bound.address, port: bound.port };
  }

  /** Frees the address. Connections that were accepted stay. */
  close(): void {
    this.#server.close();
  }
}

/** Each worker would find another port for port 0, and cannot bind the path of another's socket. */
function canBeShared(address: NetworkAddress): boolean {
  return address.type === 'tcp' && address.port !== 0;
}

function listenAt(address: NetworkAddress, isShared: boolean): ListenOptions {
  if (address.type === 'unix') return { path: address.path };
  const ipv6Only = address.host.includes(':') && !address.isDualStack;
  return { host: address.host, port: address.port, ipv6Only, reusePort: isShared };
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there; stop it, or choose another port',
  EACCES: 'this process may not: ports below 1024 need more rights',
  EADDRNOTAVAIL: 'this machine has no such address',
};

function bindError(address: NetworkAddress, error: NodeJS.ErrnoException): WeftError {
  const reason = REASONS[error.code ?? ''] ?? error.message;
  return new WeftError('UNAVAILABLE', `cannot listen on ${addressText(address)}: ${reason}`, { cause: error });
}

/** A socket that nobody listens at any more is left by a process that was killed; one that answers is in use. */
async function removeStaleSocket(path: string): Promise<void> {
  const isDead = await new Promise<boolean>((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
  if (isDead) unlinkSync(path);
}
