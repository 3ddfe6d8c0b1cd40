import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Histogram } from './histogram.ts';

test('quantiles are to the microsecond', () => {
  const histogram = new Histogram();
  for (let i = 1; i <= 100; i++) histogram.record(i / 10);
  assert.equal(histogram.quantileMs(0.5), 5);
  assert.equal(histogram.quantileMs(0.99), 9.9);
  assert.equal(histogram.quantileMs(1), 10);
  assert.equal(histogram.quantileMs(0), 0.1);
});

test('what takes longer than a second counts as a second, and nothing has no quantile', () => {
  const histogram = new Histogram();
  histogram.record(60_000);
  assert.equal(histogram.quantileMs(0.5), 1000);
  histogram.clear();
  assert.ok(Number.isNaN(histogram.quantileMs(0.5)));
  assert.equal(histogram.total, 0);
});
