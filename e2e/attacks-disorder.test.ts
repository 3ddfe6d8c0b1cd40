/**
 * Clients and upstreams of both versions of HTTP that break off anything at any moment, many at once: the proxy serves on,
 * and nothing of them is left.
 */
import assert from 'node:assert/strict';
import { createConnection, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import {
  data,
  type Field,
  FRAME,
  FramePeer,
  frame,
  HELLO,
  headers,
  reset,
  settings,
  uint32,
} from '@weft/proxy/testing';
import { listen, until } from './harness.ts';
import { startTranslation } from './proxy-testing/attacked.ts';
import { send } from './proxy-testing/raw-client.ts';
import { httpText } from './proxy-testing/wire.ts';

const LASTS_MS = 6000;
const CLIENTS = 8;
const PREFACE_BYTES = 24;

/** Chance that is the same for the same seed. */
class Chance {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }
  below(end: number): number {
    this.#state = (Math.imul(this.#state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return Math.floor((this.#state / 0x8000_0000) * end);
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const leave = (socket: Socket, chance: Chance): unknown =>
  chance.of([() => socket.end(), () => socket.destroy(), () => socket.resetAndDestroy()])();

const OK = 'HTTP/1.1 200 OK\r\n';
const SMALL = `${OK}Content-Length: 2\r\n\r\nok`;
/** What an upstream of HTTP/1.1 says, and whether it then breaks off; '' is silence for a while. */
const ANSWERS: readonly (readonly [text: string, leaves: boolean])[] = [
  [SMALL, false],
  [SMALL, false],
  [SMALL, true],
  ['', true],
  [`${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n`, false],
  [`${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n`, true],
  [`${OK}Content-Length: 20\r\n\r\nok`, true],
  [`${OK}\r\nok`, true],
  [`${OK}Content-Length: 300000\r\n\r\n${'x'.repeat(300_000)}`, false],
  ['HTTP/1.1 204 No Content\r\n\r\n', false],
  ['HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n', false],
  ['HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno', true],
  [`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${SMALL}`, false],
  ['HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello', true],
  ['garbage\r\n\r\n', false],
  [`${SMALL}more`, false],
];

async function startHttp1(t: TestContext, chance: Chance): Promise<number> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
    socket.on('data', () => {
      const [text, leaves] = chance.of(ANSWERS);
      if (socket.writable && text !== '') socket.write(text);
      if (leaves) setTimeout(() => leave(socket, chance), chance.below(40));
    });
  });
  return listen(t, server);
}

const status = (id: number, code: string, isEnd: boolean, ...more: readonly Field[]): Buffer =>
  headers(id, [[':status', code], ...more], isEnd);

/** What an upstream of HTTP/2 sends for a stream. */
const FRAMES: readonly ((id: number) => readonly Buffer[])[] = [
  (id) => [status(id, '200', false), data(id, 'ok', true)],
  (id) => [status(id, '200', true)],
  (id) => [status(id, '200', false), data(id, 'ok'), headers(id, [['x-t', '1']])],
  (id) => [status(id, '200', false, ['content-length', '10']), data(id, 'ok'), reset(id, 2)],
  (id) => [status(id, '200', false), data(id, Buffer.alloc(16_384)), data(id, '', true)],
  (id) => [status(id, '103', false), status(id, '503', true)],
  (id) => [status(id, '413', true), reset(id, 0)],
  (id) => [status(id, '200', true, ['Upper', 'x'])],
  (id) => [frame(FRAME.goaway, 0, 0, uint32(id, 0)), status(id, '200', true)],
  () => [frame(FRAME.goaway, 0, 0, uint32(0, 0))],
  (id) => [frame(FRAME.windowUpdate, 0, id, uint32(0))],
  (id) => [reset(id, 7)],
  (id) => [reset(id, 8)],
];

async function startHttp2(t: TestContext, chance: Chance): Promise<number> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const peer = new FramePeer(socket, PREFACE_BYTES).send(settings([8, 1]));
    socket.on('end', () => socket.end());
    let seen = 0;
    socket.on('data', () => {
      for (const { type, streamId } of peer.frames.slice(seen)) {
        if (type === FRAME.headers) peer.send(...chance.of(FRAMES)(streamId));
      }
      seen = peer.frames.length;
      if (chance.below(30) === 0) leave(socket, chance);
    });
  });
  return listen(t, server);
}

const PATHS = ['/h1/x', '/h2/x', '/h1/limited', '/h2/limited', '/h2/retried', '/same', '/nowhere'] as const;
const HOST = 'Host: any.test';
const UPGRADE = ['Connection: upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];

/** Requests of HTTP/1.1, whole ones and others. */
const REQUESTS: readonly ((path: string) => string)[] = [
  (path) => httpText(`GET ${path} HTTP/1.1`, [HOST]),
  (path) => httpText(`HEAD ${path} HTTP/1.1`, [HOST]),
  (path) => httpText(`POST ${path} HTTP/1.1`, [HOST, 'Content-Length: 5'], 'hello'),
  (path) => httpText(`POST ${path} HTTP/1.1`, [HOST, 'Expect: 100-continue', 'Content-Length: 5'], 'hello'),
  (path) => httpText(`POST ${path} HTTP/1.1`, [HOST, 'Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'),
  (path) => httpText(`POST ${path} HTTP/1.1`, [HOST, 'Transfer-Encoding: chunked'], '5\r\nhello\r\nzz\r\n'),
  (path) => httpText(`POST ${path} HTTP/1.1`, [HOST, 'Content-Length: 100000'], 'y'.repeat(100_000)),
  (path) => httpText(`GET ${path} HTTP/1.1`, [HOST, ...UPGRADE], 'frames'),
];

async function play1(port: number, chance: Chance): Promise<void> {
  const socket = createConnection({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
  socket.on('error', () => undefined);
  if (chance.below(4) > 0) socket.resume();
  const requests = Array.from({ length: 1 + chance.below(4) }, () => chance.of(REQUESTS)(chance.of(PATHS)));
  const text = requests.join('');
  for (let at = 0; at < text.length; ) {
    const size = chance.of([1, 20, 1000, 1_000_000]);
    socket.write(text.slice(at, at + size), 'latin1');
    at += size;
    if (chance.below(4) === 0) await pause(chance.below(5));
    if (chance.below(60) === 0) break;
  }
  await pause(chance.below(100));
  leave(socket, chance);
  await pause(50);
  socket.destroy();
}

type Part = (id: number, path: string) => readonly Buffer[];
const asked = (method: string, path: string, ...more: readonly Field[]): readonly Field[] => [
  [':method', method],
  [':scheme', 'http'],
  [':path', path],
  [':authority', 'any.test'],
  ...more,
];

const STREAMS: readonly Part[] = [
  (id, path) => [headers(id, asked('GET', path))],
  (id, path) => [headers(id, asked('POST', path), false), data(id, 'hello', true)],
  (id, path) => [headers(id, asked('POST', path), false), data(id, Buffer.alloc(16_000)), data(id, 'x')],
  (id, path) => [headers(id, asked('POST', path), false), data(id, 'x'), headers(id, [['x-t', '1']])],
  (id, path) => [headers(id, asked('POST', path), false), data(id, 'x'), reset(id, 8)],
  (id, path) => [headers(id, asked('POST', path, ['content-length', '50']), false), data(id, 'x', true)],
  (id, path) => [headers(id, asked('CONNECT', path, ['x-a', 'b']).toSpliced(1, 0, [':protocol', 'websocket']), false)],
  (id, path) => [headers(id, asked('GET', path)), settings([4, id % 3 === 0 ? 0 : 70_000])],
];

async function play2(port: number, chance: Chance): Promise<void> {
  using peer = new FramePeer(port).send(HELLO);
  const last = 2 * chance.below(8) + 1;
  for (let id = 1; id <= last && !peer.isClosed; id += 2) {
    peer.send(...chance.of(STREAMS)(id, chance.of(PATHS)));
    if (chance.below(3) === 0) await pause(chance.below(20));
  }
  await pause(chance.below(100));
  leave(peer.socket, chance);
  await pause(50);
}

const LEFT = [
  'http.translation.downstream_rq_active',
  'http.translation.downstream_cx_active',
  'http.translation.downstream_cx_upgrades_active',
  ...['h1', 'h2', 'same'].flatMap((cluster) => [
    `cluster.${cluster}.upstream_rq_active`,
    `cluster.${cluster}.upstream_rq_pending_active`,
  ]),
];

test('clients and upstreams that break off anything at any moment leave nothing behind', {
  timeout: 120_000,
}, async (t) => {
  const seed = Date.now() % 1_000_000;
  t.diagnostic(`seed ${seed}`);
  const chance = new Chance(seed);
  const upstreams = { http1: await startHttp1(t, chance), http2: await startHttp2(t, chance) };
  const plane = await startTranslation(t, upstreams);
  const port = plane.port('clear');
  const end = performance.now() + LASTS_MS;
  const play = async (): Promise<void> => {
    while (performance.now() < end) await (chance.below(2) === 0 ? play1 : play2)(port, chance);
  };
  await Promise.all(Array.from({ length: CLIENTS }, play));
  let left: readonly string[] = [];
  const isClear = async (): Promise<true | undefined> => {
    const counts = await Promise.all(LEFT.map(async (name) => `${name}: ${await plane.stat(name)}`));
    left = counts.filter((line) => !line.endsWith(': 0'));
    return left.length === 0 ? true : undefined;
  };
  await until(
    'nothing to be left',
    isClear,
    30_000,
    () => `seed ${seed}: ${left.join(', ')}\n${plane.text().slice(-2000)}`,
  );
  const { answers } = await send(port, httpText('GET /nowhere HTTP/1.1', [HOST]), { answers: 1 });
  assert.match(answers[0]?.start ?? '', / 404 /);
  assert.doesNotMatch(plane.text(), /\]\[(error|critical)\]/, `seed ${seed}`);
});
