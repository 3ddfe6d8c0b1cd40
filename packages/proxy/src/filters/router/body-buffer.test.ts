import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BodyBuffer } from './body-buffer.ts';

test('a body is kept as it came, whatever its pieces', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 5000 }), { maxLength: 60 }), (sizes) => {
      const body = new BodyBuffer(Number.POSITIVE_INFINITY);
      const pieces = sizes.map((size, i) => Buffer.alloc(size, i));
      const sent: Buffer[] = [];
      for (const [i, piece] of pieces.entries()) {
        body.add(piece);
        if (i === 20) sent.push(...body.chunks);
      }
      assert.deepEqual(Buffer.concat(body.chunks), Buffer.concat(pieces));
      if (sent.length > 0) assert.deepEqual(Buffer.concat(sent), Buffer.concat(pieces.slice(0, 21)));
    }),
  );
});

test('a body that comes byte by byte is gathered', () => {
  const body = new BodyBuffer(1_000_000);
  for (let i = 0; i < 100_000; i++) body.add(Buffer.from([i & 255]));
  assert.ok(body.chunks.length < 20);
  assert.equal(body.isKept, true);
});

test('beyond the limit nothing is kept, but what could not be sent yet is', () => {
  const body = new BodyBuffer(5);
  body.hold(Buffer.from('hello world'));
  assert.equal(body.isKept, true);
  assert.equal(Buffer.concat(body.chunks).toString(), 'hello world');
  body.trim();
  assert.equal(body.isKept, false);
  assert.equal(body.isEmpty, false);
  body.add(Buffer.from('x'));
  assert.deepEqual(body.chunks, []);
});
