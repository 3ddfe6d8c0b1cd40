import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import { chainToPem } from '@weft/identity';
import { createTestMesh } from '@weft/identity/testing';
import fc from 'fast-check';
import { FlushQueue } from '../net/flush-queue.ts';
import { carry } from './carry.ts';

/** How either connection is made. */
type Kind = 'clear' | 'tls';

const { chain, keyPem } = createTestMesh('weft.local').issue('shop', 'cart');
const certificate = { cert: chainToPem(chain), key: keyPem };

function listen(kind: Kind, onConnection: (socket: Socket) => void): Server {
  const options = { allowHalfOpen: true, noDelay: true };
  return kind === 'clear'
    ? createServer(options, onConnection)
    : createTlsServer({ ...options, ...certificate }, onConnection);
}

function dial(kind: Kind, port: number): Socket {
  const options = { host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true };
  return kind === 'clear' ? connect(options) : tlsConnect({ ...options, rejectUnauthorized: false });
}

/** A connection: its outer end, and the one that bytes are carried to and from. */
async function line(t: TestContext, kind: Kind): Promise<readonly [Socket, Socket]> {
  const accepted = Promise.withResolvers<Socket>();
  const server = listen(kind, accepted.resolve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  const outer = dial(kind, typeof bound === 'object' && bound ? bound.port : 0);
  outer.on('error', () => outer.destroy());
  t.after(() => {
    outer.destroy();
    server.close();
  });
  const inner = await accepted.promise;
  inner.on('error', () => inner.destroy());
  t.after(() => inner.destroy());
  return [outer, inner];
}

/** Two connections that bytes are carried between: `near` and `far` are their outer ends. */
async function pair(
  t: TestContext,
  kinds: readonly [Kind, Kind],
  queue: FlushQueue,
): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const [[near, left], [far, right]] = await Promise.all([line(t, kinds[0]), line(t, kinds[1])]);
  carry(left, right, queue, () => undefined);
  carry(right, left, queue, () => undefined);
  for (const socket of [left, right]) socket.resume();
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

const KINDS = [
  ['clear', 'clear'],
  ['tls', 'clear'],
  ['tls', 'tls'],
] as const;

for (const kinds of KINDS) {
  test(`every byte arrives once and in its place, both ways, however slow the readers are: ${kinds.join(' to ')}`, async (t) => {
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
            const { near, far } = await pair(t, kinds, queue);
            const [sentUp = [], sentDown = []] = [up, down].map((list, way) =>
              list.map((size) => counting(size, 2 * index + way)),
            );
            const received = Promise.all([readAll(far, pause), readAll(near, pause)]);
            await Promise.all([sendAll(near, sentUp), sendAll(far, sentDown)]);
            assert.deepEqual(await received, [hashOf(sentUp), hashOf(sentDown)]);
            near.destroy();
            far.destroy();
          }),
        );
      }),
      { numRuns: 15 },
    );
  });
}
