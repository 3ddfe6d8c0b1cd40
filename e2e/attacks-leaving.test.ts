/** A client that leaves is gone at the upstream within a second, whatever it was in the middle of, and however it leaves. */
import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { data, type Field, HELLO, headers, reset } from '@weft/proxy/testing';
import { listen, until } from './harness.ts';
import { startTranslation, withTcp } from './proxy-testing/attacked.ts';
import { httpText } from './proxy-testing/wire.ts';

/** What an upstream does once it has read something; it reads on. */
const UPSTREAMS: Readonly<Record<string, (socket: Socket) => void>> = {
  'says nothing': () => undefined,
  'began to answer': (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'),
  'answers without end': (socket) => {
    const piece = Buffer.alloc(65_536, 'x');
    const pour = (): void => {
      while (socket.writable && socket.write(piece));
    };
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${1e12}\r\n\r\n`);
    socket.on('drain', pour);
    pour();
  },
  'opened a tunnel': (socket) =>
    void socket.write('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello'),
};

interface Upstream {
  readonly port: number;
  /** Connections on which something came and that have not ended. */
  readonly busy: Set<Socket>;
  play: (socket: Socket) => void;
}

async function startUpstream(t: TestContext): Promise<Upstream> {
  const upstream = { port: 0, busy: new Set<Socket>(), play: (_socket: Socket): void => undefined };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const gone = (): void => {
      upstream.busy.delete(socket);
      socket.destroy();
    };
    socket.on('error', gone).on('end', gone).on('close', gone);
    socket.once('data', () => {
      upstream.busy.add(socket);
      upstream.play(socket);
    });
    socket.resume();
  });
  upstream.port = await listen(t, server);
  return upstream;
}

const HOST = 'Host: any.test';
const WEBSOCKET = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];

function fields(method: string, ...more: readonly Field[]): readonly Field[] {
  return [[':method', method], ...more, [':scheme', 'http'], [':path', '/h1/x'], [':authority', 'any.test']];
}

/** What clients have sent when they leave, by listener. */
const CLIENTS: readonly (readonly [
  name: string,
  listener: 'clear' | 'tcp',
  bytes: Buffer | string,
  upstreams: readonly string[],
])[] = [
  [
    'a request',
    'clear',
    httpText('GET /h1/x HTTP/1.1', [HOST]),
    ['says nothing', 'began to answer', 'answers without end'],
  ],
  [
    'a part of a body',
    'clear',
    httpText('POST /h1/x HTTP/1.1', [HOST, 'Content-Length: 10'], 'abc'),
    ['says nothing', 'began to answer', 'answers without end'],
  ],
  [
    'a part of a chunk',
    'clear',
    httpText('POST /h1/x HTTP/1.1', [HOST, 'Transfer-Encoding: chunked'], 'a\r\nabc'),
    ['says nothing', 'began to answer'],
  ],
  [
    'a request, and one ahead',
    'clear',
    httpText('GET /h1/x HTTP/1.1', [HOST]).repeat(2),
    ['says nothing', 'began to answer'],
  ],
  ['a WebSocket', 'clear', httpText('GET /h1/x HTTP/1.1', [HOST, ...WEBSOCKET]), ['says nothing', 'opened a tunnel']],
  [
    'a request of HTTP/2',
    'clear',
    Buffer.concat([HELLO, headers(1, fields('GET'))]),
    ['says nothing', 'began to answer', 'answers without end'],
  ],
  [
    'a part of a body of HTTP/2',
    'clear',
    Buffer.concat([HELLO, headers(1, fields('POST'), false), data(1, 'abc')]),
    ['says nothing', 'began to answer', 'answers without end'],
  ],
  [
    'a request of HTTP/2 that it resets',
    'clear',
    Buffer.concat([HELLO, headers(1, fields('GET'))]),
    ['says nothing', 'began to answer', 'answers without end'],
  ],
  [
    'a WebSocket of HTTP/2',
    'clear',
    Buffer.concat([HELLO, headers(1, fields('CONNECT', [':protocol', 'websocket']), false)]),
    ['says nothing', 'opened a tunnel'],
  ],
  ['bytes', 'tcp', 'hello', ['says nothing', 'answers without end']],
];

const WAYS: Readonly<Record<string, (client: Socket) => void>> = {
  'closes its connection': (client) => client.destroy(),
  'resets its connection': (client) => client.resetAndDestroy(),
};

test('a client that leaves is gone at the upstream within a second', { timeout: 120_000 }, async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startTranslation(t, { http1: upstream.port }, withTcp);
  const late: string[] = [];
  for (const [name, listener, bytes, kinds] of CLIENTS) {
    for (const kind of kinds) {
      for (const [how, leave] of Object.entries(WAYS)) {
        upstream.play = UPSTREAMS[kind] ?? upstream.play;
        const client = connect({ host: '127.0.0.1', port: plane.port(listener) }, () => client.write(bytes));
        t.after(() => client.destroy());
        client.on('error', () => client.destroy());
        let isAnswered = kind === 'says nothing';
        client.on('data', () => {
          isAnswered = true;
        });
        const title = `${name}, the upstream ${kind}, the client ${how}`;
        await until(title, () => (upstream.busy.size > 0 && isAnswered ? true : undefined));
        const leftMs = performance.now();
        if (name.endsWith('resets')) client.write(reset(1));
        else leave(client);
        await until(`the end of: ${title}`, () => (upstream.busy.size === 0 ? true : undefined), 10_000);
        const tookMs = performance.now() - leftMs;
        if (tookMs > 1000) late.push(`${title}: ${tookMs} ms`);
        client.destroy();
      }
    }
  }
  assert.deepEqual(late, []);
  assert.equal(await plane.stat('cluster.h1.upstream_rq_active'), 0);
});
