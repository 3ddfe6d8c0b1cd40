/** A hostile client of HTTP/2: nothing but whole requests come out in HTTP/1.1, and floods end with memory flat. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { data, type Field, FramePeer, HELLO, headers } from '@weft/proxy/testing';
import { until } from './harness.ts';
import { type Attack, asked, GET, LATE, MALFORMED } from './proxy-testing/attack-http2.ts';
import { startTranslation } from './proxy-testing/attacked.ts';
import type { Plane } from './proxy-testing/plane.ts';
import { type RecordingUpstream, startRecordingUpstream } from './proxy-testing/recording-upstream.ts';

interface Ground {
  readonly plane: Plane;
  readonly upstream: RecordingUpstream;
  readonly port: number;
}

async function startGround(t: TestContext): Promise<Ground> {
  const upstream = await startRecordingUpstream(t);
  const plane = await startTranslation(t, { http1: upstream.port });
  return { plane, upstream, port: plane.port('clear') };
}

/** Sends it on a connection of its own; gives what is wrong with what came of it. */
async function play({ port, upstream }: Ground, { frames }: Attack): Promise<string> {
  using peer = new FramePeer(port).send(HELLO, frames(1));
  if (!(await peer.comesTo(() => peer.isOver(1)))) return 'it is left waiting';
  const status = peer.status(1);
  if (peer.resetOf(1) < 0 && !peer.isClosed && !(status >= 400 && status < 500)) return `it is answered with ${status}`;
  const requests = upstream.take();
  return requests.length === 0 ? '' : `the upstream has ${JSON.stringify(requests)}`;
}

test('a message that is malformed in HTTP/2 is none in HTTP/1.1', async (t) => {
  const ground = await startGround(t);
  const wrong: string[] = [];
  for (const attack of MALFORMED) {
    const why = await play(ground, attack);
    if (why !== '') wrong.push(`${attack.name}: ${why}`);
    if (ground.upstream.bytes > 0)
      wrong.push(`${attack.name}: ${ground.upstream.bytes} bytes of it reach the upstream`);
    ground.upstream.forget();
  }
  for (const attack of LATE) {
    const why = await play(ground, attack);
    if (why !== '') wrong.push(`${attack.name}: ${why}`);
    await until('the upstream to be left', () => (ground.upstream.connections.size === 0 ? true : undefined));
    if (ground.upstream.take().length > 0) wrong.push(`${attack.name}: the upstream has a request`);
  }
  assert.equal(wrong.length, 0, wrong.join('\n'));
});

interface Served {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly body?: string;
  readonly trailers?: readonly Field[];
  /** What the upstream sees: fields that must be there just so, and names that must not. */
  readonly start: string;
  readonly has: readonly Field[];
  readonly without?: readonly string[];
}

const SMUGGLED = 'GET /h1/smuggled HTTP/1.1\r\nhost: any.test\r\n\r\n';
const POST = asked({ ':method': 'POST' });

const SERVED: readonly Served[] = [
  {
    name: 'the authority counts, whatever Host says',
    fields: [...GET, ['host', 'other.test']],
    start: 'GET /h1/attack HTTP/1.1',
    has: [['host', 'any.test']],
  },
  {
    name: 'crumbs of cookies are one field',
    fields: [...GET, ['cookie', 'a=1'], ['x-a', 'b'], ['cookie', 'b=2']],
    start: 'GET /h1/attack HTTP/1.1',
    has: [['cookie', 'a=1; b=2']],
  },
  {
    name: 'a body that looks like a request, of no told length',
    fields: POST,
    body: SMUGGLED,
    start: 'POST /h1/attack HTTP/1.1',
    has: [['transfer-encoding', 'chunked']],
    without: ['content-length'],
  },
  {
    name: 'GET with a body that looks like a request',
    fields: GET,
    body: SMUGGLED,
    start: 'GET /h1/attack HTTP/1.1',
    has: [['transfer-encoding', 'chunked']],
  },
  {
    name: 'trailers that would frame, route or authorize',
    fields: POST,
    body: 'abc',
    trailers: [
      ['x-trailer', '1'],
      ['content-length', '5'],
      ['host', 'other.test'],
      ['authorization', 'me'],
      ['te', 'trailers'],
      ['cookie', 'a=1'],
    ],
    start: 'POST /h1/attack HTTP/1.1',
    has: [
      ['host', 'any.test'],
      ['x-trailer', '1'],
    ],
    without: ['content-length', 'authorization', 'te', 'cookie'],
  },
];

test('a message that is well is one request, with fields that are its own', async (t) => {
  const { port, upstream } = await startGround(t);
  for (const { name, fields, body, trailers, start, has, without = [] } of SERVED) {
    using peer = new FramePeer(port).send(HELLO, headers(1, fields, body === undefined));
    if (body !== undefined) peer.send(data(1, body, !trailers));
    if (trailers) peer.send(headers(1, trailers));
    assert.ok(await peer.comesTo(() => peer.hasEnded(1)), name);
    assert.equal(peer.status(1), 200, name);
    const [request, ...more] = upstream.take();
    assert.deepEqual([request?.start, request?.body, more, upstream.unread()], [start, body ?? '', [], ''], name);
    const seen = [...(request?.headers ?? []), ...(request?.trailers ?? [])];
    for (const [wanted, value] of has) {
      assert.deepEqual(
        seen.filter(([other]) => other === wanted),
        [[wanted, value]],
        name,
      );
    }
    for (const unwanted of without) assert.ok(!seen.some(([other]) => other === unwanted), `${name}: ${unwanted}`);
  }
});

const CONNECT: readonly Field[] = [
  [':method', 'CONNECT'],
  [':protocol', 'websocket'],
  [':scheme', 'http'],
  [':path', '/h1/socket'],
  [':authority', 'any.test'],
];

test('what is sent into a tunnel before it stands does not come out as a request', async (t) => {
  const refusal = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno').toString('base64url');
  const { port, upstream } = await startGround(t);
  for (const more of [
    [],
    [['content-length', String(SMUGGLED.length)]],
  ] as const satisfies readonly (readonly Field[])[]) {
    const fields: readonly Field[] = [...CONNECT, ['x-answer', `${refusal}.keep`], ...more];
    using peer = new FramePeer(port).send(HELLO, headers(1, fields, false), data(1, SMUGGLED));
    assert.ok(await peer.comesTo(() => peer.isOver(1)));
    assert.ok(peer.status(1) === 0 || peer.status(1) >= 400, `${peer.status(1)} would grant the tunnel`);
    const requests = upstream.take();
    assert.ok(requests.length <= 1, JSON.stringify(requests));
    for (const { start, body, headers: seen } of requests) {
      assert.deepEqual([start, body], ['GET /h1/socket HTTP/1.1', '']);
      assert.ok(!seen.some(([name]) => name === 'content-length'));
    }
    assert.equal(upstream.unread(), '');
  }
});
