import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BenchCase } from './bench.ts';
import { resultOf, tableOf } from './report.ts';

const CASE: BenchCase = {
  name: 'http1',
  title: 'one hop',
  main: 'perCpuSecond',
  figures: [
    { name: 'perCpuSecond', label: 'requests per CPU second', better: 'more' },
    { name: 'p99Ms', label: 'p99, ms', decimals: 1, better: 'less' },
    { name: 'perSecond', label: 'requests per second' },
  ],
  open: () => Promise.reject(new Error('is not opened here')),
};

const ROUNDS = {
  weft: [
    { perCpuSecond: 300, p99Ms: 1, perSecond: 10 },
    { perCpuSecond: 200, p99Ms: 2, perSecond: 20 },
  ],
  envoy: [
    { perCpuSecond: 100, p99Ms: 2, perSecond: 10 },
    { perCpuSecond: 50, p99Ms: 2, perSecond: 30 },
  ],
};

test('the result has the ratio of the main figure, those of others, and both sides', () => {
  const result = resultOf(CASE, ROUNDS);
  assert.equal(result.case, 'http1');
  assert.equal(result.peer, 'envoy');
  assert.deepEqual(result.ratio, { median: 3.5, min: 3, max: 4 });
  assert.deepEqual(result.ratios, { perCpuSecond: result.ratio, p99Ms: { median: 0.75, min: 0.5, max: 1 } });
  assert.deepEqual(result.weft.perSecond, { median: 15, min: 10, max: 20 });
  assert.deepEqual(result.envoy.perCpuSecond, { median: 75, min: 50, max: 100 });
});

test('the table says which way is better', () => {
  assert.equal(
    tableOf(CASE, resultOf(CASE, ROUNDS), 2),
    `http1: one hop
2 rounds: median (least–most); weft/envoy is taken round by round

| | weft | envoy | weft/envoy |
| --- | --- | --- | --- |
| **requests per CPU second** | 250 (200–300) | 75 (50–100) | 3.50 (3.00–4.00), more than 1 is better |
| p99, ms | 1.5 (1.0–2.0) | 2.0 (2.0–2.0) | 0.75 (0.50–1.00), less than 1 is better |
| requests per second | 15 (10–20) | 20 (10–30) |  |`,
  );
});

test('a case without a main figure that can be compared is a mistake', () => {
  assert.throws(() => resultOf({ ...CASE, main: 'perSecond' }, ROUNDS), /has no figure perSecond/);
});
