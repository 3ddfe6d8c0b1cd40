/**
 * Clients that leave while nothing is read from them, as what reads their bytes is slow. The end of such a connection stands
 * behind bytes that nobody reads yet, and the event loop does not tell of it. The kernel does when it is asked; so all that
 * are paused are looked at together, a few times a second, and whoever is not paused costs nothing. Envoy has the kernel
 * tell it of the same (EPOLLRDHUP).
 */
import type { Socket } from 'node:net';
import { descriptorOf, type PeerEnd, systemCalls } from './system-calls.ts';

/** A client that left is gone at the upstream within a second: a round, and what is to be done then. */
const ROUND_MS = 400;

/** How far connections have ended, in their order. */
export type LookAtEnds = (descriptors: readonly number[]) => readonly PeerEnd[];

/** What the end of a client's bytes says where some of them are not read yet. */
export interface PausedClient {
  /** Whether the client is taken as gone with the end of what it sends, or only once the connection is broken. */
  readonly leavesWithItsEnd: boolean;
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
  readonly #paused = new Map<Socket, PausedClient>();
  #look: LookAtEnds | undefined;
  #isRoundDue = false;

  /** `open` is called once somebody is paused for long enough to be looked at. */
  constructor(open: () => Promise<LookAtEnds> = openEyes) {
    this.#open = open;
  }

  /**
   * The socket was paused. Until it is resumed it is destroyed, as one that was reset, as soon as its client is found gone.
   * Costs no more than an entry; whoever resumes need not say so.
   */
  add(socket: Socket, client: PausedClient): void {
    this.#paused.set(socket, client);
    if (this.#isRoundDue) return;
    this.#isRoundDue = true;
    setTimeout(() => void this.#round(), ROUND_MS).unref();
  }

  async #round(): Promise<void> {
    this.#forgetOthers();
    if (this.#paused.size > 0) {
      this.#look ??= await this.#open();
      this.#lookAtAll(this.#look);
    }
    this.#isRoundDue = this.#paused.size > 0;
    if (this.#isRoundDue) setTimeout(() => void this.#round(), ROUND_MS).unref();
  }

  /** Those that are read again, or closed. */
  #forgetOthers(): void {
    for (const socket of this.#paused.keys()) {
      if (socket.destroyed || !socket.isPaused()) this.#paused.delete(socket);
    }
  }

  #lookAtAll(look: LookAtEnds): void {
    const looked = [...this.#paused].flatMap(([socket, client]) => {
      const descriptor = socket.isPaused() ? descriptorOf(socket) : undefined;
      return descriptor === undefined ? [] : [{ socket, client, descriptor }];
    });
    const ends = look(looked.map(({ descriptor }) => descriptor));
    for (const [index, { socket, client }] of looked.entries()) {
      const end = ends[index] ?? 'none';
      if (end === 'none' || (end === 'ended' && !client.leavesWithItsEnd)) continue;
      this.#paused.delete(socket);
      socket.destroy(
        Object.assign(new Error('the client left while nothing was read from it'), { code: 'ECONNRESET' }),
      );
    }
  }
}
