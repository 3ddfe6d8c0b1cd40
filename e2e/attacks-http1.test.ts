/** A hostile client of HTTP/1.1: one request in is one request out, or is refused and ends the connection. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { REFUSED, SERVED, type Served } from './proxy-testing/attack-http1/index.ts';
import { startRouting } from './proxy-testing/attacked.ts';
import type { Plane } from './proxy-testing/plane.ts';
import { type Received, send } from './proxy-testing/raw-client.ts';
import { type RecordingUpstream, startRecordingUpstream } from './proxy-testing/recording-upstream.ts';

interface Ground {
  readonly plane: Plane;
  readonly upstream: RecordingUpstream;
}

async function startGround(t: TestContext): Promise<Ground> {
  const upstream = await startRecordingUpstream(t);
  return { plane: await startRouting(t, upstream.port), upstream };
}

/** In one piece, cut in two in the middle, and without the last byte first. */
function ways(bytes: string): readonly (readonly string[])[] {
  const middle = bytes.length >> 1;
  return [[bytes], [bytes.slice(0, middle), bytes.slice(middle)], [bytes.slice(0, -1), bytes.slice(-1)]];
}

/** `isWhole`: it came at once. Of what comes in pieces the upstream may have a head, and never a whole request. */
function whyNotRefused({ answers, rest, end }: Received, upstream: RecordingUpstream, isWhole: boolean): string {
  const [answer, ...more] = answers;
  if (isWhole && upstream.bytes > 0) return `${upstream.bytes} bytes of it reach the upstream`;
  if (upstream.take().length > 0) return 'the upstream has a request';
  if (!answer || more.length > 0 || rest !== '') return `it gives ${JSON.stringify({ answers, rest })}`;
  if (!/^HTTP\/1\.1 (4\d\d|501|505) /.test(answer.start)) return `the answer is ${answer.start}`;
  const isTold = answer.headers.some(([name, value]) => name === 'connection' && value === 'close');
  return isTold && end !== 'open' ? '' : 'the connection stays';
}

test('what is not one clear request is refused, however it comes, and nothing of it goes on', async (t) => {
  const { plane, upstream } = await startGround(t);
  const wrong: string[] = [];
  for (const { name, bytes } of REFUSED) {
    for (const [first = '', ...parts] of ways(bytes)) {
      upstream.forget();
      const received = await send(plane.port(), first, {
        parts,
        settleMs: 2000,
        answers: 1,
        timeoutMs: 4000,
        mayBeSilent: true,
      });
      const why = whyNotRefused(received, upstream, parts.length === 0);
      if (why !== '') wrong.push(`${name}: ${why}`);
    }
  }
  assert.equal(wrong.length, 0, wrong.join('\n'));
});

function field(headers: readonly (readonly [string, string])[], name: string): string | undefined {
  return headers.find(([other]) => other.toLowerCase() === name)?.[1];
}

async function checkServed({ plane, upstream }: Ground, given: Served, parts: readonly string[]): Promise<void> {
  const { statuses, methods = [], isEnded = false, without = [] } = given;
  const [first = '', ...rest] = parts;
  const finals = statuses.filter((status) => status >= 200).length;
  const received = await send(plane.port(), first, {
    parts: rest,
    answers: finals,
    settleMs: isEnded ? 2000 : 50,
    methods,
  });
  const requests = upstream.take();
  assert.deepEqual(
    received.answers.map(({ start }) => Number(start.split(' ')[1])),
    statuses,
  );
  assert.equal(received.end !== 'open', isEnded, 'the end of the connection');
  assert.deepEqual(
    requests.map(({ start, headers, body }) => [start, field(headers, 'host'), body]),
    given.seen,
  );
  assert.equal(upstream.unread(), '');
  for (const { headers, trailers } of requests) {
    for (const name of without) assert.equal(field([...headers, ...trailers], name), undefined, name);
  }
}

test('one request in is one request out, with a target, a host and a body that are its own', async (t) => {
  const ground = await startGround(t);
  for (const given of SERVED) {
    for (const parts of ways(given.bytes)) {
      await checkServed(ground, given, parts).catch((thrown: Error) => {
        throw new Error(`${given.name}: ${thrown.message}`, { cause: thrown });
      });
    }
  }
});
