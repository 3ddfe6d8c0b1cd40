import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import { type Clock, systemClock, TurnClock } from './clock.ts';
import { FlushQueue } from './net/flush-queue.ts';

/** A clock that shows a later time each time it is looked at. */
function countingClock(): Clock {
  let looks = 0;
  return { ...systemClock, monotonicMs: () => ++looks, wallMs: () => ++looks };
}

test('a turn is one look at each clock, and what is read begins another turn', () => {
  const queue = new FlushQueue();
  const clock = new TurnClock(countingClock(), queue);
  assert.deepEqual([clock.monotonicMs(), clock.monotonicMs(), clock.wallMs(), clock.wallMs()], [1, 1, 2, 2]);
  queue.beginTurn();
  assert.deepEqual([clock.wallMs(), clock.monotonicMs()], [3, 4]);
});

test('a turn ends with the flush, which comes by itself before anything is waited for', async () => {
  const queue = new FlushQueue();
  const clock = new TurnClock(countingClock(), queue);
  const beforeMs = clock.monotonicMs();
  await immediate();
  assert.ok(clock.monotonicMs() > beforeMs);
});

test('what is flushed is flushed in the turn that it was added in', async () => {
  const queue = new FlushQueue();
  const clock = new TurnClock(countingClock(), queue);
  const flushed = Promise.withResolvers<number>();
  const addedMs = clock.monotonicMs();
  queue.add({ flush: () => flushed.resolve(clock.monotonicMs()) });
  assert.equal(await flushed.promise, addedMs);
});
