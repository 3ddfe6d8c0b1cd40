import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SeenRequest } from '../http/testing/recording-server.ts';
import { RawClient, respond, TestServer } from './testing/server.ts';

type When = 'in-head' | 'later' | 'at-end';

interface Planned {
  readonly when: When;
  readonly body: 'none' | 'length' | 'chunks';
  readonly size: number;
}

const planned = fc.record({
  when: fc.constantFrom<When>('in-head', 'later', 'at-end'),
  body: fc.constantFrom<Planned['body']>('none', 'length', 'chunks'),
  size: fc.integer({ min: 0, max: 400 }),
});

/** What may stand after good requests: nothing, part of a request, or what is none. */
const TAILS = [
  '',
  'GET /',
  '\r\n',
  'nonsense\r\n\r\n',
  'GET / HTTP/1.1\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n',
];

function bytesOf({ when, body, size }: Planned, index: number): string {
  const line = `POST /${index}/${when} HTTP/1.1\r\nHost: a\r\n`;
  const content = 'x'.repeat(size);
  if (body === 'none') return `${line}\r\n`;
  if (body === 'length') return `${line}Content-Length: ${size}\r\n\r\n${content}`;
  const chunk = size === 0 ? '' : `${size.toString(16)}\r\n${content}\r\n`;
  return `${line}Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`;
}

/** Answers when the path says so, with the path. */
function answer({ head, stream }: SeenRequest, event: 'head' | 'end'): void {
  const [, , when] = head.path.split('/');
  const send = (): void => respond(stream, 200, head.path);
  if (when === 'at-end' && event === 'end') send();
  if (event !== 'head') return;
  if (when === 'in-head') send();
  if (when === 'later') setImmediate(send);
}

test('however requests come and are answered, there is one answer to each, in order', async () => {
  await using server = await new TestServer(answer).start();
  await fc.assert(
    fc.asyncProperty(
      fc.array(planned, { minLength: 1, maxLength: 6 }),
      fc.constantFrom(...TAILS),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }),
      async (plan, tail, cuts) => {
        const bytes = Buffer.from(plan.map(bytesOf).join('') + tail, 'latin1');
        const ends = [...cuts.map((cut) => Math.floor(cut * bytes.length)), bytes.length].sort((a, b) => a - b);
        using client = new RawClient(server.port);
        let from = 0;
        for (const end of ends) {
          if (end > from) client.send(bytes.subarray(from, end));
          from = end;
          await new Promise(setImmediate);
        }
        const paths = (): readonly string[] =>
          [...client.received.matchAll(/\r\n\r\n(\/\d+\/[a-z-]+)/g)].map(([, path = '']) => path);
        await client.until((c) => c.isClosed || paths().length === plan.length);
        const expected = plan.map(({ when }, index) => `/${index}/${when}`);
        const answered = paths();
        assert.deepEqual(answered, expected.slice(0, answered.length));
        if (!client.isClosed) assert.deepEqual(answered, expected);
        const others = client.received.split('HTTP/1.1 ').length - 1 - answered.length;
        assert.ok(others <= 1, client.received);
        const isCutShort = answered.length < expected.length;
        const left = plan[answered.length - 1];
        // Only an answer that came before the whole of a body may end the connection early.
        if (isCutShort)
          assert.ok(
            left && left.body !== 'none' && left.when !== 'at-end',
            `${JSON.stringify(plan)} ${client.received}`,
          );
      },
    ),
    { numRuns: 400 },
  );
});
