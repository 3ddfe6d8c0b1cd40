/** HTTP/1.0, tunnels, local replies and access logs: the same through Weft's proxy and through the real Envoy. */
import assert from 'node:assert/strict';
import { createConnection } from 'node:net';
import { test } from 'node:test';
import { differenceText } from './proxy-testing/difference.ts';
import { logLines, outcome, type Side, startPair } from './proxy-testing/pair.ts';
import type { SendOptions } from './proxy-testing/raw-client.ts';
import { answer } from './proxy-testing/recording-upstream.ts';
import { httpText } from './proxy-testing/wire.ts';

interface LegacyCase {
  readonly name: string;
  readonly bytes: string;
  readonly options?: SendOptions;
}

const HOST = 'Host: any.test';
const NEXT = httpText('GET /echo/next HTTP/1.1', [HOST]);
const OK = 'HTTP/1.1 200 OK\r\n';

const CASES: readonly LegacyCase[] = [
  { name: 'HTTP/1.0', bytes: httpText('GET /echo HTTP/1.0', [HOST]) },
  { name: 'HTTP/1.0 without Host', bytes: httpText('GET /echo HTTP/1.0', []) },
  { name: 'HTTP/1.0 kept alive', bytes: httpText('GET /echo HTTP/1.0', [HOST, 'Connection: keep-alive']) },
  {
    name: 'HTTP/1.0 and an answer of unknown length',
    bytes: httpText('GET /echo HTTP/1.0', [
      HOST,
      answer(`${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`),
    ]),
  },
  { name: 'HTTP/1.0 with a body', bytes: httpText('POST /echo HTTP/1.0', [HOST, 'Content-Length: 2'], 'hi') },
  { name: 'HTTP/1.1 after it', bytes: httpText('GET /echo HTTP/1.1', [HOST]) },
  { name: 'no route', bytes: httpText('GET /nowhere?x=1 HTTP/1.1', [HOST]) },
  { name: 'no route for HEAD', bytes: httpText('HEAD /nowhere HTTP/1.1', [HOST]), options: { methods: ['HEAD'] } },
  { name: 'nobody there', bytes: httpText('GET /dead HTTP/1.1', [HOST]) },
  { name: 'an escaped slash', bytes: httpText('GET /echo%2fx HTTP/1.1', [HOST]) },
  { name: 'an escaped backslash', bytes: httpText('GET /echo%5Cx HTTP/1.1', [HOST]) },
  { name: 'headers that are too long', bytes: httpText('GET /echo HTTP/1.1', [HOST, `X-Long: ${'x'.repeat(9000)}`]) },
];

/** What Weft does otherwise. */
const OTHERWISE: Readonly<Record<string, string>> = {
  'WebSocket that the upstream refuses': 'the connection is kept: what follows is the next request',
  'an upgrade that is not offered': 'the connection is kept: what follows is the next request',
};

const UPGRADE = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Key: dGVzdA==',
  'Sec-WebSocket-Version: 13',
];
const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

const TUNNELS: readonly LegacyCase[] = [
  {
    name: 'WebSocket',
    bytes: httpText('GET /echo HTTP/1.1', [HOST, ...UPGRADE, answer(SWITCHED)]),
  },
  {
    name: 'WebSocket that the upstream refuses',
    bytes: httpText('GET /echo HTTP/1.1', [
      HOST,
      ...UPGRADE,
      answer(`HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n`),
    ]),
  },
  {
    name: 'an upgrade that is not offered',
    bytes: httpText('GET /echo HTTP/1.1', [HOST, 'Connection: Upgrade', 'Upgrade: foo']),
  },
];

/** Envoy answers in the client's version, Weft in its own, as RFC 9110, 6.2 has it. */
function inNewestVersion(given: unknown): unknown {
  return JSON.parse(JSON.stringify(given).replaceAll('"start":"HTTP/1.0 ', '"start":"HTTP/1.1 '));
}

async function compare(
  sides: readonly [Side, Side],
  cases: readonly LegacyCase[],
  then: readonly string[],
): Promise<void> {
  const wrong: string[] = [];
  for (const { name, bytes, options = {} } of cases) {
    const sent = { answers: 1 + then.length, then, ...options };
    const [ours, theirs] = await Promise.all(sides.map((side) => outcome(side, bytes, sent)));
    const difference = differenceText(ours, inNewestVersion(theirs));
    if (difference !== '' && !OTHERWISE[name]) wrong.push(`${name}\n${difference}`);
    if (difference === '' && OTHERWISE[name]) wrong.push(`${name}\nis listed as different and is not`);
  }
  assert.equal(wrong.length, 0, wrong.join('\n\n'));
}

test('HTTP/1.0, local replies and access logs are alike', async (t) => {
  const sides = await startPair(t, 'http-legacy.yaml', [10081]);
  await compare(sides, CASES, [NEXT]);
  const [ours, theirs] = await Promise.all(sides.map((side) => allLines(side, 'access.log')));
  assert.deepEqual(ours?.filter(isComparable), theirs?.filter(isComparable));
  const [ourJson, theirJson] = await Promise.all(sides.map((side) => allLines(side, 'access.json')));
  const parsed = (lines: readonly string[] = []) => {
    return lines.filter(isComparable).map((line) => JSON.parse(line));
  };
  assert.deepEqual(parsed(ourJson), parsed(theirJson));
});

/** Refused requests are in one data plane followed by another request, and in the other by the end. */
function isComparable(line: string): boolean {
  return !/\b(400|431)\b|echo\/next/.test(line);
}

/** All lines of a log; both data planes write them some time after the request. */
async function allLines(side: Side, file: string): Promise<readonly string[]> {
  return logLines(side, file, await side.plane.stat('http.legacy.downstream_rq_total'));
}

test('tunnels are granted and refused alike', async (t) => {
  const sides = await startPair(t, 'http-legacy.yaml', [10081]);
  await compare(sides, TUNNELS, []);
});

test('bytes go both ways through WebSocket and CONNECT', async (t) => {
  const sides = await startPair(t, 'http-legacy.yaml', [10081]);
  for (const { plane, upstreams } of sides) {
    const connect = httpText(`CONNECT any.test:443 HTTP/1.1`, ['Host: any.test:443']);
    const upgrade = httpText('GET /echo HTTP/1.1', [HOST, ...UPGRADE, answer(SWITCHED)]);
    assert.equal(await echoed(plane.port(), upgrade, 'over the tunnel', /tunnel$/), 'over the tunnel', plane.dataPlane);
    // The upstream of CONNECT sees bytes alone: it is an HTTP server here, and answers what is sent through.
    const through = await echoed(plane.port(), connect, httpText('GET /inner HTTP/1.1', ['Host: inner.test']), /ok\n$/);
    assert.match(through, /^HTTP\/1\.1 200 OK\r\n[\s\S]*ok\n$/, plane.dataPlane);
    const seen = upstreams
      .get(10081)
      ?.take()
      .map(({ start }) => start);
    assert.deepEqual(seen, ['GET /echo HTTP/1.1', 'GET /inner HTTP/1.1'], plane.dataPlane);
  }
});

/** What comes back through a tunnel until `last` is seen, after the head that grants it. */
function echoed(port: number, head: string, text: string, last: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = '';
    let isGranted = false;
    const socket = createConnection({ host: '127.0.0.1', port, allowHalfOpen: true }, () => socket.write(head));
    socket.setTimeout(10_000, () => socket.destroy(new Error(`nothing came after ${JSON.stringify(seen)}`)));
    socket.on('error', reject);
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      const end = seen.indexOf('\r\n\r\n');
      if (!isGranted && end >= 0) {
        isGranted = true;
        seen = seen.slice(end + 4);
        socket.write(text);
      } else if (isGranted && last.test(seen)) {
        socket.destroy();
        resolve(seen);
      }
    });
    socket.on('end', () => {
      socket.destroy();
      reject(new Error(`the tunnel ended after ${JSON.stringify(seen)}`));
    });
  });
}
