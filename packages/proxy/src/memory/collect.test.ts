import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

const PROGRAM = `
const { workerData } = require('node:worker_threads');
import(workerData).then(({ exposeCollection }) => {
  for (let round = 0; round < 300; round++) exposeCollection()({ type: 'minor', execution: 'sync' });
});
`;

test('threads that collect at the same time do not disturb one another', async () => {
  const workerData = new URL('collect.ts', import.meta.url).href;
  const threads = Array.from({ length: 4 }, () => new Worker(PROGRAM, { eval: true, workerData }));
  const codes = await Promise.all(threads.map(async (thread) => (await once(thread, 'exit'))[0]));
  assert.deepEqual(codes, [0, 0, 0, 0]);
});
