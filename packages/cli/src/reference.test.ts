import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { PAGE, referencePage } from '../scripts/reference.ts';

test('the reference of commands and flags is what the commands say of themselves', async () => {
  const written = readFileSync(PAGE, 'utf8');
  assert.equal(written, await referencePage(), 'run node packages/cli/scripts/reference.ts');
});
