import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../testing/ground.ts';
import { Gathering } from './gathering.ts';

const now = () => Date.now();

test('what comes in one tick is done once', async () => {
  let times = 0;
  const gathering = new Gathering(() => times++, 60_000, now);
  for (let n = 0; n < 10; n++) gathering.ask('now');
  await eventually('the work', () => (times > 0 ? true : undefined));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(times, 1);
  gathering.end();
});

test('what can wait is done with what is urgent', async () => {
  let times = 0;
  const gathering = new Gathering(() => times++, 60_000, now);
  gathering.ask('gather');
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(times, 0);
  gathering.ask('now');
  await eventually('the work', () => (times > 0 ? true : undefined));
  gathering.end();
});

test('what can wait is done once the time is over, however much comes', async () => {
  let times = 0;
  const gathering = new Gathering(() => times++, 50, now);
  const startMs = now();
  while (times === 0 && now() - startMs < 10_000) {
    gathering.ask('gather');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(times, 1);
  gathering.end();
});

test('nothing is done after the end', async () => {
  const gathering = new Gathering(() => assert.fail(), 10, now);
  gathering.ask('gather');
  gathering.end();
  gathering.ask('now');
  await new Promise((resolve) => setTimeout(resolve, 30));
});
