/** A thread that counts in shared memory, for tests. */
import { parentPort, workerData } from 'node:worker_threads';
import { SharedCounts } from '../shared-counts.ts';

/** What such a thread is given. */
export interface AdderStart {
  readonly memory: SharedArrayBuffer;
  readonly names: readonly string[];
  readonly rounds: number;
}

const { memory, names, rounds } = workerData as AdderStart;
const counts = SharedCounts.of(memory);
for (let round = 0; round < rounds; round++) {
  for (const name of names) counts.cells(name).add(1, 1);
}
const instant = counts.instant('bucket');
let isDone = 0;
while (instant && isDone < rounds) {
  const before = instant.get();
  if (instant.replace(before, before + 0.5)) isDone++;
}
parentPort?.postMessage('done');
