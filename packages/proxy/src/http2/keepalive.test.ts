import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../clock.ts';
import { Keepalive } from './keepalive.ts';

test('each wait is longer by a part of the jitter', () => {
  let nowMs = 0;
  let due: { readonly atMs: number; readonly run: () => void } | undefined;
  const clock: Clock = {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    after: (ms, run) => {
      due = { atMs: nowMs + ms, run };
      return () => {
        due = undefined;
      };
    },
  };
  const pings: number[] = [];
  const randoms = [0, 0.5, 0];
  const keepalive = new Keepalive(
    { intervalMs: 1000, jitterMs: 200, timeoutMs: 300 },
    clock,
    () => void pings.push(nowMs),
    () => assert.fail('the peer has answered'),
    () => randoms.shift() ?? 0,
  );
  for (let wanted = 1; wanted <= 3; wanted++) {
    while (pings.length < wanted) {
      assert.ok(due, 'something is waited for');
      nowMs = due.atMs;
      due.run();
    }
    keepalive.answered();
  }
  keepalive.dispose();
  assert.deepEqual(pings, [1000, 2100, 3100]);
});
