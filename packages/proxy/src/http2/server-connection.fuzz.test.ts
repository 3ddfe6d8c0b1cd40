import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeaderList } from '../http/header-list.ts';
import { ResponseHead } from '../http/message.ts';
import type { SeenRequest } from '../http/testing/recording-server.ts';
import { FRAME } from './frames.ts';
import { block, data, frame, GET, HELLO, headers, POST, reset, settings, uint32 } from './testing/frames.ts';
import { RawPeer, respond, TestServer } from './testing/server.ts';

const streamId = fc.constantFrom(0, 1, 3, 5, 7, 9, 2, 0x7fff_ffff);
const small = fc.oneof(fc.nat(20), fc.constantFrom(0, 65_535, 0x7fff_ffff, 0xffff_ffff));
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((given) => Buffer.from(given));
const path = fc.constantFrom('/now', '/later', '/at-end', '/pause', '/abort', '/large');
const fields = fc
  .record({ path, isPost: fc.boolean(), more: fc.option(fc.constantFrom('te', 'A', 'x-a', ':a')) })
  .map(({ path: at, isPost, more }) => [
    ...(isPost ? POST : GET).filter(([name]) => name !== ':path'),
    [':path', at] as const,
    ...(more === null ? [] : [[more, 'b'] as const]),
  ]);

/** Frames as peers send them, or nearly so. */
const piece = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(streamId, fields, fc.boolean()).map(([id, given, end]) => headers(id, given, end)) },
  {
    weight: 4,
    arbitrary: fc.tuple(streamId, bytes(200), fc.boolean()).map(([id, given, end]) => data(id, given, end)),
  },
  fc.tuple(streamId, small).map(([id, code]) => reset(id, code)),
  fc.tuple(streamId, small).map(([id, more]) => frame(FRAME.windowUpdate, 0, id, uint32(more))),
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

/** Answers in the way that the path says. */
function answer({ head, stream }: SeenRequest, when: 'head' | 'end'): void {
  if (when === 'end') {
    if (head.path === '/at-end') respond(stream, 200, head.path);
    return;
  }
  if (head.path === '/now') respond(stream, 200, 'now');
  else if (head.path === '/abort') stream.abort();
  else if (head.path === '/later') setImmediate(() => respond(stream, 200, 'later'));
  else if (head.path === '/pause') {
    stream.pauseRequest();
    setImmediate(() => stream.resumeRequest());
  } else if (head.path === '/large') {
    stream.sendHead(new ResponseHead(200), false);
    stream.sendBody(Buffer.alloc(100_000));
    stream.sendEnd(new HeaderList(['a', 'b']));
  }
}

async function until(isThere: () => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(20_000);
  while (!isThere()) {
    deadline.throwIfAborted();
    await new Promise(setImmediate);
  }
}

test('whatever frames come, in whatever pieces, nothing is left behind and others are served', async () => {
  await using server = await new TestServer(answer, { delayedCloseMs: 0 }).start();
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 25 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 }),
      async (pieces, cuts) => {
        const all = Buffer.concat([HELLO, ...pieces]);
        const ends = [...cuts.map((cut) => Math.floor(cut * all.length)), all.length].sort((a, b) => a - b);
        using peer = new RawPeer(server.port);
        let from = 0;
        for (const end of ends) {
          peer.send(all.subarray(from, end));
          from = end;
          await new Promise(setImmediate);
        }
        await peer.until(() => peer.isClosed || peer.frames.length >= 3);
        peer.socket.destroy();
        await until(() => server.connections.size === 0);
        assert.equal(server.stats.streams_active, 0);
        assert.equal(server.stats.pending_send_bytes, 0);
        server.requests.length = 0;
      },
    ),
    { numRuns: 150, interruptAfterTimeLimit: 8000 },
  );
  using peer = new RawPeer(server.port).send(
    HELLO,
    headers(1, [...GET.slice(0, 2), [':path', '/now'], [':authority', 'a']]),
  );
  await peer.until(() => peer.hasEnded(1));
});
