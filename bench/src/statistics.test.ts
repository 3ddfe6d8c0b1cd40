import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ratioSpread, spread, spreadText } from './statistics.ts';

test('the median of an odd and of an even number of values, with the extremes', () => {
  assert.deepEqual(spread([3, 1, 2]), { median: 2, min: 1, max: 3 });
  assert.deepEqual(spread([4, 1, 2, 3]), { median: 2.5, min: 1, max: 4 });
  assert.equal(spreadText(spread([1.25, 3, 2]), 1), '2.0 (1.3–3.0)');
});

test('no values have no median', () => {
  assert.throws(() => spread([]), RangeError);
});

test('a ratio is that of the two of one round', () => {
  // The machine was half as fast in the second round: the ratio is the same.
  assert.deepEqual(ratioSpread([30, 15, 40], [10, 5, 10]), { median: 3, min: 3, max: 4 });
  assert.throws(() => ratioSpread([1], [1, 2]), /1 rounds beside 2/);
});
