import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '@weft/contracts/error';
import fc from 'fast-check';
import { FrameReader, frame } from './frame.ts';

test('messages come out as they went in, however the bytes are cut', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
  const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 });
  fc.assert(
    fc.property(messages, cuts, (sent, sizes) => {
      const bytes = Buffer.concat(sent.map(frame));
      const reader = new FrameReader();
      const received: Buffer[] = [];
      for (let offset = 0, i = 0; offset < bytes.length; i += 1) {
        const size = sizes[i % sizes.length] ?? 1;
        received.push(...reader.push(bytes.subarray(offset, offset + size)));
        offset += size;
      }
      assert.deepEqual(
        received.map(String),
        sent.map((message) => Buffer.from(message).toString()),
      );
      assert.equal(reader.isInside, false);
    }),
  );
});

test('any bytes give messages or a WeftError', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (chunks) => {
      const reader = new FrameReader();
      try {
        for (const chunk of chunks) reader.push(Buffer.from(chunk));
      } catch (error) {
        assert.ok(error instanceof WeftError);
      }
    }),
  );
});

test('a message is known by its head alone to be too large, or compressed', () => {
  assert.throws(() => new FrameReader().push(Buffer.from([0, 1, 0, 0, 1])), { code: 'RESOURCE_EXHAUSTED' });
  assert.throws(() => new FrameReader().push(Buffer.from([1, 0, 0, 0, 1])), { code: 'INTERNAL' });
});
