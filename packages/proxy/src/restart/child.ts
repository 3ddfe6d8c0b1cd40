/** The side of a process that takes over from the one that runs with its base ID. */
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { WeftError } from '@weft/contracts/error';
import type { ListeningSocket } from '../listener/inherited.ts';
import { systemCalls } from '../net/system-calls.ts';
import { parseConnections, parseSockets, type Request } from './messages.ts';
import { restartSocket } from './place.ts';

export interface Takeover {
  /** As descriptors of this process. */
  readonly sockets: readonly ListeningSocket[];
  /** Of the old process. */
  readonly pid: number;
  /**
   * The new one serves: the old one serves what runs, and ends at the latest after that many milliseconds. Where it has
   * ended already, that is as well. `onConnections` is told how many connections it has, 0 once it is gone.
   */
  complete(shutdownMs: number, onConnections: (connections: number) => void): Promise<void>;
  /** Says nothing more to the old one: it goes on, where the takeover is not complete. */
  close(): void;
}

const ANSWER_MS = 10_000;

/** One line for each request; undefined once the old process is gone. */
class Dialogue {
  readonly #socket: Socket;
  readonly #waiting: ((line: string | undefined) => void)[] = [];
  #isOver = false;
  /** Told what comes unasked; undefined at the end. */
  onLine: (line: string | undefined) => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    createInterface(socket).on('line', (line) => {
      const waiting = this.#waiting.shift();
      if (waiting) waiting(line);
      else this.onLine(line);
    });
    socket.on('close', () => {
      this.#isOver = true;
      for (const waiting of this.#waiting.splice(0)) waiting(undefined);
      this.onLine(undefined);
    });
  }

  ask(request: Request): Promise<string | undefined> {
    if (this.#isOver) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const tooLate = setTimeout(() => {
        const message = 'the process that is to be taken over from does not answer; look whether it hangs';
        reject(new WeftError('DEADLINE_EXCEEDED', message));
        this.#socket.destroy();
      }, ANSWER_MS);
      this.#waiting.push((line) => {
        clearTimeout(tooLate);
        resolve(line);
      });
      this.#socket.write(`${JSON.stringify(request)}\n`);
    });
  }

  /** The process may end while nothing is said. */
  unref(): void {
    this.#socket.unref();
  }

  close(): void {
    this.#socket.destroy();
  }
}

/**
 * Takes the sockets of the process that runs with the base ID as `epoch` - 1. It goes on serving until the takeover is
 * complete, and as before should this process end sooner. Throws `WeftError` NOT_FOUND where there is no such process,
 * FAILED_PRECONDITION where its epoch is another, or another process is taking over from it, PERMISSION_DENIED where the
 * kernel keeps its sockets to it.
 */
export async function takeOver(baseId: number, epoch: number): Promise<Takeover> {
  const old = new Dialogue(await connect(restartSocket(baseId), baseId));
  try {
    const answer = await old.ask({ type: 'sockets', pid: process.pid, epoch });
    if (answer === undefined) {
      throw new WeftError('UNAVAILABLE', `the process with the base ID ${baseId} ended while it was taken over`);
    }
    const { pid, sockets: offered } = parseSockets(answer);
    const calls = await systemCalls();
    const sockets = offered.map(({ address, descriptor }) => {
      return { address, descriptor: calls.takeDescriptor(pid, descriptor) };
    });
    // From here on this process has all that it needs of the old one.
    await old.ask({ type: 'close-admin' });
    return {
      pid,
      sockets,
      async complete(shutdownMs, onConnections) {
        await old.ask({ type: 'drain', shutdownMs });
        old.onLine = (line) => onConnections((line !== undefined && parseConnections(line)) || 0);
        old.unref();
      },
      close: () => old.close(),
    };
  } catch (thrown) {
    old.close();
    throw thrown;
  }
}

function connect(path: string, baseId: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
    socket.once('error', (cause) => {
      const message = `no proxy runs with the base ID ${baseId} that this one could take over from: start it without --restart-epoch`;
      reject(new WeftError('NOT_FOUND', message, { cause }));
    });
  });
}
