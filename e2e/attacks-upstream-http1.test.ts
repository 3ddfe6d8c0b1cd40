/** A hostile upstream of HTTP/1.1: no answer that is not whole looks whole, and none comes to a request that it is not for. */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { listen } from './harness.ts';
import { startRouting } from './proxy-testing/attacked.ts';
import type { Plane } from './proxy-testing/plane.ts';
import { properAnswer, send } from './proxy-testing/raw-client.ts';
import { httpText } from './proxy-testing/wire.ts';

type Play = (socket: Socket, request: string) => void;

/** An upstream that answers every request as the test says. */
class Stage {
  play: Play = (socket) => socket.destroy();
  requests = 0;
  port = 0;

  async start(t: TestContext): Promise<this> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      let text = '';
      socket.on('error', () => socket.destroy());
      socket.on('end', () => socket.end());
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
          const request = text.slice(0, end + 4);
          text = text.slice(end + 4);
          this.requests++;
          this.play(socket, request);
        }
      });
    });
    this.port = await listen(t, server);
    return this;
  }
}

async function startStage(t: TestContext): Promise<{ plane: Plane; stage: Stage }> {
  const stage = await new Stage().start(t);
  return { plane: await startRouting(t, stage.port), stage };
}

const HOST = 'Host: any.test';
const ask = (path: string, verb = 'GET', version = '1.1') => httpText(`${verb} ${path} HTTP/${version}`, [HOST]);
const POST = httpText('POST /x HTTP/1.1', [HOST, 'Content-Length: 0']);
const TAIL = 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled';

/** Each is a whole answer of its framing: what is less than that is none. */
const WHOLE: readonly string[] = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x\r\nabc\r\n0\r\nX-T: 1\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
];

/** A connection that serves GETs is tried again where it may have been stale: POST is not. */
test('an upstream that ends at any byte of an answer is never a clean end for the client', async (t) => {
  const { plane, stage } = await startStage(t);
  for (const answer of WHOLE) {
    for (const how of ['end', 'reset'] as const) {
      for (let at = 0; at < answer.length; at++) {
        stage.play = (socket) => {
          const sent = (): void => void (how === 'end' ? socket.end() : setImmediate(() => socket.resetAndDestroy()));
          socket.write(answer.slice(0, at), sent);
        };
        const received = await send(plane.port(), POST, { answers: 1, settleMs: 0 });
        const isClean = / 200 /.test(properAnswer(received)?.start ?? '');
        assert.ok(!isClean, `${how} at ${at} of ${JSON.stringify(answer)}: ${JSON.stringify(received)}`);
      }
    }
  }
  const requests = WHOLE.reduce((sum, { length }) => sum + 2 * length, 0);
  assert.equal(stage.requests, requests, 'each was sent once');
});

/** Answers that are none, or could be read in two ways. */
const BROKEN: readonly string[] = [
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!',
  'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\nContent-Length: 2\n\nok',
  'HTTP/1.1 200 OK\r\nContent-Length: 2\nX: y\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nX\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200 O\x00K\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 -20 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/2 200\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'ICY 200 OK\r\nContent-Length: 2\r\n\r\nok',
  ' HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  '\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'ok',
  '\x16\x03\x01\x02\x00\x01',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\n\r\n',
  `${'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(1000)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`,
  `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(200_000)}\r\n\r\n`,
  `HTTP/1.1 200 OK\r\n${Array.from({ length: 300 }, (_, i) => `X-${i}: 1\r\n`).join('')}\r\n`,
];

test('an answer that is none, or could be read in two ways, is answered with 502 or 503, once', async (t) => {
  const { plane, stage } = await startStage(t);
  const wrong: string[] = [];
  for (const answer of BROKEN) {
    stage.requests = 0;
    stage.play = (socket) => socket.end(answer, 'latin1');
    const received = await send(plane.port(), POST, { answers: 1 });
    const final = properAnswer(received);
    const name = JSON.stringify(answer.slice(0, 90));
    if (!/^HTTP\/1\.1 50[23] /.test(final?.start ?? '')) wrong.push(`${name} gives ${JSON.stringify(received)}`);
    if (stage.requests !== 1) wrong.push(`${name}: asked ${stage.requests} times`);
  }
  assert.deepEqual(wrong, []);
});

/** A body that breaks after its head went on: the client's connection ends with it. */
const BROKEN_BODIES: readonly string[] = [
  '2\r\nok\r\nx',
  '2\r\nokk\r\n0\r\n\r\n',
  '2\nok\r\n0\r\n\r\n',
  '-1\r\n',
  'ffffffffffffffffff\r\n',
  '2\r\nok\r\n0\r\nX-A\r\n\r\n',
  '2\r\nok\r\n0\n\n',
];

test('a body that breaks is broken for the client, too', async (t) => {
  const { plane, stage } = await startStage(t);
  for (const body of BROKEN_BODIES) {
    stage.play = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n');
      setTimeout(() => socket.write(body), 20);
    };
    const { answers, rest, end } = await send(plane.port(), ask('/x'));
    assert.deepEqual(
      [answers.length, /^HTTP\/1\.1 (200|50[23])/.test(rest)],
      [0, true],
      `${body}: ${JSON.stringify({ answers, rest, end })}`,
    );
    assert.ok(!rest.endsWith('0\r\n\r\n'), body);
  }
});

/** What comes after an answer is nobody's: in the same segment, or once the connection is unused. */
const MORE: readonly (readonly [name: string, method: string, answer: string, late: string])[] = [
  ['more than the length', 'GET', `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${TAIL}`, ''],
  [
    'more after the chunks',
    'GET',
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n${TAIL}`,
    '',
  ],
  ['a body of HEAD', 'HEAD', `HTTP/1.1 200 OK\r\nContent-Length: ${TAIL.length}\r\n\r\n${TAIL}`, ''],
  ['chunks of HEAD', 'HEAD', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${TAIL}`, ''],
  ['a body of 204', 'GET', `HTTP/1.1 204 No Content\r\nContent-Length: ${TAIL.length}\r\n\r\n${TAIL}`, ''],
  ['a body of 304', 'GET', `HTTP/1.1 304 Not Modified\r\nContent-Length: ${TAIL.length}\r\n\r\n${TAIL}`, ''],
  ['another answer later', 'GET', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', TAIL],
  [
    'an informational answer later',
    'GET',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 103 Early Hints\r\n\r\n',
  ],
  ['one byte later', 'GET', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', '\n'],
];

test('what an upstream sends beyond its answer comes to nobody', async (t) => {
  const { plane, stage } = await startStage(t);
  for (const [name, method, answer, late] of MORE) {
    stage.play = (socket) => {
      socket.write(answer);
      if (late !== '') setTimeout(() => socket.write(late), 30);
      stage.play = (other) => void other.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nproper');
    };
    const first = await send(plane.port(), ask('/x', method), {
      answers: 1,
      methods: [method],
      settleMs: late === '' ? 0 : 100,
    });
    assert.deepEqual([first.rest, first.answers.length], ['', 1], name);
    for (let i = 0; i < 3; i++) {
      const { answers, rest } = await send(plane.port(), ask('/y'), { answers: 1 });
      assert.deepEqual([answers.map(({ body }) => body), rest], [['proper'], ''], name);
    }
  }
});

test('an answer that only the end of the connection ends is whole with that end, and not with a reset', async (t) => {
  const { plane, stage } = await startStage(t);
  for (const version of ['1.1', '1.0']) {
    stage.play = (socket) => socket.end(`HTTP/${version} 200 OK\r\n\r\nhello`);
    const whole = await send(plane.port(), ask('/x'), { answers: 1 });
    assert.equal(whole.answers[0]?.body, 'hello', version);
    stage.play = (socket) => {
      socket.write(`HTTP/${version} 200 OK\r\n\r\nhello`);
      setTimeout(() => socket.resetAndDestroy(), 50);
    };
    const cut = await send(plane.port(), ask('/x'));
    assert.deepEqual(cut.answers, [], `${version}: ${JSON.stringify(cut)}`);
  }
});

test('a request that may have been processed is sent once, unless that does no harm', async (t) => {
  const { plane, stage } = await startStage(t);
  const warm = async (): Promise<void> => {
    stage.play = (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    await send(plane.port(), ask('/warm'), { answers: 1 });
  };
  for (const [method, times] of [
    ['POST', 1],
    ['PUT', 1],
    ['DELETE', 1],
    ['PATCH', 1],
    ['GET', 2],
  ] as const) {
    await warm();
    stage.requests = 0;
    stage.play = (socket) => socket.destroy();
    const text = httpText(`${method} /x HTTP/1.1`, [HOST, 'Content-Length: 0']);
    const { answers } = await send(plane.port(), text, { answers: 1 });
    assert.match(answers[0]?.start ?? '', / 50[23] /, method);
    assert.equal(stage.requests, times, method);
    await warm();
    stage.requests = 0;
    stage.play = (socket) => socket.end('HTTP/1.1 2');
    await send(plane.port(), text, { answers: 1 });
    assert.equal(stage.requests, 1, `${method} of which an answer had begun`);
  }
});
