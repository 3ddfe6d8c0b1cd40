import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { envoyApiPage, PAGE } from '../../scripts/envoy-api.ts';

test('the page of what is supported is what the schemas say', () => {
  assert.equal(readFileSync(PAGE, 'utf8'), envoyApiPage(), 'run node packages/proxy/scripts/envoy-api.ts');
});

test('links of the page lead somewhere, and no field is both supported and refused', () => {
  const page = envoyApiPage();
  const anchors = new Set(
    [...page.matchAll(/^### (.+)$/gm)].map(([, name = '']) => name.toLowerCase().replaceAll('.', '')),
  );
  const broken = [...page.matchAll(/\]\(#([^)]+)\)/g)]
    .map(([, anchor = '']) => anchor)
    .filter((one) => !anchors.has(one));
  assert.deepEqual([...new Set(broken)], []);
  assert.match(page, /Refused: [^\n]*`vhds`/);
});
