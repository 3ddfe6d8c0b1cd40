/**
 * The same bytes through Weft's proxy and through the real Envoy, on the same bootstrap: what the upstream saw and what
 * the client got must be the same. Where Weft differs on purpose that is listed here, with its reason.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ATTACK_CASES } from './proxy-testing/attack-cases.ts';
import { differenceText } from './proxy-testing/difference.ts';
import { generatedRequests } from './proxy-testing/generated-requests.ts';
import { type Outcome, outcome, type Side, startPair } from './proxy-testing/pair.ts';
import type { SendOptions } from './proxy-testing/raw-client.ts';
import { PROBE, REQUEST_CASES } from './proxy-testing/request-cases.ts';

/** What Weft does otherwise, by the name of the case. A case that does not differ any more is to leave the list. */
const OTHERWISE: Readonly<Record<string, string>> = {
  'path /a#fragment': 'refused by both; Weft says in the body that it is a bad request',
  'path /exact#fragment?x': 'refused by both; Weft says in the body that it is a bad request',
  'POST /exact Content-Length: 5': 'a body that is here already is read, so the connection can be kept',
  'HTTP/1.2': 'a later minor version is served as the last one known (RFC 9110, 2.5)',
  'upstream: HEAD with chunks': 'an answer without a body names no coding for it (RFC 9112, 6.1)',
  'upstream: 103 before': 'informational answers go to the client (RFC 9110, 15.2)',
  'upstream: fields of the hop': 'what Connection names ends at this hop (RFC 9110, 7.6.1)',
  'upstream: ended before any byte': 'a GET on a connection that had been kept is sent once more (RFC 9112, 9.3.1)',
  'retried on a reset': 'a GET on a connection that had been kept is sent once more (RFC 9112, 9.3.1)',
};

async function both(sides: readonly [Side, Side], bytes: string, options: SendOptions): Promise<[Outcome, Outcome]> {
  const [weft, envoy] = sides;
  return Promise.all([outcome(weft, bytes, options), outcome(envoy, bytes, options)]);
}

test('requests with nothing wrong are served alike', async (t) => {
  const sides = await startPair(t, 'http-routing.yaml', [10081, 10082]);
  const wrong: string[] = [];
  for (const { name, bytes, options = {} } of REQUEST_CASES) {
    const { answers = 1 } = options;
    const then = [...Array<string>(answers - 1), PROBE];
    const difference = differenceText(...(await both(sides, bytes, { ...options, answers: answers + 1, then })));
    const isListed = OTHERWISE[name] !== undefined;
    if (difference === '' && isListed) wrong.push(`${name}\nis listed as different and is not`);
    if (difference !== '' && !isListed) wrong.push(`${name}\n${difference}`);
  }
  assert.equal(wrong.length, 0, wrong.join('\n\n'));
});

test('bytes that are not one clear request are refused by Weft, and nothing of them reaches an upstream', async (t) => {
  const sides = await startPair(t, 'http-routing.yaml', [10081, 10082]);
  const wrong: string[] = [];
  for (const { name, bytes, weftAlone } of ATTACK_CASES) {
    const options: SendOptions = { answers: 1, timeoutMs: 2000, mayBeSilent: true };
    // Envoy takes its time to close; that it will it says.
    const [ours, theirs] = await Promise.all([
      outcome(sides[0], bytes, { ...options, settleMs: 2000 }),
      outcome(sides[1], bytes, options),
    ]);
    if (ours.received.end === 'open') wrong.push(`${name}: Weft keeps the connection`);
    if (!isRefused(ours)) wrong.push(`${name}: Weft lets it through: ${JSON.stringify(ours)}`);
    // Where its reset overtakes its answer, Envoy is asked once more.
    const isClear = isRefused(theirs) || weftAlone !== undefined;
    if (!isClear && !isRefused(await outcome(sides[1], bytes, options))) wrong.push(`${name}: Envoy lets it through`);
    if (isRefused(theirs) && weftAlone !== undefined) wrong.push(`${name}: Envoy refuses it, too`);
  }
  assert.deepEqual(wrong, []);
});

/** Nothing reached an upstream, and the answer tells whose fault it was and that the connection ends. */
function isRefused({ received, upstreams }: Outcome): boolean {
  const [answer, ...more] = received.answers;
  const hasReached = Object.values(upstreams).flat().length > 0;
  if (hasReached || !answer || more.length > 0) return false;
  return /^HTTP\/1\.1 (4\d\d|501|505) /.test(answer.start) && answer.headers.includes('connection: close');
}

/** A path of nothing but slashes stays two of them in Envoy, and becomes one in Weft. */
function withoutManySlashes(outcome: Outcome): unknown {
  return JSON.parse(JSON.stringify(outcome).replaceAll(/("start":"[A-Z]+ )\/\/(?=[ ?])/g, '$1/'));
}

test('generated requests are served alike', async (t) => {
  const sides = await startPair(t, 'http-routing.yaml', [10081, 10082]);
  await fc.assert(
    fc.asyncProperty(generatedRequests, async (requests) => {
      const [first = '', ...then] = requests.map(({ text }) => text);
      const methods = requests.map(({ method }) => method);
      const [ours, theirs] = await both(sides, first, { answers: requests.length, methods, then });
      const difference = differenceText(withoutManySlashes(ours), withoutManySlashes(theirs));
      assert.equal(difference, '', JSON.stringify([first, ...then]));
    }),
    { numRuns: 300, seed: 20_261_121, interruptAfterTimeLimit: 20_000 },
  );
});
