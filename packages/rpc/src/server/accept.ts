/** Takes connections: over TCP or a unix socket, in the clear or with TLS whose certificate follows its source. */

import { constants } from 'node:crypto';
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createServer, connect as netConnect, type Server, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import { isMainThread } from 'node:worker_threads';
import { joinAddress } from '@weft/contracts/address';
import { WeftError } from '@weft/contracts/error';
import type { Address } from '../address.ts';
import { type Trust, trustOf } from '../trust.ts';
import type { TlsMaterial, TlsSource } from '../types.ts';
import { type Peers, proofOf } from './peers.ts';

/** How long a peer may take for its TLS handshake. */
const HANDSHAKE_MS = 10_000;
/** After how long an idle connection's peer is looked for by TCP, for peers that answer no HTTP/2 PING. */
const TCP_KEEPALIVE_MS = 10_000;

export interface TlsOptions {
  readonly source: TlsSource;
  readonly peers: Peers;
  readonly now: () => number;
  /** Ends the following of `source`. */
  readonly signal: AbortSignal;
}

function contextOf({ chainPem, keyPem, rootsPem }: TlsMaterial): SecureContextOptions {
  return {
    cert: chainPem,
    key: keyPem,
    ca: [...rootsPem],
    minVersion: 'TLSv1.2',
    // A resumed session would bring back the peer's certificate of then, without its chain.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

function tlsServer({ source, peers, now, signal }: TlsOptions, accept: (socket: TLSSocket) => void): TlsServer {
  const material = source.current();
  let trust: Trust = trustOf(material);
  const server = createTlsServer({
    ...contextOf(material),
    requestCert: true,
    // Who shows no certificate that holds is nobody, and may call what nobody may call.
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    handshakeTimeout: HANDSHAKE_MS,
  });
  source.onChange(() => {
    const changed = source.current();
    trust = trustOf(changed);
    server.setSecureContext(contextOf(changed));
  }, signal);
  server.on('secureConnection', (socket) => {
    peers.add(socket, proofOf(socket, trust, now()));
    accept(socket);
  });
  return server;
}

/** A server that gives connections, secured and proved, to `accept`. */
export function createAcceptor(tls: TlsOptions | undefined, accept: (socket: Socket) => void): Server {
  const server = tls ? tlsServer(tls, accept) : createServer(accept);
  server.on('connection', (socket: Socket) => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
  });
  return server;
}

function isSocket(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}

/** Whether somebody answers at a unix socket; what a process that was killed left behind does not. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = netConnect({ path });
    const end = (isAnswered: boolean): void => {
      socket.destroy();
      resolve(isAnswered);
    };
    socket.once('connect', () => end(true));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code === 'EAGAIN' || error.code === 'EACCES'));
  });
}

/** Listens so that from the first moment none but the owner can connect. */
function listenPrivately(server: Server, path: string): void {
  const before = isMainThread ? process.umask(0o177) : undefined;
  try {
    server.listen({ path });
  } finally {
    if (before !== undefined) process.umask(before);
  }
}

function refusal(address: Address, cause: NodeJS.ErrnoException): WeftError {
  const reason = (): string => {
    switch (cause.code) {
      case 'EADDRINUSE':
        return 'is in use by another process; end that process, or choose another address';
      case 'EADDRNOTAVAIL':
        return 'is not an address of this machine; choose one that is, or 0.0.0.0 for all';
      case 'EACCES':
        return 'may not be listened on by this user; choose a port from 1024 on, or a folder that this user owns';
      case 'ENOENT':
        return 'is in a folder that does not exist; make it first';
      case 'ENOTFOUND':
      case 'EAI_AGAIN':
        return 'names a host that cannot be resolved; give an address of this machine';
      default:
        return `cannot be listened on: ${cause.message}`;
    }
  };
  return new WeftError('FAILED_PRECONDITION', `${address.text} ${reason()}`, { cause });
}

/** Binds the server and gives the address as bound; throws `WeftError` FAILED_PRECONDITION. */
export async function bind(server: Server, address: Address): Promise<string> {
  if (address.type === 'unix' && isSocket(address.path) && !(await answers(address.path))) rmSync(address.path);
  await new Promise<void>((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => reject(refusal(address, cause));
    server.once('error', fail);
    server.once('listening', () => {
      server.off('error', fail);
      resolve();
    });
    if (address.type === 'unix') listenPrivately(server, address.path);
    else server.listen({ host: address.host, port: address.port });
  });
  if (address.type === 'unix') {
    chmodSync(address.path, 0o600);
    return address.text;
  }
  const bound = server.address();
  return joinAddress(address.host, typeof bound === 'object' && bound ? bound.port : address.port);
}
