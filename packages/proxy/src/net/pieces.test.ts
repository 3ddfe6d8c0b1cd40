import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Pieces } from './pieces.ts';

test('pieces are kept as they came, whatever their sizes', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 60 }), (sizes) => {
      const pieces = new Pieces();
      const given = sizes.map((size, i) => Buffer.alloc(size, i));
      for (const piece of given) pieces.add(piece);
      const whole = Buffer.concat(given);
      assert.equal(pieces.bytes, whole.length);
      assert.deepEqual(Buffer.concat(pieces.list), whole);
      assert.deepEqual(Buffer.concat(pieces.take()), whole);
      assert.deepEqual([pieces.bytes, pieces.list], [0, []]);
    }),
  );
});

test('what comes byte by byte is a few pieces, also where larger ones stand between', () => {
  const pieces = new Pieces();
  for (let i = 0; i < 100_000; i++) pieces.add(Buffer.from([i & 255]));
  assert.ok(pieces.list.length < 20);
  const mixed = new Pieces();
  for (let i = 0; i < 1000; i++) mixed.add(Buffer.alloc(i % 2 === 0 ? 2049 : 1));
  const blocks = new Set(mixed.list.map(({ buffer }) => buffer).filter(({ byteLength }) => byteLength === 16_384));
  assert.equal(blocks.size, 1);
});
