/** A bound address. Who serves its connections can change without a connection being refused meanwhile. */
import { closeSync } from 'node:fs';
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { WeftError } from '@weft/contracts/error';
import { addressText, type NetworkAddress } from '../config/core.ts';
import type { SocketOption } from '../config/socket-options.ts';
import { descriptorOf, systemCalls } from '../net/system-calls.ts';
import { systemSockets } from '../net/system-sockets.ts';
import type { InheritedSockets } from './inherited.ts';
import { SocketPath } from './socket-path.ts';

/**
 * How the workers of a process share addresses: there is one worker; this one is the first of several, which has every
 * address; or another one, which has those addresses alone that the kernel deals out (`SO_REUSEPORT`).
 */
export type AddressShare = 'only' | 'first' | 'other';

/** Clients that come faster than they are accepted must not keep a socket open. */
const QUEUE_TURNS = 1000;
/** How long the rest of a handshake of TCP may be on its way whose beginning was answered. */
const HANDSHAKE_MS = 100;

export interface AcceptorOptions {
  readonly address: NetworkAddress;
  readonly backlog: number | undefined;
  /** Taken over from the process before this one, in place of a socket of its own. */
  readonly inherited?: InheritedSockets | undefined;
  readonly share?: AddressShare;
  /** `enable_reuse_port` of the listener. */
  readonly allowsSharing?: boolean;
  /** Of port 0 in another thread: what the first one has found; undefined: nothing. */
  readonly foundPort?: number | undefined;
  /** What the sockets have beside what every one has. */
  readonly options?: readonly SocketOption[];
}

export class Acceptor {
  /** One, unless the process before this one had more threads. */
  readonly #servers: Server[] = [];
  #path: SocketPath | undefined;
  #serve: ((socket: Socket) => void) | undefined;
  /** Taken before it was said what serves them, as those are that waited at a socket which was taken over. */
  #early: Socket[] = [];

  /**
   * Binds an address and listens; connections wait for {@link serve}. Throws `WeftError` UNAVAILABLE with the address and
   * what to do.
   */
  static async bind(given: AcceptorOptions): Promise<Acceptor> {
    const { address, share = 'only' } = given;
    const acceptor = new Acceptor();
    const descriptors = given.inherited?.take(addressText(address)) ?? [];
    const isShared = share !== 'only' && canBeShared(given) && (given.allowsSharing ?? true);
    if (share === 'other' && !isShared && descriptors.length === 0) return acceptor;
    try {
      if (descriptors.length > 0) {
        if (address.type === 'unix') acceptor.#path = SocketPath.inherited(address);
        for (const fd of descriptors) await acceptor.#listen({ fd }, given);
      } else if (address.type === 'unix') {
        const path = await SocketPath.prepare(address);
        acceptor.#path = path;
        await acceptor.#listen({ path: path.boundAs }, given);
        path.publish();
      } else await acceptor.#listenAt(listenAt(address, isShared, given.foundPort), given);
      await acceptor.setOptions(given.options ?? [], false);
    } catch (thrown) {
      acceptor.close();
      throw bindError(address, thrown as NodeJS.ErrnoException);
    }
    return acceptor;
  }

  /** Options that come before the address need a socket that is made here. */
  async #listenAt(where: TcpPlace, given: AcceptorOptions): Promise<void> {
    const before = (given.options ?? []).filter(({ when }) => when === 'bind');
    if (before.length === 0) {
      await this.#listen(where, given);
      return;
    }
    const fd = (await systemSockets()).bind(where, before);
    try {
      await this.#listen({ fd }, given);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** `isBound`: those that come before the address, too, as far as the system has it. Throws `WeftError` UNAVAILABLE. */
  async setOptions(options: readonly SocketOption[], isBound = true): Promise<void> {
    const wanted = options.filter(({ when }) => isBound || when !== 'bind');
    if (wanted.length === 0) return;
    const sockets = await systemSockets();
    for (const descriptor of this.descriptors) sockets.set(descriptor, wanted);
  }

  async #listen(where: ListenOptions & { readonly fd?: number }, { backlog }: AcceptorOptions): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    this.#servers.push(server);
    server.on('connection', (socket) => {
      if (this.#serve) this.#serve(socket);
      else this.#hold(socket);
    });
    const options: ListenOptions = { ...where, ...(backlog === undefined ? {} : { backlog }) };
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options, () => {
        server.removeAllListeners('error');
        resolve();
      });
    });
    // What goes wrong later concerns single connections that could not be accepted; the socket goes on listening.
    server.on('error', () => undefined);
  }

  #hold(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    socket.pause();
    this.#early.push(socket);
  }

  /** From now on connections are served by that. */
  serve(serve: (socket: Socket) => void): void {
    this.#serve = serve;
    for (const socket of this.#early.splice(0)) if (!socket.destroyed) serve(socket);
  }

  /** Below the sockets that listen and that another process may take over; none once they are closed. */
  get descriptors(): readonly number[] {
    if (this.#path && !this.#path.outlivesServer) return [];
    return this.#servers.map(descriptorOf).filter((descriptor) => descriptor !== undefined);
  }

  /** As bound, with the port that was found for port 0. */
  get address(): NetworkAddress {
    if (this.#path) return { type: 'unix', path: this.#path.path };
    const bound = this.#servers[0]?.address();
    if (!bound || typeof bound === 'string') return { type: 'unix', path: bound ?? '' };
    return { type: 'tcp', host: bound.address, port: bound.port };
  }

  /**
   * The same once what waits to be accepted has been: the kernel resets connections that are still in the queue of a
   * socket that is closed, though their clients have sent requests already. New ones do not begin meanwhile, unless
   * another process listens with the same socket.
   */
  async closeOnceEmpty(keepsPath: () => boolean): Promise<void> {
    const calls = await systemCalls().catch(() => undefined);
    if (calls && !this.#path && !keepsPath()) {
      for (const descriptor of this.descriptors) calls.takeNoMore(descriptor);
      await delay(HANDSHAKE_MS);
    }
    for (let turn = 0; turn < QUEUE_TURNS; turn++) {
      // Right after a turn of the event loop in which connections were accepted.
      await nextTurn();
      if (!calls || this.descriptors.every((descriptor) => calls.waitingConnections(descriptor) === 0)) break;
    }
    this.close(keepsPath());
  }

  /** Frees the address. Connections that were accepted stay. `keepsPath`: another process listens there, too. */
  close(keepsPath = false): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#early.splice(0)) socket.destroy();
    if (!keepsPath) this.#path?.remove();
  }
}

/** Each worker would find another port for port 0, so the first one's is taken; none can bind the path of another's socket. */
function canBeShared({ address, share, foundPort }: AcceptorOptions): boolean {
  return address.type === 'tcp' && (address.port !== 0 || share === 'first' || foundPort !== undefined);
}

interface TcpPlace {
  readonly host: string;
  readonly port: number;
  readonly ipv6Only: boolean;
  readonly reusePort: boolean;
}

function listenAt(
  address: Extract<NetworkAddress, { type: 'tcp' }>,
  isShared: boolean,
  foundPort = address.port,
): TcpPlace {
  const ipv6Only = address.host.includes(':') && !address.isDualStack;
  return { host: address.host, port: foundPort, ipv6Only, reusePort: isShared };
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there; stop it, or choose another port',
  EEXIST: 'there is a file that is no socket; move it, or choose another path',
  EACCES: 'this process may not: ports below 1024 need more rights',
  EADDRNOTAVAIL: 'this machine has no such address',
};

function bindError(address: NetworkAddress, error: NodeJS.ErrnoException): WeftError {
  const reason = REASONS[error.code ?? ''] ?? error.message;
  return new WeftError('UNAVAILABLE', `cannot listen on ${addressText(address)}: ${reason}`, { cause: error });
}
