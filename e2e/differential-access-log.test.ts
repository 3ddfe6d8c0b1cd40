/** What access logs tell: the same through Weft's proxy and through the real Envoy. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logLines, outcome, startPair } from './proxy-testing/pair.ts';
import { answer } from './proxy-testing/recording-upstream.ts';

/** The bytes of a text, a character for each. */
const fieldOf = (text: string): string => Buffer.from(text).toString('latin1');

interface LogCase {
  readonly name: string;
  readonly target: string;
  readonly method?: string;
  readonly fields?: readonly string[];
  readonly body?: string;
}

const TRAILERS = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n';

const CASES: readonly LogCase[] = [
  { name: 'a path and a query', target: '/p/q?a=abcd%20e&b=&c+d=1&c%20d=2' },
  { name: 'no query', target: '/p' },
  { name: 'an empty query', target: '/p?' },
  { name: 'a query with escapes', target: '/p?a=%41%2b%26%00&b%20c' },
  { name: 'a body', target: '/p', method: 'POST', body: 'some body' },
  { name: 'an answer in chunks', target: '/p', fields: [answer(TRAILERS)] },
  { name: 'an answer that breaks off', target: '/p', fields: [answer('HTTP/1.1 200', 'close')] },
  { name: 'an answer of the route', target: '/direct?a=1' },
  { name: 'nobody at the other end', target: '/retried?x=1' },
  { name: 'a field in UTF-8', target: '/p', fields: [`x-bytes: ${fieldOf('é€')}`] },
  { name: 'a field that is no UTF-8', target: '/p', fields: ['x-bytes: a\xff\xe9z'] },
];

function bytesOf({ name, target, method = 'GET', fields = [], body }: LogCase): string {
  const length = body === undefined ? [] : [`content-length: ${body.length}`];
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: log.test', `x-case: ${name}`, ...fields, ...length];
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`;
}

test('operators of access logs tell the same of the same requests', async (t) => {
  const sides = await startPair(t, 'access-log.yaml', [10081]);
  for (const given of CASES) {
    await Promise.all(
      sides.map((side) => outcome(side, bytesOf(given), { answers: 1, methods: [given.method ?? 'GET'] })),
    );
  }
  const [ours = [], theirs = []] = await Promise.all(sides.map((side) => logLines(side, 'json.log', CASES.length)));
  for (const [index, { name }] of CASES.entries()) {
    assert.deepEqual(JSON.parse(ours[index] ?? ''), JSON.parse(theirs[index] ?? ''), name);
  }
  for (const file of ['small.log', 'text.log']) {
    const [ourLines, theirLines] = await Promise.all(sides.map((side) => logLines(side, file, CASES.length)));
    assert.deepEqual(ourLines, theirLines);
  }
});
