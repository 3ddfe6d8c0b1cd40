import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import type { Cells } from './cells.ts';
import { SharedCounts } from './shared-counts.ts';
import type { AdderStart } from './testing/adder.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

test('the same name gives the same numbers, another name others', () => {
  const counts = SharedCounts.make(64);
  const [one, again, other] = [counts.cells('one'), counts.cells('one'), counts.cells('other')];
  assert.equal(one.add(0, 3), 3);
  assert.equal(again.add(0, -1), 2);
  assert.equal(again.get(0), 2);
  assert.equal(other.get(0), 0);
  assert.equal(one.swap(0, 7), 2);
  assert.equal(SharedCounts.of(counts.memory).cells('one').get(0), 7);
  assert.equal(counts.size, 2);
});

test('what several threads count at the same time adds up, whoever comes first', async () => {
  const counts = SharedCounts.make(256);
  const names = Array.from({ length: 50 }, (_, index) => `name ${index}`);
  const rounds = 200;
  const threads = Array.from({ length: 3 }, () => {
    const workerData: AdderStart = { memory: counts.memory, names, rounds };
    return new Worker(new URL('./testing/adder.ts', import.meta.url), { workerData });
  });
  const held = names.map((name) => counts.cells(name));
  const instant = counts.instant('bucket');
  await Promise.all(threads.map((thread) => once(thread, 'exit')));
  assert.deepEqual(
    held.map((cells) => cells.get(1)),
    names.map(() => 3 * rounds),
  );
  assert.equal(instant?.get(), (3 * rounds) / 2);
});

test('names that nobody holds any more make room, and the others keep what they have', async () => {
  const counts = SharedCounts.make(64);
  const kept: Cells[] = Array.from({ length: 20 }, (_, index) => counts.cells(`kept ${index}`));
  for (const [index, cells] of kept.entries()) cells.add(0, index);
  for (let round = 0; round < 40; round++) {
    for (let index = 0; index < 20; index++) counts.cells(`gone ${round} ${index}`).add(0, 1000);
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(counts.size <= 64, String(counts.size));
  for (let index = 0; index < 20; index++) {
    assert.equal(counts.cells(`kept ${index}`).get(0), index);
    assert.equal(counts.cells(`new ${index}`).get(0), 0, 'a block is handed on empty');
  }
  assert.equal(kept.length, 20);
});

test('more names than there is memory for count by themselves', () => {
  const counts = SharedCounts.make(2);
  const held = [counts.cells('a'), counts.cells('b'), counts.cells('c')];
  assert.equal(held[2]?.add(0, 5), 5);
  assert.equal(counts.cells('c').get(0), 0);
  assert.equal(counts.instant('d'), undefined);
});

test('memory that no name needs is not used', () => {
  const before = process.memoryUsage.rss();
  const counts = SharedCounts.make();
  const held = Array.from({ length: 10 }, (_, index) => counts.cells(`name ${index}`));
  assert.ok(process.memoryUsage.rss() - before < 8 * 1_048_576, 'of tens of megabytes that there are');
  assert.equal(held.length, 10);
});
