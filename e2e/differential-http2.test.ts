/**
 * HTTP/1.1 and HTTP/2 in and out, in all four combinations, and gRPC on top: the same through Weft's proxy and through
 * the real Envoy on the same bootstrap. Where Weft differs on purpose that is listed here, with its reason.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DATA_PLANES, type DataPlane, freePort, until } from './harness.ts';
import { makeCredentials, writeCertificates } from './proxy-testing/certificates.ts';
import { differenceText } from './proxy-testing/difference.ts';
import { type Ask, ask, type Got, openStream, type Target, throughWebSocket } from './proxy-testing/http2/client.ts';
import { type ScriptedUpstream, type Seen, startScripted } from './proxy-testing/http2/upstream.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { type Plane, startPlane } from './proxy-testing/plane.ts';

interface Side {
  readonly plane: Plane;
  readonly folder: string;
  readonly upstreams: readonly ScriptedUpstream[];
}

async function startSide(t: TestContext, dataPlane: DataPlane, dead: number): Promise<Side> {
  const folder = temporaryFolder(t);
  const credentials = makeCredentials();
  writeCertificates(folder, credentials);
  const { chainPem: cert, keyPem: key } = credentials.stock;
  const kinds = ['http1', 'http2', { cert, key }] as const;
  const upstreams = await Promise.all(kinds.map((kind) => startScripted(t, kind)));
  const [http1, http2, tls] = upstreams.map(({ port }) => port);
  const ports = { 10081: http1 ?? 0, 10082: http2 ?? 0, 10083: tls ?? 0, 10089: dead };
  const plane = await startPlane(t, { dataPlane, bootstrap: 'http2-translation.yaml', folder, ports });
  return { plane, folder, upstreams };
}

async function startSides(t: TestContext): Promise<readonly [weft: Side, envoy: Side]> {
  const dead = await freePort();
  const [weft, envoy] = await Promise.all(DATA_PLANES.map((dataPlane) => startSide(t, dataPlane, dead)));
  if (!weft || !envoy) throw new Error('there are two data planes');
  return [weft, envoy];
}

interface Outcome {
  readonly got: Got;
  readonly seen: readonly Seen[];
}

async function outcomeOf(side: Side, version: Target['version'], isTls: boolean, given: Ask): Promise<Outcome> {
  const port = side.plane.port(isTls ? 'tls' : 'clear');
  const got = await ask({ port, version, isTls }, given);
  return { got, seen: side.upstreams.flatMap((upstream) => upstream.take()) };
}

type Cases = Readonly<Record<string, Ask>>;

/** Cases that differ on purpose, by a pattern of their names. A pattern that fits nothing is to leave the list. */
type Otherwise = readonly (readonly [pattern: RegExp, reason: string])[];

async function compare(
  [weft, envoy]: readonly [Side, Side],
  cases: Cases,
  otherwise: Otherwise,
  combinations: readonly (readonly [Target['version'], boolean])[],
): Promise<void> {
  const wrong: string[] = [];
  const used = new Set<RegExp>();
  for (const [name, given] of Object.entries(cases)) {
    for (const [version, isTls] of combinations) {
      const title = `${version}${isTls ? ' with TLS' : ''}: ${name}`;
      const asked = { ...given, headers: { 'x-case': title.replaceAll(' ', '-'), ...given.headers } };
      const [ours, theirs] = await Promise.all([weft, envoy].map((side) => outcomeOf(side, version, isTls, asked)));
      const difference = differenceText(ours as Outcome, theirs as Outcome);
      const listed = otherwise.find(([pattern]) => pattern.test(title));
      if (difference !== '' && listed) used.add(listed[0]);
      if (difference !== '' && !listed) wrong.push(`${title}\n${difference}`);
    }
  }
  for (const [pattern] of otherwise) if (!used.has(pattern)) wrong.push(`${pattern} is listed and fits no difference`);
  assert.equal(wrong.length, 0, wrong.join('\n\n'));
}

const BOTH: readonly (readonly [Target['version'], boolean])[] = [
  ['http1', false],
  ['http2', false],
  ['http1', true],
  ['http2', true],
];
const IN_THE_CLEAR = BOTH.filter(([, isTls]) => !isTls);

const doing = (what: string): Record<string, string> => ({ 'x-do': what });
const BIG = Buffer.alloc(2_000_000, 'b');

function casesOf(prefix: string): Cases {
  const path = `${prefix}/a?b=c`;
  const cases: Cases = {
    GET: { path },
    'a body and its length': {
      method: 'POST',
      path,
      body: 'hello',
      headers: { ...doing('echo'), 'content-length': '5' },
    },
    'a body of no told length': { method: 'POST', path, body: 'hello', headers: doing('echo') },
    'a big body': { method: 'PUT', path, body: BIG, headers: doing('echo') },
    'a body that waits for 100': {
      method: 'POST',
      path,
      body: 'x',
      headers: { ...doing('echo'), expect: '100-continue' },
    },
    HEAD: { method: 'HEAD', path, headers: doing('headers') },
    DELETE: { method: 'DELETE', path },
    'headers of many kinds': { path, headers: { ...doing('headers'), cookie: 'a=1; b=2', te: 'trailers', 'x-a': '1' } },
    '204': { path, headers: doing('status-204') },
    '304': { path, headers: doing('status-304') },
    '500': { path, headers: doing('status-500') },
    'a big answer': { path, headers: doing('big') },
    trailers: { path, headers: { ...doing('trailers'), te: 'trailers' } },
    'trailers of the request': {
      method: 'POST',
      path,
      body: 'x',
      headers: { ...doing('echo'), trailer: 'x-last' },
      trailers: { 'x-last': 'word' },
    },
    'reset before an answer': { method: 'POST', path, headers: doing('reset-before') },
    'reset midway': { path, headers: doing('reset-midway') },
    'no answer within the time of the stream': { path: `${prefix}/limited`, headers: doing('silent') },
  };
  return Object.fromEntries(Object.entries(cases).map(([name, given]) => [`${prefix} ${name}`, given]));
}

test('requests are alike in all four combinations of HTTP/1.1 and HTTP/2', async (t) => {
  const sides = await startSides(t);
  await compare(sides, { ...casesOf('/h1'), ...casesOf('/h2') }, [], IN_THE_CLEAR);
});

test('TLS with ALPN, towards both sides, and the protocol of the client', async (t) => {
  const sides = await startSides(t);
  const cases: Cases = {
    'ALPN to the upstream': { path: '/auto' },
    'a body and trailers over it': { method: 'POST', path: '/auto', body: 'x', headers: doing('trailers') },
    'HTTP/2 to the upstream': { path: '/h2' },
    'HTTP/1.1 to the upstream': { path: '/h1' },
  };
  await compare(sides, cases, [], BOTH);
  await compare(sides, { 'the same as the client': { path: '/same' } }, [], [['http1', true]]);
});

const GRPC = { 'content-type': 'application/grpc', te: 'trailers' };
const MESSAGE = Buffer.from([0, 0, 0, 0, 2, 8, 1]);

function grpc(path: string, what: string, headers: Readonly<Record<string, string>> = {}): Ask {
  return { method: 'POST', path, body: MESSAGE, headers: { ...GRPC, ...doing(what), ...headers } };
}

const GRPC_CASES: Cases = {
  unary: grpc('/shop.Grpc/Get', 'grpc-unary', { 'x-data-bin': 'AAH/' }),
  'an error in trailers': grpc('/shop.Grpc/Get', 'grpc-error'),
  'trailers only': grpc('/shop.Grpc/Get', 'grpc-trailers-only'),
  'an HTTP error': grpc('/shop.Grpc/Get', 'status-500'),
  'a deadline that is not reached': grpc('/shop.Grpc/Get', 'grpc-unary', { 'grpc-timeout': '5S' }),
  'a deadline beyond the limit': grpc('/shop.Grpc/Get', 'grpc-unary', { 'grpc-timeout': '1H' }),
  'a deadline that passes': grpc('/shop.Grpc/Get', 'silent', { 'grpc-timeout': '200m' }),
  'a route that limits the stream': grpc('/shop.Limited/Get', 'silent'),
  'asked again after UNAVAILABLE': grpc('/shop.Retried/Get', 'grpc-unavailable-once'),
  'asked again after a refused stream': grpc('/shop.Retried/Get', 'refused-once'),
  'refused for good': grpc('/shop.Retried/Get', 'refused'),
  'nobody there': grpc('/shop.Dead/Get', 'ok'),
  'no route': grpc('/nowhere', 'ok'),
  'a direct response': grpc('/direct', 'ok'),
  'a redirect': grpc('/moved', 'ok'),
  'reset before an answer': grpc('/shop.Grpc/Get', 'reset-before'),
  'reset midway': grpc('/shop.Grpc/Get', 'grpc-midway'),
  'not gRPC where gRPC alone is served': { path: '/shop.Grpc/Get' },
};

test('gRPC: answers, errors, deadlines and retries are alike', async (t) => {
  const sides = await startSides(t);
  await compare(sides, GRPC_CASES, [], IN_THE_CLEAR);
});

/** What was counted of the clusters, by names that operators look at. */
const COUNTED = [
  'upstream_cx_http1_total',
  'upstream_cx_http2_total',
  'upstream_rq_total',
  'upstream_rq_2xx',
  'upstream_rq_5xx',
  'upstream_rq_retry',
  'upstream_rq_retry_success',
  'upstream_rq_rx_reset',
  'upstream_rq_tx_reset',
  'upstream_rq_active',
  'upstream_rq_pending_active',
  'upstream_cx_connect_fail',
];

test('what is counted and logged of gRPC is alike', async (t) => {
  const sides = await startSides(t);
  for (const [name, given] of Object.entries(GRPC_CASES)) {
    const headers = { ...given.headers, 'x-case': name.replaceAll(' ', '-') };
    await Promise.all(sides.map((side) => outcomeOf(side, 'http2', false, { ...given, headers })));
  }
  const [ours, theirs] = await Promise.all(sides.map(countsAndLogs));
  assert.equal(differenceText(ours, theirs), '');
});

async function countsAndLogs({ plane, folder }: Side): Promise<unknown> {
  const names = ['grpc', 'dead'].flatMap((cluster) => COUNTED.map((name) => `cluster.${cluster}.${name}`));
  const counts = await Promise.all(names.map(async (name) => `${name}: ${await plane.stat(name)}`));
  const read = () => readFileSync(join(folder, 'access.log'), 'utf8').trimEnd().split('\n');
  const expected = Object.keys(GRPC_CASES).length;
  await until(
    `${expected} lines in the log`,
    () => (read().length >= expected ? true : undefined),
    15_000,
    () => '',
  );
  return { counts, log: read().map((line) => line.replace(/\|delayed_connect_error[^}]*/, '')) };
}

test('WebSockets go through, whichever version each side speaks', async (t) => {
  const sides = await startSides(t);
  for (const path of ['/h1/socket', '/h2/socket']) {
    for (const { plane } of sides) {
      const through = (version: Target['version']) =>
        throughWebSocket({ port: plane.port('clear'), version, isTls: false }, path, 'there and back');
      // Envoy adds neither the key nor its proof where one version does not have them.
      const proof = plane.dataPlane === 'weft' || path.startsWith('/h1') ? 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=' : 'undefined';
      assert.equal(await through('http1'), `101 ${proof} there and back`, `${plane.dataPlane} ${path}`);
      assert.equal(await through('http2'), '200 there and back', `${plane.dataPlane} ${path}`);
    }
  }
});

test('informational answers go on to clients of both versions', async (t) => {
  const [weft] = await startSides(t);
  for (const version of ['http1', 'http2'] as const) {
    for (const path of ['/h1', '/h2']) {
      const { got } = await outcomeOf(weft, version, false, { path, headers: doing('early-hints') });
      assert.deepEqual([got.informational, got.status, got.body], [[103], 200, 'later'], `${version} ${path}`);
    }
  }
});

test('a call that streams both ways has each message at once, and its status at the end', async (t) => {
  const sides = await startSides(t);
  for (const { plane } of sides) {
    using call = openStream(plane.port('clear'), { ...GRPC, ':path': '/shop.Grpc/Talk', 'x-do': 'stream-echo' });
    const { stream } = call;
    let seen = Buffer.alloc(0);
    let status: unknown;
    stream.on('data', (chunk: Buffer) => {
      seen = Buffer.concat([seen, chunk]);
    });
    stream.on('trailers', (trailers) => {
      status = trailers['grpc-status'];
    });
    for (let i = 1; i <= 20; i++) {
      stream.write(MESSAGE);
      await until(`message ${i} through ${plane.dataPlane}`, () => (seen.length === i * 7 ? true : undefined));
    }
    stream.end();
    await until(`the status through ${plane.dataPlane}`, () => (status === '0' ? true : undefined));
  }
});

test('a client that leaves is gone at the upstream within a second', async (t) => {
  const sides = await startSides(t);
  for (const { plane, upstreams } of sides) {
    const cut = () => upstreams.reduce((total, upstream) => total + upstream.cut(), 0);
    for (const [index, path] of ['/h1/a', '/h2/a', '/shop.Grpc/Talk'].entries()) {
      for (const how of ['reset', 'leave'] as const) {
        using call = openStream(plane.port('clear'), { ...GRPC, ':path': path, 'x-do': 'stream-silent' });
        const before = cut();
        call.stream.write(MESSAGE);
        const cluster = ['h1', 'h2', 'grpc'][index] ?? '';
        const active = async () =>
          (await plane.stat(`cluster.${cluster}.upstream_rq_active`)) === 1 ? true : undefined;
        await until(`a request to ${path} at ${plane.dataPlane}`, active);
        const leftMs = performance.now();
        if (how === 'reset') call.stream.close(8);
        else call.leave();
        await until(`the end of ${path} at ${plane.dataPlane}`, () => (cut() > before ? true : undefined));
        assert.ok(
          performance.now() - leftMs < 1000,
          `${plane.dataPlane} ${path} took ${performance.now() - leftMs} ms`,
        );
      }
    }
  }
});

/** Resident bytes of a process. */
function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

test('whoever does not read holds back who sends, and memory stays bounded', async (t) => {
  const [weft] = await startSides(t);
  const { pid } = weft.plane;
  for (const path of ['/h1/a', '/h2/a']) {
    const before = residentBytes(pid);
    const calls = Array.from({ length: 4 }, () => {
      const call = openStream(weft.plane.port('clear'), { ...GRPC, ':path': path, 'x-do': 'stream-endless' });
      call.stream.pause();
      return call;
    });
    const senders = Array.from({ length: 4 }, () => {
      const call = openStream(weft.plane.port('clear'), { ...GRPC, ':path': path, 'x-do': 'stream-deaf' });
      const block = Buffer.alloc(65_536, 's');
      const more = (): void => {
        while (call.stream.writable && call.stream.write(block));
      };
      call.stream.on('drain', more);
      more();
      return call;
    });
    await settled(pid);
    const grown = residentBytes(pid) - before;
    for (const call of [...calls, ...senders]) call.leave();
    assert.ok(grown < 192 * 1024 * 1024, `${path}: ${Math.round(grown / 1024 / 1024)} MiB more`);
  }
});

/** Waits until the process uses no more memory than a moment before. */
async function settled(pid: number): Promise<void> {
  let last = -1;
  let calm = 0;
  await until('memory that does not grow', async () => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    const now = residentBytes(pid);
    calm = now - last < 1024 * 1024 ? calm + 1 : 0;
    last = now;
    return calm >= 5 ? true : undefined;
  });
}
