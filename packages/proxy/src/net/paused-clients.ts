/**
 * Clients that leave while nothing is read from them, as what reads their bytes is slow, or as they ended what they send
 * before. The end of such a connection stands behind bytes that nobody reads yet, or behind an end that was read, and the event
 * loop does not tell of it. The kernel does when it is asked; so all that are paused are looked at together, a few times a
 * second, and whoever is not paused costs nothing. Envoy has the kernel tell it of the same (EPOLLRDHUP).
 */
import type { Socket } from 'node:net';
import { descriptorOf, type PeerEnd, systemCalls } from './system-calls.ts';

/** A client that left is gone at the upstream within a second: a round, and what is to be done then. */
const ROUND_MS = 400;

/** How far connections have ended, in their order. */
export type LookAtEnds = (descriptors: readonly number[]) => readonly PeerEnd[];

/** When a client is taken as gone though some of its bytes are not read yet. */
export interface PausedClient {
  /**
   * With the end of what it sends; once both sides have ended and nobody takes what it sent before, a round long; or only once
   * the connection is broken.
   */
  readonly leaves: 'with-its-end' | 'with-both-ends' | 'broken';
}

interface Paused {
  readonly client: PausedClient;
  /** How much of it was read when its connection was first found closed; -1: it was not. */
  closedAt: number;
}

/** Whether the event loop tells nothing of the socket. */
function isUnread(socket: Socket): boolean {
  return !socket.destroyed && (socket.isPaused() || socket.readableEnded);
}

/** Whether that end is the client's leaving. */
function isGone(socket: Socket, paused: Paused, end: PeerEnd): boolean {
  if (end === 'broken') return true;
  // Its end was read, and was told of.
  if (end === 'none' || socket.readableEnded) return false;
  const { leaves } = paused.client;
  if (leaves === 'with-its-end') return true;
  if (leaves === 'broken' || end !== 'closed') return false;
  if (paused.closedAt === socket.bytesRead) return true;
  paused.closedAt = socket.bytesRead;
  return false;
}

/** Nobody can be asked: ends are seen once what stands before them is read. */
const blind: LookAtEnds = (descriptors) => descriptors.map(() => 'none');

async function openEyes(): Promise<LookAtEnds> {
  if (process.platform !== 'linux') return blind;
  try {
    const calls = await systemCalls();
    return (descriptors) => calls.endsOf(descriptors);
  } catch {
    // This Node has no foreign function interface.
    return blind;
  }
}

export class PausedClients {
  readonly #open: () => Promise<LookAtEnds>;
  readonly #paused = new Map<Socket, Paused>();
  #look: LookAtEnds | undefined;
  #isRoundDue = false;

  /** `open` is called once somebody is paused for long enough to be looked at. */
  constructor(open: () => Promise<LookAtEnds> = openEyes) {
    this.#open = open;
  }

  /**
   * The socket was paused, or has come to its end while it is still written to. Until it is resumed it is destroyed, as one
   * that was reset, as soon as its client is found gone. Costs no more than an entry; whoever resumes need not say so.
   */
  add(socket: Socket, client: PausedClient): void {
    this.#paused.set(socket, { client, closedAt: -1 });
    if (!this.#isRoundDue) this.#roundLater();
  }

  #roundLater(): void {
    this.#isRoundDue = true;
    setTimeout(() => void this.#round(), ROUND_MS).unref();
  }

  async #round(): Promise<void> {
    this.#forgetOthers();
    if (this.#paused.size > 0) {
      this.#look ??= await this.#open();
      this.#lookAtAll(this.#look);
    }
    if (this.#paused.size > 0) this.#roundLater();
    else this.#isRoundDue = false;
  }

  /** Those that are read again, or closed. */
  #forgetOthers(): void {
    for (const socket of this.#paused.keys()) {
      if (!isUnread(socket)) this.#paused.delete(socket);
    }
  }

  #lookAtAll(look: LookAtEnds): void {
    const looked = [...this.#paused].flatMap(([socket, paused]) => {
      const descriptor = isUnread(socket) ? descriptorOf(socket) : undefined;
      return descriptor === undefined ? [] : [{ socket, paused, descriptor }];
    });
    const ends = look(looked.map(({ descriptor }) => descriptor));
    for (const [index, { socket, paused }] of looked.entries()) {
      if (!isGone(socket, paused, ends[index] ?? 'none')) continue;
      this.#paused.delete(socket);
      socket.destroy(
        Object.assign(new Error('the far side left while nothing was read from it'), { code: 'ECONNRESET' }),
      );
    }
  }
}
