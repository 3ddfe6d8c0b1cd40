/**
 * The same bytes through Weft's proxy and through the real Envoy, on the same bootstrap: what the upstream saw and what
 * the client got must be the same. Where Weft is stricter on purpose that is listed here, with its reason.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differenceText } from './proxy-testing/difference.ts';
import { outcome, startPair } from './proxy-testing/pair.ts';
import { PROBE, REQUEST_CASES } from './proxy-testing/request-cases.ts';

test('requests with nothing wrong are served alike', async (t) => {
  const [weft, envoy] = await startPair(t, 'http-routing.yaml', [10081, 10082]);
  const different: string[] = [];
  for (const { name, bytes, options = {} } of REQUEST_CASES) {
    const answers = (options.answers ?? 1) + 1;
    const [ours, theirs] = await Promise.all(
      [weft, envoy].map((side) => outcome(side, bytes + PROBE, { ...options, answers })),
    );
    const difference = differenceText(ours, theirs);
    if (difference !== '') different.push(`${name}\n${difference}`);
  }
  assert.equal(different.length, 0, different.join('\n\n'));
});
