import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignCpus, parseCpuList } from './cpus.ts';

test('lists of processors', () => {
  assert.deepEqual(parseCpuList('0-2,5\n'), [0, 1, 2, 5]);
  assert.deepEqual(parseCpuList('3'), [3]);
});

test('proxies have a processor for themselves wherever there are two', () => {
  assert.deepEqual(assignCpus([0, 1]), { proxy: 1, load: 0, upstream: 0 });
  assert.deepEqual(assignCpus([2, 3, 6]), { proxy: 6, load: 2, upstream: 3 });
  assert.deepEqual(assignCpus([4]), { proxy: 4, load: 4, upstream: 4 });
});
