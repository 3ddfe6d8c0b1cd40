/** What gateways ask of HTTP now and then: the same through Weft's proxy and through the real Envoy. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differenceText } from './proxy-testing/difference.ts';
import { logLines, outcome, startPair } from './proxy-testing/pair.ts';
import { answer } from './proxy-testing/recording-upstream.ts';

interface ExtraCase {
  readonly name: string;
  readonly target: string;
  readonly listener?: string;
  readonly method?: string;
  readonly fields?: readonly string[];
  /** After the head, as it is. */
  readonly rest?: string;
  /** Whether the connection may end after the answer, which is waited for. */
  readonly mayEnd?: boolean;
}

const CHUNKED = ['transfer-encoding: chunked', 'te: trailers'];
const WITH_TRAILERS =
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\nx-gone: 1\r\n\r\n';
const host = (name: string): readonly string[] => [`x-host: ${name}`];

const CASES: readonly ExtraCase[] = [
  { name: 'a header that routes see', target: '/early', method: 'POST', rest: 'content-length: 0' },
  { name: 'headers of the client that give way', target: '/p', fields: ['x-early: POST', 'x-gone: 1'] },
  { name: 'cookies that match', target: '/cookie', fields: ['cookie: z=0; a=1; b=y'] },
  { name: 'cookies in two fields', target: '/cookie', fields: ['cookie: a=1', 'cookie: c=2'] },
  { name: 'a cookie that must not be so', target: '/cookie', fields: ['cookie: a=1; b=xy'] },
  { name: 'another cookie', target: '/cookie', fields: ['cookie: aa=1; a=2'] },
  { name: 'a template', target: '/videos/one/two/three?q=1' },
  { name: 'a template with nothing left', target: '/videos/one/' },
  { name: 'no template', target: '/videos/one' },
  { name: 'a template that is denied', target: '/secret/a/of/b/c' },
  { name: 'a template that is not denied', target: '/secret/a/b/of/c' },
  { name: 'parameters of a path', target: '/parameters;v=1?x=1' },
  { name: 'metadata that is not there', target: '/metadata' },
  { name: 'trailers of an answer', target: '/p', fields: ['te: trailers', answer(WITH_TRAILERS)] },
  {
    name: 'trailers of a request',
    target: '/p',
    method: 'POST',
    fields: CHUNKED,
    rest: '\r\n2\r\nhi\r\n0\r\nx-gone: 1\r\nx-stays: 1',
  },
  { name: 'an answer that says bad request', mayEnd: true, target: '/bad' },
  {
    name: 'bad request of an upstream',
    target: '/p',
    fields: [answer('HTTP/1.1 400 No\r\ncontent-length: 0\r\n\r\n')],
  },
  { name: 'a name that is refused', mayEnd: true, target: '/p', fields: ['a_b: 1'] },
  {
    name: 'a name that is refused, kept',
    mayEnd: true,
    target: '/p',
    listener: 'kept',
    fields: [...host('one.test'), 'a_b: 1'],
  },
  { name: 'a path that cannot be', mayEnd: true, target: '/%00' },
  { name: 'a path that cannot be, kept', mayEnd: true, target: '/%00', listener: 'kept', fields: host('one.test') },
  { name: 'an answer that says that there is more elsewhere', target: '/moved?a=1' },
  { name: 'bad request, kept', mayEnd: true, target: '/bad', listener: 'kept', fields: host('one.test') },
  { name: 'a host by another header', target: '/', listener: 'kept', fields: host('one.test') },
  { name: 'no such host', target: '/', listener: 'kept', fields: host('two.test') },
  { name: 'no host by another header', target: '/', listener: 'kept' },
];

function bytesOf({ name, target, method = 'GET', fields = [], rest }: ExtraCase): string {
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: extra.test', `x-case: ${name}`, ...fields];
  return `${lines.join('\r\n')}\r\n${rest === undefined ? '' : `${rest}\r\n`}\r\n`;
}

test('early changes, templates, cookies, trailers and bad requests are alike, and so are logs of what begins', async (t) => {
  const sides = await startPair(t, 'http-extras.yaml', [10081]);
  const wrong: string[] = [];
  for (const given of CASES) {
    const options = { answers: 1, methods: [given.method ?? 'GET'], ...(given.mayEnd ? { settleMs: 600 } : {}) };
    const [ours, theirs] = await Promise.all(
      sides.map((side) => outcome(side, bytesOf(given), options, given.listener ?? 'http')),
    );
    const difference = differenceText(ours, theirs);
    if (difference !== '') wrong.push(`${given.name}\n${difference}`);
  }
  assert.equal(wrong.length, 0, wrong.join('\n\n'));
  const websocket = ['GET /ws HTTP/1.1', 'Host: extra.test', 'x-case: ws', 'Connection: upgrade', 'Upgrade: websocket'];
  const switched = answer('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
  const bytes = `${[...websocket, switched].join('\r\n')}\r\n\r\n`;
  await Promise.all(sides.map((side) => outcome(side, bytes, { answers: 1 }, 'http')));
  // Two are refused before they begin; a tunnel is told of once more.
  const count = 2 * CASES.filter(({ listener }) => listener === undefined).length - 2 + 3;
  const [ours, theirs] = await Promise.all(sides.map((side) => logLines(side, 'access.log', count)));
  // Of a client that only ends its half of a tunnel Envoy says that it left, and ends the other half, too.
  assert.deepEqual(
    ours,
    theirs?.map((line) => line.replace('ws|101|DC|', 'ws|101|-|')),
  );
});
