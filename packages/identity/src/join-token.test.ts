import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '@weft/contracts/error';
import fc from 'fast-check';
import { constantTimeEqual, createJoinToken, formatJoinToken, parseJoinToken, secretHash } from './index.ts';

const rootHash = Buffer.alloc(32, 9);

test('a join token comes back from its text, white space around it passed over', () => {
  const parts = createJoinToken(rootHash);
  const text = formatJoinToken(parts);
  assert.match(text, /^weft1\.[0-9a-f]{16}\.[\w-]{43}\.[\w-]{43}$/);
  assert.deepEqual(parseJoinToken(`  ${text}\n`), parts);
  assert.notEqual(formatJoinToken(createJoinToken(rootHash)), text);
});

test('any other text is refused, without being repeated', () => {
  const text = formatJoinToken(createJoinToken(rootHash));
  const wrong = [
    text.slice(1),
    text.slice(0, -1),
    `${text}x`,
    text.replace('weft1', 'weft2'),
    text.replace(/.$/, '!'),
    '',
  ];
  for (const one of wrong) {
    assert.throws(
      () => parseJoinToken(one),
      (error) =>
        error instanceof WeftError && error.code === 'INVALID_ARGUMENT' && (one === '' || !error.message.includes(one)),
    );
  }
  fc.assert(
    fc.property(fc.string(), (random) => {
      assert.throws(() => parseJoinToken(random), WeftError);
    }),
  );
});

test('secrets are compared by their hashes, whole', () => {
  assert.ok(constantTimeEqual(secretHash('a'), secretHash('a')));
  assert.equal(constantTimeEqual(secretHash('a'), secretHash('b')), false);
  assert.equal(constantTimeEqual(secretHash('a'), Buffer.alloc(3)), false);
});
