import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { PAGE, resourcesPage } from '../scripts/reference.ts';

test('the reference of resources has every field of the schemas, with its default and limits', () => {
  assert.equal(readFileSync(PAGE, 'utf8'), resourcesPage(), 'run node packages/policies/scripts/reference.ts');
});
