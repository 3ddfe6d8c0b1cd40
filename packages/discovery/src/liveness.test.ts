import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Liveness } from './liveness.ts';

function heardAtZero(...keys: string[]): Liveness {
  const liveness = new Liveness({ expiresAfterMs: 15_000, sweepEveryMs: 1000 });
  for (const key of keys) liveness.heard(key, 0);
  return liveness;
}

/** Sweeps each second from `fromMs` to `toMs` and gives who was silent at the end. */
function sweepUntil(liveness: Liveness, fromMs: number, toMs: number, cutOff = false): readonly string[] {
  let silent: readonly string[] = [];
  for (let now = fromMs; now <= toMs; now += 1000) silent = liveness.sweep(now, cutOff);
  return silent;
}

test('a workload that is silent for longer than the expiry is told, one that speaks is not', () => {
  const liveness = heardAtZero('shop/a', 'shop/b');
  assert.deepEqual(sweepUntil(liveness, 0, 15_000), []);
  liveness.heard('shop/b', 15_500);
  assert.deepEqual(sweepUntil(liveness, 16_000, 16_000), ['shop/a']);
});

test('a workload that was forgotten is not told', () => {
  const liveness = heardAtZero('shop/a');
  liveness.forget('shop/a');
  assert.deepEqual(sweepUntil(liveness, 0, 60_000), []);
});

test('nobody is told while the bus is away, and all get a full period after it', () => {
  const liveness = heardAtZero('shop/a');
  assert.deepEqual(sweepUntil(liveness, 0, 10_000), []);
  assert.deepEqual(sweepUntil(liveness, 11_000, 60_000, true), []);
  assert.deepEqual(sweepUntil(liveness, 61_000, 76_000), []);
  assert.deepEqual(sweepUntil(liveness, 77_000, 77_000), ['shop/a']);
});

test('nobody is told after the process was suspended, and all get a full period after it', () => {
  const liveness = heardAtZero('shop/a');
  sweepUntil(liveness, 0, 2000);
  assert.deepEqual(liveness.sweep(3_600_000, false), []);
  assert.deepEqual(sweepUntil(liveness, 3_601_000, 3_615_000), []);
  assert.deepEqual(sweepUntil(liveness, 3_616_000, 3_616_000), ['shop/a']);
});

test('nobody is told after the clock was set back', () => {
  const liveness = heardAtZero();
  liveness.heard('shop/a', 100_000);
  sweepUntil(liveness, 100_000, 101_000);
  assert.deepEqual(sweepUntil(liveness, 50_000, 65_000), []);
  assert.deepEqual(sweepUntil(liveness, 66_000, 66_000), ['shop/a']);
});
