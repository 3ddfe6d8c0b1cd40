import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { FlushQueue } from '../net/flush-queue.ts';
import { carry } from './carry.ts';

/** Two connections that bytes are carried between: `near` and `far` are their outer ends. */
async function pair(t: TestContext, queue: FlushQueue): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const accepted: Socket[] = [];
  const both = Promise.withResolvers<void>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    if (accepted.push(socket) === 2) both.resolve();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  const port = typeof bound === 'object' && bound ? bound.port : 0;
  const ends = [0, 1].map(() => connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true }));
  await both.promise;
  for (const socket of [...accepted, ...ends]) socket.on('error', () => socket.destroy());
  t.after(() => {
    for (const socket of [...accepted, ...ends]) socket.destroy();
    server.close();
  });
  const [near, far] = ends as [Socket, Socket];
  // Either may have been accepted first.
  const inner = accepted.toSorted((a) => (a.remotePort === near.localPort ? -1 : 1)) as [Socket, Socket];
  carry(inner[0], inner[1], queue, () => undefined);
  carry(inner[1], inner[0], queue, () => undefined);
  for (const socket of inner) socket.resume();
  return { near, far };
}

/** Bytes that tell where they stand, so that none can be taken for another. */
function counting(size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32LE((at * 2_654_435_761 + seed) >>> 0, at);
  return bytes;
}

async function sendAll(socket: Socket, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    if (!socket.write(piece)) await new Promise((resolve) => socket.once('drain', resolve));
    else await new Promise(setImmediate);
  }
  socket.end();
}

/** The hash of everything that comes, read with a pause now and then. */
function readAll(socket: Socket, pauseEvery: number): Promise<string> {
  const hash = createHash('sha256');
  let chunks = 0;
  socket.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    if (++chunks % pauseEvery !== 0) return;
    socket.pause();
    setTimeout(() => socket.resume(), 1);
  });
  return new Promise((resolve) => socket.once('end', () => resolve(hash.digest('hex'))));
}

function hashOf(pieces: readonly Buffer[]): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

test('every byte arrives once and in its place, both ways, however slow the readers are', async (t) => {
  // All connections share what is read into.
  const queue = new FlushQueue();
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 10_000, max: 900_000 })), {
    minLength: 1,
    maxLength: 8,
  });
  const line = fc.record({ up: sizes, down: sizes, pause: fc.integer({ min: 1, max: 9 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 4 }), async (lines) => {
      await Promise.all(
        lines.map(async ({ up, down, pause }, index) => {
          const { near, far } = await pair(t, queue);
          const [sentUp, sentDown] = [up, down].map((list, way) => list.map((size) => counting(size, 2 * index + way)));
          const received = Promise.all([readAll(far, pause), readAll(near, pause)]);
          await Promise.all([sendAll(near, sentUp ?? []), sendAll(far, sentDown ?? [])]);
          assert.deepEqual(await received, [hashOf(sentUp ?? []), hashOf(sentDown ?? [])]);
          near.destroy();
          far.destroy();
        }),
      );
    }),
    { numRuns: 25 },
  );
});
