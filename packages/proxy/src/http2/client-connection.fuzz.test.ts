/** Whatever an upstream sends, in whatever pieces: each request ends once, and nothing is left behind. */
import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../clock.ts';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import type { ResponseListener } from '../http/stream.ts';
import { FlushQueue } from '../net/flush-queue.ts';
import { LocalServer } from '../testing/local-server.ts';
import { until } from '../testing/until.ts';
import { Http2ClientConnection, type Http2ConnectionOwner } from './client-connection.ts';
import { FRAME } from './frames.ts';
import { block, data, frame, headers, OPTIONS, reset, settings, uint32 } from './testing/frames.ts';

/** Notes in which order it is told of a response, and fails on what cannot be. */
class Told implements ResponseListener {
  readonly events: string[] = [];
  #state: 'awaited' | 'begun' | 'over' = 'awaited';

  get isOver(): boolean {
    return this.#state === 'over';
  }
  #next(event: string, from: 'awaited' | 'begun' | 'any', to: 'awaited' | 'begun' | 'over'): void {
    assert.notEqual(this.#state, 'over', `${event} after the end`);
    if (from !== 'any') assert.equal(this.#state, from, event);
    this.#state = to;
    this.events.push(event);
  }
  onUpstreamInformational(): void {
    this.#next('informational', 'awaited', 'awaited');
  }
  onUpstreamHead(_head: unknown, isEnd: boolean): void {
    this.#next('head', 'awaited', 'begun');
    if (isEnd) this.events.push('with its end');
  }
  onUpstreamBody(chunk: Buffer): void {
    assert.ok(chunk.length > 0, 'no piece is empty');
    this.#next('body', 'begun', 'begun');
  }
  onUpstreamEnd(): void {
    this.#next('end', 'begun', 'over');
  }
  onUpstreamReset(): void {
    this.#next('reset', 'any', 'over');
  }
  onUpstreamDrain(): void {
    assert.notEqual(this.#state, 'over', 'drain after the end');
  }
}

class Owner implements Http2ConnectionOwner {
  closes = 0;
  onCapacity(): void {
    assert.equal(this.closes, 0, 'no capacity after the end');
  }
  onDraining(): void {
    assert.equal(this.closes, 0, 'no notice after the end');
  }
  onClosed(): void {
    this.closes++;
  }
  onBytes(): void {
    // Nobody counts.
  }
}

const streamId = fc.constantFrom(0, 1, 3, 5, 7, 2, 0x7fff_ffff);
const small = fc.oneof(fc.nat(20), fc.constantFrom(0, 65_535, 0x7fff_ffff, 0xffff_ffff));
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((given) => Buffer.from(given));
const status = fc.constantFrom('200', '103', '100', '204', '304', '101', '99', 'x', '');
const fields = fc
  .tuple(status, fc.constantFrom([], [['content-length', '5']], [['A', 'b']], [['grpc-status', '0']], [[':path', '/']]))
  .map(([given, more]) => [
    ...(given === '' ? [] : [[':status', given] as const]),
    ...more.map(([name = '', value = '']) => [name, value] as const),
  ]);

/** Frames as servers send them, or nearly so. */
const piece = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(streamId, fields, fc.boolean()).map(([id, given, end]) => headers(id, given, end)) },
  { weight: 4, arbitrary: fc.tuple(streamId, bytes(20), fc.boolean()).map(([id, given, end]) => data(id, given, end)) },
  fc.tuple(streamId, small).map(([id, code]) => reset(id, code)),
  fc.tuple(streamId, small).map(([id, more]) => frame(FRAME.windowUpdate, 0, id, uint32(more))),
  fc.tuple(streamId, small).map(([id, code]) => frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(id), uint32(code)]))),
  fc.array(fc.tuple(fc.nat(9), small), { maxLength: 3 }).map((pairs) => settings(...pairs)),
  fc.tuple(streamId, fields).map(([id, given]) => frame(FRAME.headers, 0, id, block(given))),
  fc
    .tuple(streamId, bytes(30), fc.boolean())
    .map(([id, given, end]) => frame(FRAME.continuation, end ? 4 : 0, id, given)),
  fc
    .tuple(fc.nat(12), fc.nat(255), streamId, bytes(40))
    .map(([type, flags, id, given]) => frame(type, flags, id, given)),
  bytes(30),
);

class ByteUpstream extends LocalServer {
  readonly sockets: Socket[] = [];

  constructor() {
    super(
      createServer((socket) => {
        this.sockets.push(socket);
        socket.on('error', () => undefined).resume();
      }),
    );
  }

  /** The connection that comes next. */
  async accepted(): Promise<Socket> {
    await until(() => this.sockets.length > 0);
    return this.sockets.shift() as Socket;
  }
}

/** What three requests are told while these pieces come one by one, and then the end. */
async function play(upstream: ByteUpstream, pieces: readonly Buffer[]): Promise<readonly (readonly string[])[]> {
  const socket = connect({ port: upstream.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const owner = new Owner();
  const connection = new Http2ClientConnection(socket, owner, OPTIONS, new FlushQueue(), systemClock);
  const far = await upstream.accepted();
  const calls = ['GET', 'HEAD', 'POST'].map((method) => {
    const told = new Told();
    connection.begin(told).sendHead(new RequestHead(method, '/', 'up', 'http', new HeaderList()), method !== 'POST');
    return told;
  });
  for (const bytes of pieces) {
    far.write(bytes);
    await new Promise(setImmediate);
  }
  far.end();
  await until(() => owner.closes > 0);
  far.destroy();
  socket.destroy();
  assert.equal(owner.closes, 1);
  assert.equal(connection.active, 0);
  assert.ok(calls.every(({ isOver }) => isOver));
  return calls.map(({ events }) => events);
}

function cut(bytes: Buffer, at: readonly number[]): readonly Buffer[] {
  const ends = [...at.map((place) => Math.floor(place * bytes.length)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end)).filter(({ length }) => length > 0);
}

/** Pieces of bodies may be others where reads are. */
const withoutRepeats = (events: readonly string[]) => events.filter((event, index) => event !== events[index - 1]);

test('whatever an upstream sends, in whatever pieces, each request ends once, and the connection with all of them', async () => {
  await using upstream = await new ByteUpstream().start();
  const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 15 }), places, async (pieces, at) => {
      const all = Buffer.concat([settings(), ...pieces]);
      const whole = await play(upstream, [all]);
      const parts = await play(upstream, cut(all, at));
      assert.deepEqual(parts.map(withoutRepeats), whole.map(withoutRepeats));
    }),
    { numRuns: 200, interruptAfterTimeLimit: 8000 },
  );
});
