/** A hostile upstream of HTTP/2: what it breaks is broken for the client, once, and nobody else's request suffers. */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
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
import { listen } from './harness.ts';
import { asked, GET } from './proxy-testing/attack-http2.ts';
import { startTranslation } from './proxy-testing/attacked.ts';
import type { Plane } from './proxy-testing/plane.ts';
import { properAnswer, send } from './proxy-testing/raw-client.ts';
import { httpText } from './proxy-testing/wire.ts';

const PREFACE_BYTES = 24;

interface Play {
  readonly name: string;
  /** What is sent as soon as the connection is there; default: settings. */
  readonly greeting?: Buffer;
  /** What is sent for a request on that stream, and whether the connection ends with it. */
  readonly answer: (streamId: number) => Buffer;
  readonly ends?: 'end' | 'reset';
  /** What the client is to get; default: nothing whole, or 5xx. */
  readonly isWhole?: boolean;
}

/** Answers the first request as the play says, and all that follow well. */
class Stage {
  play: Play | undefined;
  requests = 0;
  port = 0;
  readonly sockets = new Set<Socket>();

  async start(t: TestContext): Promise<this> {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#serve(socket));
    this.port = await listen(t, server);
    return this;
  }

  #serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('end', () => socket.end());
    const peer = new FramePeer(socket, PREFACE_BYTES);
    peer.send(this.play?.greeting ?? settings());
    let seen = 0;
    socket.on('data', () => {
      for (const { type, streamId } of peer.frames.slice(seen))
        if (type === FRAME.headers) this.#answer(peer, streamId);
      seen = peer.frames.length;
    });
  }

  #answer(peer: FramePeer, streamId: number): void {
    this.requests++;
    const { play } = this;
    this.play = undefined;
    if (!play) {
      peer.send(headers(streamId, OK, false), data(streamId, 'well', true));
      return;
    }
    peer.socket.write(play.answer(streamId), () => {
      if (play.ends === 'end') peer.socket.end();
      else if (play.ends === 'reset') setImmediate(() => peer.socket.resetAndDestroy());
    });
  }
}

const OK: readonly Field[] = [[':status', '200']];
const ok = (id: number, ...more: readonly Field[]): Buffer => headers(id, [...OK, ...more], false);
const status =
  (...fields: readonly Field[]) =>
  (id: number): Buffer =>
    Buffer.concat([headers(id, fields, false), data(id, 'ok', true)]);
const goaway = (last: number, code = 0): Buffer => frame(FRAME.goaway, 0, 0, uint32(last, code));
const all = (...parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts);
const OK_BLOCK = block(OK);

const PLAYS: readonly Play[] = [
  { name: 'GOAWAY, and then the answer', answer: (id) => all(goaway(id), ok(id), data(id, 'ok', true)), isWhole: true },
  { name: 'RST_STREAM after the end', answer: (id) => all(ok(id), data(id, 'ok', true), reset(id, 0)), isWhole: true },
  {
    name: 'RST_STREAM with an error after the end',
    answer: (id) => all(ok(id), data(id, 'ok', true), reset(id, 2)),
    isWhole: true,
  },
  { name: 'DATA after the end', answer: (id) => all(ok(id), data(id, 'ok', true), data(id, 'more')), isWhole: true },
  {
    name: 'DATA after trailers',
    answer: (id) => all(ok(id), data(id, 'ok'), headers(id, [['x-t', '1']]), data(id, 'more', true)),
    isWhole: true,
  },
  { name: 'HEADERS after the end', answer: (id) => all(ok(id), data(id, 'ok', true), ok(id)), isWhole: true },
  { name: 'a GOAWAY that takes nothing', answer: () => goaway(0), ends: 'end' },
  { name: 'a GOAWAY of an error', answer: (id) => goaway(id, 2), ends: 'end' },
  { name: 'the end before an answer', answer: () => Buffer.alloc(0), ends: 'end' },
  { name: 'a reset of the connection before an answer', answer: () => Buffer.alloc(0), ends: 'reset' },
  { name: 'the end within the answer', answer: (id) => all(ok(id), data(id, 'part')), ends: 'end' },
  {
    name: 'the end within the answer, after GOAWAY',
    answer: (id) => all(ok(id), data(id, 'part'), goaway(id)),
    ends: 'end',
  },
  { name: 'a reset within the answer', answer: (id) => all(ok(id), data(id, 'part')), ends: 'reset' },
  { name: 'the end within a frame', answer: (id) => all(ok(id), data(id, 'part', true).subarray(0, -1)), ends: 'end' },
  {
    name: 'the end within the told length',
    answer: (id) => all(ok(id, ['content-length', '10']), data(id, 'part')),
    ends: 'end',
  },
  { name: 'RST_STREAM of no error within the answer', answer: (id) => all(ok(id), data(id, 'part'), reset(id, 0)) },
  { name: 'RST_STREAM within the answer', answer: (id) => all(ok(id), data(id, 'part'), reset(id, 2)) },
  { name: 'RST_STREAM before an answer', answer: (id) => reset(id, 0) },
  { name: 'less than the told length', answer: (id) => all(ok(id, ['content-length', '10']), data(id, 'part', true)) },
  { name: 'more than the told length', answer: (id) => all(ok(id, ['content-length', '2']), data(id, 'part', true)) },
  { name: 'a length, and nothing', answer: (id) => headers(id, [...OK, ['content-length', '2']]) },
  { name: 'two lengths', answer: status(...OK, ['content-length', '2'], ['content-length', '3']) },
  { name: 'a length that is none', answer: status(...OK, ['content-length', '+2']) },
  { name: 'no status', answer: status(['x-a', '1']) },
  { name: 'two statuses', answer: status(...OK, ...OK) },
  { name: 'a status after a field', answer: status(['x-a', '1'], ...OK) },
  ...['20', '2000', 'abc', '099', '2 0', '+20', '', '101'].map(
    (text): Play => ({ name: `the status ${text}`, answer: status([':status', text]) }),
  ),
  { name: 'a path', answer: status(...OK, [':path', '/']) },
  { name: 'a name in capitals', answer: status(...OK, ['X-A', '1']) },
  { name: 'a line end in a value', answer: status(...OK, ['x-a', 'b\r\nset-cookie: c']) },
  { name: 'a line end in a name', answer: status(...OK, ['x-a\r\nset-cookie', 'c']) },
  { name: 'NUL in a value', answer: status(...OK, ['x-a', 'b\0']) },
  { name: 'connection', answer: status(...OK, ['connection', 'close']) },
  { name: 'transfer-encoding', answer: status(...OK, ['transfer-encoding', 'chunked']) },
  { name: 'an informational answer that is the end', answer: (id) => headers(id, [[':status', '103']]) },
  {
    name: 'informational answers without end',
    answer: (id) => many(2000, () => headers(id, [[':status', '103']], false)),
  },
  { name: 'DATA before HEADERS', answer: (id) => data(id, 'ok', true) },
  { name: 'a second head', answer: (id) => all(ok(id), data(id, 'part'), ok(id), data(id, 'ok', true)) },
  { name: 'trailers with a status', answer: (id) => all(ok(id), data(id, 'part'), headers(id, OK)) },
  { name: 'trailers with a line end', answer: (id) => all(ok(id), data(id, 'part'), headers(id, [['x', '\r\n']])) },
  { name: 'HEADERS of a stream that nobody began', answer: (id) => ok(id + 2) },
  { name: 'HEADERS of a stream of its own', answer: () => ok(2) },
  { name: 'DATA of a stream that nobody began', answer: (id) => data(id + 2, 'x') },
  { name: 'a head on stream 0', answer: () => ok(0) },
  { name: 'PUSH_PROMISE', answer: (id) => frame(FRAME.pushPromise, FLAG_END_HEADERS, id, all(uint32(2), block(GET))) },
  { name: 'no SETTINGS', greeting: Buffer.alloc(0), answer: (id) => all(ok(id), data(id, 'ok', true)) },
  {
    name: 'HTTP/1.1',
    greeting: Buffer.from('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'),
    answer: () => Buffer.alloc(0),
    ends: 'end',
  },
  { name: 'a push that is allowed', greeting: settings([2, 2]), answer: (id) => ok(id) },
  { name: 'frames that are too small', greeting: settings([5, 1]), answer: (id) => ok(id) },
  { name: 'windows that are too large', greeting: settings([4, 0x8000_0000]), answer: (id) => ok(id) },
  {
    name: 'a window of the connection beyond all',
    answer: (id) =>
      all(
        many(2, () => frame(FRAME.windowUpdate, 0, 0, uint32(0x7fff_ffff))),
        ok(id),
      ),
  },
  { name: 'a window of nothing', answer: (id) => all(frame(FRAME.windowUpdate, 0, 0, uint32(0)), ok(id)) },
  { name: 'a frame that is too large', answer: (id) => all(ok(id), frame(FRAME.data, 1, id, Buffer.alloc(16_385))) },
  {
    name: 'more padding than frame',
    answer: (id) => all(ok(id), frame(FRAME.data, FLAG_END_STREAM | FLAG_PADDED, id, Buffer.from([9, 1, 1]))),
  },
  { name: 'CONTINUATION of nothing', answer: (id) => frame(FRAME.continuation, FLAG_END_HEADERS, id, OK_BLOCK) },
  {
    name: 'CONTINUATION without end',
    answer: (id) =>
      all(
        frame(FRAME.headers, 0, id, OK_BLOCK),
        many(2000, () => frame(FRAME.continuation, 0, id, block([['a', 'b'.repeat(100)]]))),
      ),
  },
  {
    name: 'another frame within a head',
    answer: (id) => all(frame(FRAME.headers, 0, id, OK_BLOCK), frame(FRAME.ping, 0, 0, Buffer.alloc(8))),
  },
  {
    name: 'a head that nobody can decode',
    answer: (id) => frame(FRAME.headers, FLAG_END_HEADERS, id, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
  },
  {
    name: 'a head that is too large',
    answer: (id) => headers(id, [...OK, ...Array.from({ length: 150 }, (_, i): Field => [`x-${i}`, 'y'.repeat(50)])]),
  },
  {
    name: 'empty DATA without end',
    answer: (id) =>
      all(
        ok(id),
        many(50_000, () => data(id, '')),
      ),
  },
  {
    name: 'PRIORITY without end',
    answer: (id) => many(50_000, () => frame(FRAME.priority, 0, id, Buffer.from([0, 0, 0, 0, 1]))),
  },
];

async function startStage(t: TestContext): Promise<{ plane: Plane; stage: Stage }> {
  const stage = await new Stage().start(t);
  return { plane: await startTranslation(t, { http2: stage.port }), stage };
}

/** `whole`, with the body; or how it failed. */
async function ask1(port: number): Promise<string> {
  const request = httpText('POST /h2/x HTTP/1.1', ['Host: any.test', 'Content-Length: 0']);
  const final = properAnswer(await send(port, request, { answers: 1 }));
  return final && / 200 /.test(final.start) ? `whole ${final.body}` : `failed with ${final?.start ?? 'a cut'}`;
}

async function ask2(port: number): Promise<string> {
  using peer = new FramePeer(port).send(HELLO, headers(1, asked({ ':path': '/h2/x', ':method': 'POST' })));
  if (!(await peer.comesTo(() => peer.isOver(1)))) return 'nothing';
  const isWhole = peer.status(1) === 200 && peer.hasEnded(1) && peer.resetOf(1) < 0;
  return isWhole ? `whole ${peer.body(1)}` : `failed with ${peer.status(1)}`;
}

for (const [version, ask] of [
  ['HTTP/1.1', ask1],
  ['HTTP/2', ask2],
] as const) {
  test(`an upstream of HTTP/2 that misbehaves, seen by a client of ${version}`, async (t) => {
    const { plane, stage } = await startStage(t);
    const port = plane.port('clear');
    const wrong: string[] = [];
    for (const play of PLAYS) {
      for (const socket of stage.sockets) socket.destroy();
      stage.play = play;
      stage.requests = 0;
      const got = await ask(port).catch((thrown: Error) => thrown.message);
      if (play.isWhole ? got !== 'whole ok' : !got.startsWith('failed')) wrong.push(`${play.name}: ${got}`);
      if (stage.requests > 1) wrong.push(`${play.name}: asked ${stage.requests} times`);
      stage.play = undefined;
      const next = await ask(port).catch((thrown: Error) => thrown.message);
      if (next !== 'whole well') wrong.push(`${play.name}, and the request after it: ${next}`);
    }
    assert.equal(wrong.length, 0, wrong.join('\n'));
  });
}
