import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MersenneTwister } from './mt19937.ts';

test('numbers are those of the published generator', () => {
  const random = new MersenneTwister(5489);
  assert.equal(random.next(), 3_499_211_612);
  // What the C++ standard asks of the 10,000th (ISO/IEC 14882, rand.predef).
  for (let i = 2; i < 10_000; i++) random.next();
  assert.equal(random.next(), 4_123_659_995);
});

test('numbers below a bound stay below it, and each comes', () => {
  const random = new MersenneTwister(1);
  const found = new Set(Array.from({ length: 500 }, () => random.below(7)));
  assert.deepEqual([...found].sort(), [0, 1, 2, 3, 4, 5, 6]);
});
