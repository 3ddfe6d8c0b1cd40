/** The side of a process that another one may take over from. */
import { rm } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { toWeftError, WeftError } from '@weft/contracts/error';
import type { ListeningSocket } from '../listener/acceptor.ts';
import type { Log } from '../log.ts';
import { systemCalls } from '../net/system-calls.ts';
import { parseRequest, type SocketsAnswer } from './messages.ts';
import { restartSocket } from './place.ts';

/** What is done when another process takes over. */
export interface Replaceable {
  sockets(): Promise<readonly ListeningSocket[]>;
  closeAdmin(): Promise<void>;
  /** Serve what runs, take nothing new, and end; after that many milliseconds at the latest. */
  replaced(shutdownMs: number): void;
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

/**
 * Lets a process that is started with the same base ID and the next epoch take over. Throws `WeftError` ALREADY_EXISTS
 * where another process has the base ID.
 */
export async function offerRestart({ baseId, epoch, target, log }: OfferOptions): Promise<Offer> {
  const path = restartSocket(baseId);
  // The process that was taken over from has let go of the socket by then; what is left is of one that was killed.
  if (await answers(path)) {
    throw new WeftError(
      'ALREADY_EXISTS',
      `a proxy with the base ID ${baseId} runs already; give --restart-epoch to take over from it, or another --base-id`,
    );
  }
  await rm(path, { force: true });
  let isOpen = true;
  const connections = new Set<Socket>();
  const close = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    await new Promise((resolve) => server.close(resolve));
  };
  const answer = async (line: string, socket: Socket): Promise<void> => {
    const request = parseRequest(line);
    switch (request.type) {
      case 'sockets': {
        (await systemCalls()).allowTakingBy(request.pid);
        reply(socket, { pid: process.pid, epoch, sockets: await target.sockets() } satisfies SocketsAnswer);
        return;
      }
      case 'close-admin': {
        await target.closeAdmin();
        reply(socket, {});
        return;
      }
      case 'drain': {
        log.info({}, 'another process has taken over');
        // The path is free for the other process before it hears that this one drains.
        void close();
        reply(socket, {});
        target.replaced(request.shutdownMs);
      }
    }
  };
  const server: Server = createServer((socket) => {
    connections.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => connections.delete(socket));
    socket.unref();
    createInterface(socket).on('line', (line) => {
      answer(line, socket).catch((thrown: unknown) => {
        log.warn({}, `a process that wanted to take over was refused: ${toWeftError(thrown).message}`);
        socket.destroy();
      });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  server.unref();
  return {
    async close() {
      for (const socket of connections) socket.destroy();
      await close();
    },
  };
}

function reply(socket: Socket, answer: object): void {
  socket.write(`${JSON.stringify(answer)}\n`);
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
