/** The side of a process that another one may take over from. */
import { rm } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { toWeftError, WeftError } from '@weft/contracts/error';
import type { ListeningSocket } from '../listener/inherited.ts';
import type { Log } from '../log.ts';
import { systemCalls } from '../net/system-calls.ts';
import {
  type ConnectionsAnswer,
  HOT_RESTART_VERSION,
  parseRequest,
  type RefusedAnswer,
  type Request,
  type SocketsAnswer,
} from './messages.ts';
import { restartSocket } from './place.ts';

/** What is done when another process takes over. */
export interface Replaceable {
  sockets(): Promise<readonly ListeningSocket[]>;
  /** Another process listens at the same addresses, too, and is about to take over. */
  begun(): void;
  closeAdmin(): Promise<void>;
  /** The other process has ended, or given up: everything is to be as before it came. */
  abandoned(): void;
  /** Serve what runs, take nothing new, and end; after that many milliseconds at the latest. */
  replaced(shutdownMs: number): void;
  /** How many connections are left. */
  connections(): number;
}

export interface OfferOptions {
  readonly baseId: number;
  readonly epoch: number;
  readonly target: Replaceable;
  readonly log: Log;
}

export interface Offer {
  /** No other process can take over any more. */
  close(): Promise<void>;
}

/** How often the new process is told how many connections are left. */
const TELL_MS = 1000;

/**
 * Lets a process that is started with the same base ID and the next epoch take over. Throws `WeftError` ALREADY_EXISTS
 * where another process has the base ID.
 */
export async function offerRestart(options: OfferOptions): Promise<Offer> {
  const { baseId } = options;
  const path = restartSocket(baseId);
  // The process that was taken over from has let go of the socket by then; what is left is of one that was killed.
  if (await answers(path)) {
    throw new WeftError(
      'ALREADY_EXISTS',
      `a proxy with the base ID ${baseId} runs already; give --restart-epoch to take over from it, or another --base-id`,
    );
  }
  await rm(path, { force: true });
  const offer = new OpenOffer(options);
  await offer.listen(path);
  return offer;
}

class OpenOffer implements Offer {
  readonly #options: OfferOptions;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  /** Of the process that is taking over. */
  #taker: Socket | undefined;
  #state: 'offered' | 'replaced' | 'closed' = 'offered';

  constructor(options: OfferOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket)).unref();
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path, resolve);
    });
  }

  #accept(socket: Socket): void {
    this.#connections.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#connections.delete(socket);
      this.#ended(socket);
    });
    socket.unref();
    createInterface(socket).on('line', (line) => {
      this.#answer(line, socket).catch((thrown: unknown) => {
        this.#options.log.warn({}, `a process that wanted to take over was refused: ${toWeftError(thrown).message}`);
        socket.destroy();
      });
    });
  }

  /** The process that is taking over is gone, or has what it wanted. */
  #ended(socket: Socket): void {
    if (this.#taker !== socket) return;
    this.#taker = undefined;
    if (this.#state !== 'offered') return;
    this.#options.log.warn({}, 'the process that was taking over is gone; this one goes on');
    this.#options.target.abandoned();
  }

  /** Why a process cannot take over; undefined where it can. */
  #refusal({ epoch: wanted }: Extract<Request, { type: 'sockets' }>): string | undefined {
    const { baseId, epoch } = this.#options;
    if (this.#taker) return `another process is taking over from the one with the base ID ${baseId}; wait until it has`;
    if (wanted === epoch + 1) return undefined;
    return `the process with the base ID ${baseId} has the restart epoch ${epoch}; give --restart-epoch ${epoch + 1}`;
  }

  async #answer(line: string, socket: Socket): Promise<void> {
    const { target, log } = this.#options;
    const request = parseRequest(line);
    switch (request.type) {
      case 'sockets': {
        const refused = this.#refusal(request);
        if (refused !== undefined) {
          reply(socket, { refused } satisfies RefusedAnswer);
          return;
        }
        this.#taker = socket;
        target.begun();
        (await systemCalls()).allowTakingBy(request.pid);
        const sockets = await target.sockets();
        reply(socket, { version: HOT_RESTART_VERSION, pid: process.pid, sockets } satisfies SocketsAnswer);
        return;
      }
      case 'close-admin': {
        if (this.#taker !== socket) throw new WeftError('FAILED_PRECONDITION', 'it has not asked for the sockets');
        await target.closeAdmin();
        // It may have gone meanwhile, and nobody would have the admin interface.
        if (socket.destroyed) target.abandoned();
        else reply(socket, {});
        return;
      }
      case 'drain': {
        if (this.#taker !== socket) throw new WeftError('FAILED_PRECONDITION', 'it has not asked for the sockets');
        log.info({}, 'another process has taken over');
        this.#state = 'replaced';
        // The path is free for the other process before it hears that this one drains.
        this.#server.close();
        reply(socket, {});
        target.replaced(request.shutdownMs);
        this.#tellConnections(socket);
      }
    }
  }

  #tellConnections(socket: Socket): void {
    const { target } = this.#options;
    const tell = () => reply(socket, { connections: target.connections() } satisfies ConnectionsAnswer);
    const timer = setInterval(tell, TELL_MS).unref();
    socket.on('close', () => clearInterval(timer));
    tell();
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#state === 'offered') this.#server.close(() => resolve());
    else resolve();
    this.#state = 'closed';
    for (const socket of this.#connections) socket.destroy();
    await promise;
  }
}

function reply(socket: Socket, answer: object): void {
  if (!socket.destroyed) socket.write(`${JSON.stringify(answer)}\n`);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}
