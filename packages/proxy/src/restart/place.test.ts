import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { restartSocket } from './place.ts';

/** Has files for a while be where a test wants them. */
function temporaryAt(t: TestContext, folder: string): void {
  const before = process.env.TMPDIR;
  process.env.TMPDIR = folder;
  t.after(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  });
}

test('the folder of sockets is for its user alone, also where it is there already', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-place-'));
  t.after(() => rmSync(folder, { recursive: true }));
  temporaryAt(t, folder);
  const made = join(folder, `weft-restart-${process.getuid?.() ?? 0}`);
  mkdirSync(made, { mode: 0o755 });
  assert.equal(restartSocket(7), join(made, '7.sock'));
  assert.equal(statSync(made).mode & 0o777, 0o700);
});

test('a machine without a place for temporary files is told of it, whatever there is instead', (t) => {
  temporaryAt(t, join(tmpdir(), 'weft-none', 'there'));
  assert.throws(() => restartSocket(7), /cannot be made: ENOENT.*set TMPDIR .* or give --disable-hot-restart/);
});

test('where folders cannot be made at all nobody waits for one', { skip: process.platform !== 'linux' }, (t) => {
  temporaryAt(t, '/proc');
  assert.throws(() => restartSocket(7), { code: 'FAILED_PRECONDITION' });
});
