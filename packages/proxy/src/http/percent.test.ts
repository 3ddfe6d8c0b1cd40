import assert from 'node:assert/strict';
import { test } from 'node:test';
import { percentDecoded } from './percent.ts';

test('escapes are undone byte by byte, and what only looks like one stays', () => {
  assert.equal(percentDecoded('a%2fb%2Fc%20%C3%A9'), 'a/b/c \u00c3\u00a9');
  assert.equal(percentDecoded('100%&%zz%2'), '100%&%zz%2');
  assert.equal(percentDecoded('%2541'), '%41');
});
