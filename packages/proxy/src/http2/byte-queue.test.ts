import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteQueue } from './byte-queue.ts';

test('bytes leave a queue as they came, whatever the pieces', () => {
  const step = fc.oneof(fc.integer({ min: 1, max: 6000 }), fc.constant('take' as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const queue = new ByteQueue();
      const [given, taken]: [Buffer[], Buffer[]] = [[], []];
      for (const [i, what] of steps.entries()) {
        if (what === 'take') taken.push(queue.shift() ?? Buffer.alloc(0));
        else {
          given.push(Buffer.alloc(what, i));
          queue.add(Buffer.alloc(what, i));
        }
      }
      for (let piece = queue.shift(); piece; piece = queue.shift()) taken.push(piece);
      assert.ok(Buffer.concat(taken).equals(Buffer.concat(given)));
      assert.equal(queue.bytes, 0);
    }),
  );
});

test('what comes byte by byte is gathered', () => {
  const queue = new ByteQueue();
  for (let i = 0; i < 100_000; i++) queue.add(Buffer.from([i & 255]));
  let pieces = 0;
  while (queue.shift()) pieces++;
  assert.ok(pieces < 10);
});
