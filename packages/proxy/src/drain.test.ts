import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Draining } from './drain.ts';
import { ManualClock } from './xds/testing/manual-clock.ts';

test('a drain at once asks every connection to leave, of the direction that it is for', () => {
  const draining = new Draining(new ManualClock(), () => 0.99);
  assert.equal(draining.isAsked('INBOUND'), false);
  draining.begin('INBOUND', 0);
  assert.equal(draining.isAsked('INBOUND'), true);
  assert.equal(draining.isAsked('OUTBOUND'), false);
  draining.begin(undefined, 0);
  assert.equal(draining.isAsked('OUTBOUND'), true);
});

test('a gradual drain asks more and more connections, and all of them at its end', () => {
  const clock = new ManualClock();
  let random = 0;
  const draining = new Draining(clock, () => random);
  draining.begin(undefined, 1000);
  const askedAt = (given: number): boolean => {
    random = given;
    return draining.isAsked('UNSPECIFIED');
  };
  assert.deepEqual([askedAt(0.01), askedAt(0.5)], [false, false]);
  clock.pass(400);
  assert.deepEqual([askedAt(0.39), askedAt(0.41)], [true, false]);
  clock.pass(600);
  assert.equal(askedAt(0.999), true);
});

test('a drain that begins again, later or faster, takes nothing back', () => {
  const clock = new ManualClock();
  const draining = new Draining(clock, () => 0.5);
  draining.begin(undefined, 0);
  draining.begin(undefined, 1000);
  assert.equal(draining.isAsked('UNSPECIFIED'), true);
});
