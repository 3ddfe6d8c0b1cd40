import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFolder } from './folder.ts';
import { temporaryFolder } from './testing/temporary.ts';

test('files can be read by their owner alone, and survive', (t) => {
  const root = temporaryFolder(t);
  const folder = openFolder(root, 'default', 'cart-1');
  assert.equal(folder.read('x'), undefined);
  folder.write('x', 'one');
  folder.write('x', 'two');
  assert.equal(folder.read('x')?.toString(), 'two');
  assert.equal(statSync(join(folder.path, 'x')).mode & 0o777, 0o600);
  assert.equal(statSync(folder.path).mode & 0o777, 0o700);
  folder.release();
  assert.equal(openFolder(root, 'default', 'cart-1').read('x')?.toString(), 'two');
});

test('two agents cannot have one workload at once, and the second is told who has it', (t) => {
  const root = temporaryFolder(t);
  const folder = openFolder(root, 'default', 'cart-1');
  assert.throws(() => openFolder(root, 'default', 'cart-1'), {
    code: 'ALREADY_EXISTS',
    message: new RegExp(`workload cart-1 runs on this machine already \\(process ${process.pid}\\)`),
  });
  openFolder(root, 'default', 'cart-2');
  folder.release();
  openFolder(root, 'default', 'cart-1');
});

test('the lock of an agent that was killed is taken over', (t) => {
  const root = temporaryFolder(t);
  const folder = openFolder(root, 'default', 'cart-1');
  const { pid } = spawnSync(process.execPath, ['-e', '0']);
  for (const record of [`${pid} 1`, `${process.pid} 1`, '', 'nonsense']) {
    writeFileSync(join(folder.path, 'agent.lock'), record);
    openFolder(root, 'default', 'cart-1');
  }
});
