/**
 * HTTP/1.1 and HTTP/2 in and out, in all four combinations, and gRPC on top: the same through Weft's proxy and through
 * the real Envoy on the same bootstrap. Where Weft differs on purpose that is listed here, with its reason.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { DATA_PLANES, type DataPlane, freePort } from './harness.ts';
import { makeCredentials, writeCertificates } from './proxy-testing/certificates.ts';
import { differenceText } from './proxy-testing/difference.ts';
import { type Ask, ask, type Got, type Target } from './proxy-testing/http2/client.ts';
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

const CHANCE = /, transport failure reason: .*$/;
const ESCAPED_CHANCE = /(grpc-message: .*), transport failure reason: .*$/;

/** Whether a connection was refused at once or a moment later is told by Envoy, and is chance. */
function withoutChance({ got, seen }: Outcome): Outcome {
  const body = got.body.replace(CHANCE, '');
  const isCut = body !== got.body;
  const headers = got.headers
    .filter((field) => !isCut || !field.startsWith('content-length'))
    .map((field) => field.replace(ESCAPED_CHANCE, '$1'));
  return { got: { ...got, body, headers }, seen };
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
      const difference = differenceText(withoutChance(ours as Outcome), withoutChance(theirs as Outcome));
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
