import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type FrameEvents, FrameReader } from './frame-reader.ts';
import { FRAME, Http2Error } from './frames.ts';
import { frame } from './testing/frames.ts';

/** Writes down what a reader tells: frames, and of DATA its head, all of its data, and its end. */
function read(pieces: readonly Buffer[]): readonly string[] {
  const told: string[] = [];
  let body = Buffer.alloc(0);
  const events: FrameEvents = {
    onFrame: (type, flags, id, bytes, start, end) => {
      told.push(`${type} ${flags} ${id} ${bytes.toString('hex', start, end)}`);
    },
    onDataFrame: (flags, id, size, padding) => {
      body = Buffer.alloc(0);
      told.push(`data ${flags} ${id} ${size} ${padding}`);
    },
    onData: (bytes, start, end) => {
      assert.ok(end > start);
      body = Buffer.concat([body, bytes.subarray(start, end)]);
    },
    onDataEnd: () => {
      told.push(`end ${body.toString('hex')}`);
    },
  };
  const reader = new FrameReader(events);
  try {
    for (const piece of pieces) reader.push(piece);
  } catch (thrown) {
    assert.ok(thrown instanceof Http2Error, String(thrown));
    told.push('wrong');
  }
  return told;
}

const frames = fc.array(
  fc
    .tuple(fc.nat(12), fc.nat(255), fc.nat(0x7fff_ffff), fc.uint8Array({ maxLength: 60 }))
    .map(([type, flags, id, payload]) => frame(type, flags, id, payload)),
  { maxLength: 8 },
);

test('frames are told alike, in whatever pieces they come', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }), (given, cuts) => {
      const bytes = Buffer.concat(given);
      const ends = [...cuts.map((cut) => Math.floor(cut * bytes.length)), bytes.length].sort((a, b) => a - b);
      const pieces = ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
      assert.deepEqual(read(pieces), read([bytes]));
      assert.deepEqual(read(Array.from(bytes, (byte) => Buffer.from([byte]))), read([bytes]));
    }),
    { numRuns: 500 },
  );
});

test('padding is no data, and more padding than bytes is wrong', () => {
  const padded = (padding: number): Buffer => frame(FRAME.data, 8, 1, Buffer.from([padding, 1, 2, 3, 0, 0]));
  assert.deepEqual(read([padded(2)]), ['data 8 1 6 3', 'end 010203']);
  assert.deepEqual(read([padded(5)]), ['data 8 1 6 6', 'end ']);
  assert.deepEqual(read([padded(6)]), ['wrong']);
  assert.deepEqual(read([frame(FRAME.data, 8, 1)]), ['wrong']);
});

test('a frame of more than 16,384 bytes is refused by its head', () => {
  assert.deepEqual(read([frame(FRAME.headers, 4, 1, Buffer.alloc(16_385)).subarray(0, 9)]), ['wrong']);
});
