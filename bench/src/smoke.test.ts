import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runRounds } from './bench.ts';
import { http1 } from './cases/http1.ts';
import { resultOf } from './report.ts';

test('a round of both sides comes to figures', { skip: process.platform !== 'linux' && 'needs Linux' }, async () => {
  const told: string[] = [];
  const settings = { rounds: 1, warmupMs: 100, windowMs: 300 };
  const rounds = await runRounds(http1, settings, (line) => told.push(line), new AbortController().signal);
  const { ratio, weft, envoy } = resultOf(http1, rounds);
  assert.deepEqual(
    told.map((line) => line.split(':')[0]),
    ['http1, round 1, weft', 'http1, round 1, envoy'],
  );
  assert.ok(ratio.median > 0);
  for (const side of [weft, envoy]) assert.ok((side.requestsPerSecond?.median ?? 0) > 0);
});

test('what is stopped ends all that it started', { skip: process.platform !== 'linux' && 'needs Linux' }, async () => {
  const stop = new AbortController();
  const settings = { rounds: 1, warmupMs: 60_000, windowMs: 60_000 };
  const running = runRounds(http1, settings, () => undefined, stop.signal);
  setTimeout(() => stop.abort(), 500);
  // A process that was left behind would keep the test from its end.
  await assert.rejects(running, /was stopped/);
});
