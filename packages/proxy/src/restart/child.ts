/** The side of a process that takes over from the one that runs with its base ID. */
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { WeftError } from '@weft/contracts/error';
import type { ListeningSocket } from '../listener/acceptor.ts';
import { systemCalls } from '../net/system-calls.ts';
import { parseSockets, type Request } from './messages.ts';
import { restartSocket } from './place.ts';

export interface Takeover {
  /** As descriptors of this process. */
  readonly sockets: readonly ListeningSocket[];
  /** Of the old process. */
  readonly pid: number;
  /** The new one serves: the old one serves what runs, and ends at the latest after that many milliseconds. */
  complete(shutdownMs: number): Promise<void>;
}

const ANSWER_MS = 10_000;

/**
 * Takes the sockets of the process that runs with the base ID as `epoch` - 1. It goes on serving until the takeover is
 * complete. Throws `WeftError` NOT_FOUND where there is no such process, FAILED_PRECONDITION where its epoch is another,
 * PERMISSION_DENIED where the kernel keeps its sockets to it.
 */
export async function takeOver(baseId: number, epoch: number): Promise<Takeover> {
  const socket = await connect(restartSocket(baseId), baseId);
  const lines = createInterface(socket)[Symbol.asyncIterator]();
  const ask = async (request: Request): Promise<string> => {
    socket.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await lines.next();
    if (done)
      throw new WeftError('UNAVAILABLE', `the process with the base ID ${baseId} ended while it was taken over`);
    return value;
  };
  const old = parseSockets(await ask({ type: 'sockets', pid: process.pid }));
  if (old.epoch !== epoch - 1) {
    socket.destroy();
    throw new WeftError(
      'FAILED_PRECONDITION',
      `the process with the base ID ${baseId} has the restart epoch ${old.epoch}; give --restart-epoch ${old.epoch + 1}`,
    );
  }
  const calls = await systemCalls();
  const sockets = old.sockets.map(({ address, descriptor }) => {
    return { address, descriptor: calls.takeDescriptor(old.pid, descriptor) };
  });
  await ask({ type: 'close-admin' });
  return {
    pid: old.pid,
    sockets,
    async complete(shutdownMs) {
      await ask({ type: 'drain', shutdownMs });
      socket.destroy();
    },
  };
}

function connect(path: string, baseId: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error('no answer came in time')));
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
