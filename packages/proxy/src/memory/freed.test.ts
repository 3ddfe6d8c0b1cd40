import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../xds/testing/manual-clock.ts';
import { FreedMemory } from './freed.ts';

const MIB = 1024 * 1024;

/** Looks of the time between which the process is as large as listed, in MiB; trimmed it has 40. Gives at which it was trimmed. */
async function trims(sizes: readonly number[], canTrim = true): Promise<readonly number[]> {
  const clock = new ManualClock();
  let size = 40;
  let at = -1;
  const trimmed: number[] = [];
  const trim = (): void => {
    trimmed.push(at);
    size = 40;
  };
  const freed = new FreedMemory({
    clock,
    residentBytes: () => size * MIB,
    findTrim: async () => (canTrim ? trim : undefined),
  });
  for (const next of sizes) {
    at++;
    size = next;
    clock.pass(2000);
    await new Promise(setImmediate);
  }
  freed.close();
  assert.deepEqual(clock.pendingMs, []);
  return trimmed;
}

test('memory is given back once the process has grown much, and again after the next burst', async () => {
  assert.deepEqual(await trims([50, 60, 71, 80, 60, 45, 71, 72]), [3, 7]);
});

test('a process that got smaller by itself may grow from there', async () => {
  assert.deepEqual(await trims([30, 61, 62, 30]), [2]);
});

test('where it cannot be given back nobody looks any more', async () => {
  assert.deepEqual(await trims([100, 200], false), []);
});
