/** A gRPC server: grpc-js for the protocol, own connections for TLS that changes and callers that are known. */

import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import type { Server as GrpcJsServer } from '@grpc/grpc-js';
import { WeftError } from '@weft/contracts/error';
import { isLocalAddress, parseAddress } from '../address.ts';
import { MAX_MESSAGE_BYTES } from '../stream.ts';
import type { GrpcServer, ListenOptions, MountedService } from '../types.ts';
import { bind, createAcceptor } from './accept.ts';
import { Calls } from './calls.ts';
import { Peers } from './peers.ts';

/** A peer that answers no PING for the two together is dead. */
const KEEPALIVE_MS = 10_000;
const KEEPALIVE_TIMEOUT_MS = 8_000;
const MAX_STREAMS = 1000;
/** A connection without a call for this long is closed; clients of ours connect again when they have one. */
const IDLE_MS = 5 * 60_000;
/** How long the statuses of calls that were ended have to reach their callers. */
const FLUSH_MS = 250;

const SERVER_OPTIONS = {
  'grpc.enable_channelz': 0,
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_concurrent_streams': MAX_STREAMS,
  'grpc.max_connection_idle_ms': IDLE_MS,
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
};

const identity = (bytes: Buffer): Buffer => bytes;

function register(server: GrpcJsServer, calls: Calls, services: readonly MountedService[]): void {
  for (const [path, mounted] of services.flatMap(({ methods }) => [...methods])) {
    const isNew =
      mounted.type === 'raw'
        ? server.register(path, calls.raw(path, mounted.handler), identity, identity, 'bidi')
        : mounted.method.kind === 'unary'
          ? server.register(
              path,
              calls.unary(path, mounted.method, mounted.handler as never),
              identity,
              identity,
              'unary',
            )
          : server.register(
              path,
              calls.serverStream(path, mounted.method, mounted.handler as never),
              identity,
              identity,
              'serverStream',
            );
    if (!isNew) throw new WeftError('INTERNAL', `${path} is served twice`);
  }
}

/** Waits until the server has no connection left, for at most `ms`. */
async function emptied(sockets: ReadonlySet<Socket>, ms: number): Promise<void> {
  const deadline = AbortSignal.timeout(ms);
  while (sockets.size > 0 && !deadline.aborted) {
    const [socket] = sockets;
    // The deadline is no error: what is left then is ended by force.
    if (socket) await once(socket, 'close', { signal: deadline }).catch(() => undefined);
  }
}

interface Closing {
  readonly acceptor: Server;
  readonly grpc: GrpcJsServer;
  readonly drain: (graceMs: number) => void;
  readonly calls: Calls;
  readonly sockets: ReadonlySet<Socket>;
}

async function close({ acceptor, grpc, drain, calls, sockets }: Closing, graceMs: number): Promise<void> {
  const freed = new Promise<void>((resolve) => {
    acceptor.close(() => resolve());
  });
  drain(graceMs + FLUSH_MS);
  if (graceMs > 0) await emptied(sockets, graceMs);
  calls.endAll(new WeftError('UNAVAILABLE', 'the server is closing; connect again', { source: 'upstream' }));
  await emptied(sockets, FLUSH_MS);
  for (const socket of sockets) socket.destroy();
  grpc.forceShutdown();
  await freed;
}

/**
 * Serves. Throws `WeftError`: INVALID_ARGUMENT for an address that is none, or one in the clear that others than this
 * machine can reach; FAILED_PRECONDITION when it cannot be listened on.
 */
export async function listen(options: ListenOptions): Promise<GrpcServer> {
  const { services, tls, authorize, anonymousMethods = [], now = Date.now } = options;
  const address = parseAddress(options.address);
  if (!tls && !authorize && !isLocalAddress(address)) {
    throw new WeftError(
      'INVALID_ARGUMENT',
      `${address.text} would be served in the clear to whoever can reach it: listen on 127.0.0.1, or with TLS`,
    );
  }
  // Loaded by whoever serves alone: a client does without it.
  const { Metadata, Server: GrpcServerClass, ServerCredentials } = await import('@grpc/grpc-js');
  const grpc = new GrpcServerClass(SERVER_OPTIONS);
  const peers = tls ? new Peers() : undefined;
  const calls = new Calls({
    ...(peers && { peers }),
    anonymousMethods: new Set(anonymousMethods),
    authorize,
    now,
    onFault: options.onFault ?? ((thrown, path) => console.error(`${path} failed by a fault:`, thrown)),
    newMetadata: () => new Metadata(),
  });
  register(grpc, calls, services);
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Set<Socket>();
  const over = new AbortController();
  const acceptor = createAcceptor(
    tls && peers ? { source: tls, peers, now, signal: over.signal } : undefined,
    (socket) => injector.injectConnection(socket),
  );
  acceptor.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const bound = await bind(acceptor, address);
  let closed: Promise<void> | undefined;
  return {
    address: bound,
    close(graceMs = 0) {
      over.abort();
      closed ??= close({ acceptor, grpc, drain: (ms) => injector.drain(ms), calls, sockets }, graceMs);
      return closed;
    },
  };
}
