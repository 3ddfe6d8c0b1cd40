/** Floods of HTTP/2 against a whole process: each ends its connection, memory stays flat, and others are served. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import {
  block,
  data,
  type Field,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FRAME,
  FramePeer,
  frame,
  HELLO,
  headers,
  many,
  reset,
  settings,
  uint32,
} from '@weft/proxy/testing';
import { listen, until } from './harness.ts';
import { asked, GET } from './proxy-testing/attack-http2.ts';
import { startTranslation } from './proxy-testing/attacked.ts';
import type { Plane } from './proxy-testing/plane.ts';

const MIB = 1024 * 1024;
/** Within how much a process moves that does nothing new: what starting needed was given back, and work needs a part of it again. */
const FLAT_MIB = 80;

function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** Never answers, but for `/h1/big`: that it answers without an end, as fast as it is taken. */
async function startUpstream(t: TestContext): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    const piece = Buffer.alloc(65_536, 'x');
    const pour = (): void => {
      while (socket.writable && socket.write(piece));
    };
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      if (text.includes('/h1/big')) {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${1e12}\r\n\r\n`);
        socket.on('drain', pour);
        pour();
      } else if (text.includes('/h1/probe')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    });
  });
  return listen(t, server);
}

async function startGround(t: TestContext): Promise<Plane> {
  const edit = (text: string): string =>
    text.replaceAll(
      'delayed_close_timeout: 0.1s',
      'delayed_close_timeout: 0.1s\n                stream_idle_timeout: 2s\n                request_headers_timeout: 2s',
    );
  return startTranslation(t, { http1: await startUpstream(t) }, edit);
}

async function probe(port: number): Promise<void> {
  using peer = new FramePeer(port).send(HELLO, headers(1, asked({ ':path': '/h1/probe' })));
  assert.ok(await peer.comesTo(() => peer.hasEnded(1)), 'nobody else is served');
  assert.equal(peer.status(1), 200);
}

interface Flood {
  readonly bytes: Buffer;
  /** Sent again and again after it. */
  readonly again?: Buffer;
  /** The client reads nothing. */
  readonly isDeaf?: boolean;
}

const OPEN = headers(1, asked({ ':method': 'POST' }), false);
const empty = (type: number, streamId: number): Buffer => frame(type, 0, streamId);
/** One entry of 4,000 bytes for the dynamic table, then as many references to it as a frame takes. */
const ENTRY = Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4000, 'x')]);
const bomb = (id: number): Buffer =>
  Buffer.concat([
    frame(FRAME.headers, FLAG_END_STREAM, id, Buffer.concat([block(GET), ENTRY])),
    many(6, () => frame(FRAME.continuation, 0, id, Buffer.alloc(16_000, 0xbe))),
    frame(FRAME.continuation, FLAG_END_HEADERS, id),
  ]);
const manyFields: readonly Field[] = Array.from({ length: 3000 }, (_, i) => [`x-${i}`, '1']);

/** Each of these ends its connection before the client does. */
const ENDED: Readonly<Record<string, Flood>> = {
  'streams that are reset at once': {
    bytes: many(5000, (i) => Buffer.concat([headers(2 * i + 1, GET), reset(2 * i + 1)])),
  },
  'streams that are made to be reset': {
    bytes: many(5000, (i) =>
      Buffer.concat([headers(2 * i + 1, GET), frame(FRAME.windowUpdate, 0, 2 * i + 1, uint32(0))]),
    ),
  },
  'streams beyond the limit': { bytes: many(5000, (i) => headers(2 * i + 1, GET)) },
  'streams whose heads are too large': {
    bytes: many(2000, (i) => headers(2 * i + 1, [...GET, ...manyFields.slice(0, 200)])),
  },
  CONTINUATION: {
    bytes: frame(FRAME.headers, 0, 1, block(GET)),
    again: many(100, () => frame(FRAME.continuation, 0, 1, block([['a', 'b'.repeat(1000)]]))),
  },
  'small CONTINUATION': {
    bytes: frame(FRAME.headers, 0, 1, block(GET)),
    again: many(1000, () => frame(FRAME.continuation, 0, 1, block([['a', 'b']]))),
  },
  'empty CONTINUATION': {
    bytes: frame(FRAME.headers, 0, 1, block(GET)),
    again: many(1000, () => empty(FRAME.continuation, 1)),
  },
  'bombs of HPACK': { bytes: many(600, (i) => bomb(2 * i + 1)) },
  'sizes of the table of HPACK': {
    bytes: frame(FRAME.headers, FLAG_END_STREAM, 1, Buffer.concat([Buffer.alloc(10_000, 0x20), block(GET)])),
    again: many(1000, (i) =>
      frame(FRAME.headers, 5, 2 * i + 3, Buffer.concat([Buffer.alloc(10_000, 0x20), block(GET)])),
    ),
  },
  'a table of HPACK beyond the limit': {
    bytes: frame(FRAME.headers, 5, 1, Buffer.concat([Buffer.from([0x3f, 0xff, 0xff, 0xff, 0x07]), block(GET)])),
  },
  'SETTINGS, unread': { bytes: Buffer.alloc(0), again: many(2000, () => settings([4, 65_535])), isDeaf: true },
  'PING, unread': {
    bytes: Buffer.alloc(0),
    again: many(2000, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))),
    isDeaf: true,
  },
  'requests, unread': {
    bytes: Buffer.alloc(0),
    again: many(2000, (i) => headers(2 * i + 1, asked({ ':path': '/nowhere' }))),
    isDeaf: true,
  },
  PRIORITY: {
    bytes: Buffer.alloc(0),
    again: many(2000, () => frame(FRAME.priority, 0, 1, Buffer.from([0, 0, 0, 0, 1]))),
  },
  'WINDOW_UPDATE of the connection': {
    bytes: Buffer.alloc(0),
    again: many(2000, () => frame(FRAME.windowUpdate, 0, 0, uint32(1))),
  },
  'WINDOW_UPDATE of a stream': { bytes: OPEN, again: many(2000, () => frame(FRAME.windowUpdate, 0, 1, uint32(1))) },
  'empty DATA': { bytes: OPEN, again: many(2000, () => empty(FRAME.data, 1)) },
  'DATA of padding': { bytes: OPEN, again: many(100, () => frame(FRAME.data, FLAG_PADDED, 1, Buffer.alloc(256, 255))) },
  PUSH_PROMISE: { bytes: frame(FRAME.pushPromise, FLAG_END_HEADERS, 1, Buffer.concat([uint32(2), block(GET)])) },
  'heads that do not end': { bytes: frame(FRAME.headers, 0, 1, block(GET)) },
  'a frame that does not end': {
    bytes: Buffer.concat([Buffer.from([0, 0x40, 0, 1, 4, 0, 0, 0, 1]), Buffer.alloc(100)]),
  },
};

/** Floods on one connection after another for a while; gives whether each of them was ended. */
async function flood(port: number, { bytes, again, isDeaf = false }: Flood, forMs: number): Promise<string> {
  const deadline = performance.now() + forMs;
  let connections = 0;
  while (performance.now() < deadline && connections < 20) {
    connections++;
    using peer = new FramePeer(port);
    if (isDeaf) peer.socket.pause();
    let isGone = false;
    peer.socket.on('close', () => {
      isGone = true;
    });
    peer.send(HELLO, bytes);
    const end = performance.now() + 8000;
    while (!isGone && !peer.isClosed) {
      if (performance.now() > end) return `connection ${connections} goes on`;
      if (again && peer.socket.writableLength < MIB) peer.send(again);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
  return '';
}

test('floods end their connections, and take no memory', { timeout: 300_000 }, async (t) => {
  const plane = await startGround(t);
  const port = plane.port('clear');
  for (const given of Object.values(ENDED).slice(0, 4)) await flood(port, given, 200);
  await probe(port);
  const wrong: string[] = [];
  for (const [name, given] of Object.entries(ENDED)) {
    const before = residentMiB(plane.pid);
    const why = await flood(port, given, 1000);
    if (why !== '') wrong.push(`${name}: ${why}`);
    const grown = residentMiB(plane.pid) - before;
    if (grown > FLAT_MIB) wrong.push(`${name}: ${Math.round(grown)} MiB more`);
    await probe(port);
  }
  assert.deepEqual(wrong, []);
  const isLeft = async () => ((await plane.stat('http.translation.downstream_rq_active')) === 0 ? true : undefined);
  await until('every request to be given up', isLeft);
});

/** Settings with which a client lets nothing, or little, come. */
const STALLED = Buffer.concat([HELLO, settings([4, 0])]);
const BIG = asked({ ':path': '/h1/big' });

test('streams that a client lets stand still end, with their requests upstream, and hold little until then', async (t) => {
  const plane = await startGround(t);
  const port = plane.port('clear');
  await probe(port);
  const before = residentMiB(plane.pid);
  const peers = Array.from({ length: 4 }, () =>
    new FramePeer(port).send(
      STALLED,
      many(100, (i) => headers(2 * i + 1, BIG)),
    ),
  );
  t.after(() => {
    for (const peer of peers) peer.socket.destroy();
  });
  for (const peer of peers) assert.ok(await peer.comesTo(() => peer.of(FRAME.headers).length === 100));
  const held = residentMiB(plane.pid) - before;
  assert.ok(held < 400 * 0.5, `${held} MiB for 400 streams`);
  await probe(port);
  const isLeft = async () => ((await plane.stat('cluster.h1.upstream_rq_active')) === 0 ? true : undefined);
  await until('the end of what stands still', isLeft, 15_000);
  await probe(port);
});

test('windows that open byte by byte cost little, and what is sent nowhere is not kept', async (t) => {
  const plane = await startGround(t);
  const port = plane.port('clear');
  await probe(port);
  const before = residentMiB(plane.pid);
  using drip = new FramePeer(port).send(STALLED, headers(1, BIG));
  using lost = new FramePeer(port).send(HELLO, headers(1, GET, false), reset(1));
  const piece = many(16, () => data(1, 'x'.repeat(16_000)));
  const end = performance.now() + 3000;
  for (let i = 0; performance.now() < end; i++) {
    if (i % 10 === 0) drip.send(frame(FRAME.windowUpdate, 0, 1, uint32(1)));
    if (lost.socket.writableLength < MIB) lost.send(piece);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.ok(drip.body(1).length > 10);
  const grown = residentMiB(plane.pid) - before;
  assert.ok(grown < FLAT_MIB, `${grown} MiB more`);
  await probe(port);
});
