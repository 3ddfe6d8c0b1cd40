/** A bound address. Who serves its connections can change without a connection being refused meanwhile. */
import { unlinkSync } from 'node:fs';
import { createConnection, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { WeftError } from '@weft/contracts/error';
import { addressText, type NetworkAddress } from '../config/core.ts';

export interface AcceptorOptions {
  readonly address: NetworkAddress;
  readonly backlog: number | undefined;
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
  static async bind({ address, backlog, onConnection }: AcceptorOptions): Promise<Acceptor> {
    if (address.type === 'unix') await removeStaleSocket(address.path);
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const options: ListenOptions = {
      ...(address.type === 'unix'
        ? { path: address.path }
        : { host: address.host, port: address.port, ipv6Only: address.host.includes(':') && !address.isDualStack }),
      ...(backlog === undefined ? {} : { backlog }),
    };
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
