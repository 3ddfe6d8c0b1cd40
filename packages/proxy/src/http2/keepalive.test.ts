import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../xds/testing/manual-clock.ts';
import { Keepalive } from './keepalive.ts';

test('each wait is longer by a part of the jitter', () => {
  const clock = new ManualClock();
  const pings: number[] = [];
  const randoms = [0, 0.5, 0];
  const keepalive = new Keepalive(
    { intervalMs: 1000, jitterMs: 200, timeoutMs: 300 },
    clock,
    () => pings.push(clock.monotonicMs()),
    () => assert.fail('the peer has answered'),
    () => randoms.shift() ?? 0,
  );
  for (let wanted = 1; wanted <= 3; wanted++) {
    while (pings.length < wanted) clock.pass(100);
    keepalive.answered();
  }
  keepalive.dispose();
  assert.deepEqual(pings, [1000, 2100, 3100]);
});
