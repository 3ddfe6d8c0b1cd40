import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERROR, FRAME } from './frames.ts';
import { block, data, frame, GET, HELLO, headers, POST, reset, settings, uint32 } from './testing/frames.ts';
import { RawPeer, TestServer } from './testing/server.ts';

const many = (count: number, make: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));

const floods: Readonly<Record<string, Buffer>> = {
  'streams that are reset at once': many(600, (i) => Buffer.concat([headers(2 * i + 1, GET), reset(2 * i + 1, 8)])),
  'streams that the server is made to reset': many(600, (i) =>
    Buffer.concat([headers(2 * i + 1, GET), frame(FRAME.windowUpdate, 0, 2 * i + 1, uint32(0))]),
  ),
  'CONTINUATION without an end': Buffer.concat([
    frame(FRAME.headers, 0, 1, block(GET)),
    many(200, () => frame(FRAME.continuation, 0, 1, block([['a', 'b'.repeat(100)]]))),
  ]),
  'CONTINUATION that is large': Buffer.concat([
    frame(FRAME.headers, 0, 1, block(GET)),
    many(10, () => frame(FRAME.continuation, 0, 1, block([['a', 'b'.repeat(16_000)]]))),
  ]),
  'empty HEADERS and CONTINUATION': Buffer.concat([
    frame(FRAME.headers, 0, 1),
    many(3, () => frame(FRAME.continuation, 0, 1)),
  ]),
  'empty DATA': Buffer.concat([headers(1, POST, false), many(3, () => data(1, ''))]),
  'DATA of nothing but padding': Buffer.concat([
    headers(1, POST, false),
    many(3, () => frame(FRAME.data, 8, 1, Buffer.alloc(101, 100))),
  ]),
  PRIORITY: many(120, () => frame(FRAME.priority, 0, 1, Buffer.from([0, 0, 0, 0, 1]))),
  WINDOW_UPDATE: many(40, () => frame(FRAME.windowUpdate, 0, 0, uint32(1))),
};

for (const [what, bytes] of Object.entries(floods)) {
  test(`a flood of ${what} ends the connection`, async () => {
    await using server = await new TestServer(() => undefined, { invalidMessageEndsStream: true }).start();
    using peer = new RawPeer(server.port).send(HELLO, bytes);
    await peer.until(() => peer.isClosed);
    assert.equal(peer.goawayError, 'enhanceYourCalm');
    assert.equal(server.stats.streams_active, 0);
  });
}

const unread: Readonly<Record<string, Buffer>> = {
  PING: many(2000, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))),
  SETTINGS: many(2000, () => settings()),
};

for (const [what, bytes] of Object.entries(unread)) {
  test(`a flood of ${what} whose answers are not read ends the connection`, async () => {
    await using server = await new TestServer().start();
    using peer = new RawPeer(server.port).send(HELLO);
    await peer.until(() => peer.frames.length > 2);
    peer.socket.pause();
    const isOver = (): boolean => server.connections.size === 0;
    for (let i = 0; i < 5000 && !isOver(); i++) {
      if (!peer.socket.write(bytes)) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.ok(isOver());
    assert.equal(server.stats.outbound_control_flood, 1);
  });
}

test('answers to PING and SETTINGS that are read are no flood', async () => {
  await using server = await new TestServer().start();
  using peer = new RawPeer(server.port).send(HELLO);
  for (let i = 0; i < 10; i++) {
    peer.send(many(500, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))));
    await peer.until(() => peer.of(FRAME.ping).length === 500 * (i + 1));
  }
  peer.send(headers(1, GET));
  await peer.until(() => peer.hasEnded(1));
});

test('more PING or SETTINGS at once than anybody needs are a flood, though their answers are read', async () => {
  for (const one of [frame(FRAME.ping, 0, 0, Buffer.alloc(8)), settings([4, 65_535])]) {
    await using server = await new TestServer().start();
    using peer = new RawPeer(server.port).send(HELLO);
    peer.send(many(3000, () => one));
    await peer.until(() => peer.goaway === ERROR.enhanceYourCalm);
    assert.equal(server.stats.outbound_control_flood, 1);
  }
});

test('a bomb of fields ends its stream, and takes no memory', async () => {
  await using server = await new TestServer().start();
  // One entry of 3 KB, then 15,000 references to it: 45 MB of fields.
  const value = 'x'.repeat(3000);
  const entry = Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f, 0xb9, 0x16]), Buffer.from(value)]);
  const bomb = frame(FRAME.headers, 5, 1, Buffer.concat([block(GET), entry, Buffer.alloc(13_000, 0xbe)]));
  using peer = new RawPeer(server.port).send(HELLO, bomb, headers(3, GET));
  await peer.until(() => peer.hasEnded(3));
  assert.equal(peer.resetErrorOf(1), 'internal');
  assert.equal(server.requests.length, 1);
});
