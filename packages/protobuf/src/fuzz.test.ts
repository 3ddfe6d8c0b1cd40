/** Bounded fuzzing: arbitrary bytes and values never do more than be refused, and what is read can be written again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fileDescriptorSet } from './descriptor.ts';
import { createJsonCodec, createNativeCodec, MessageError } from './index.ts';
import type { TableSource } from './table.ts';

const SOURCE: TableSource = {
  messages: {
    M:
      '1 d =d;2 f =f;3 i =i;4 l =I;5 u =u;6 ul =U;7 z =z;8 zl =Z;9 x =x;10 xl =X;11 y =y;12 yl =Y;13 b =b;14 s =s;15 by =B;' +
      '16 e =e E;17 m ?m M;18 packed +i;19 many *m M;20 map %sm M;21 ints %Is;22 one ?s @k;23 two ?m M @k;24 oi ?i;' +
      '25 dur ?m google.protobuf.Duration;26 ts ?m google.protobuf.Timestamp;27 any ?m google.protobuf.Any;' +
      '28 st ?m google.protobuf.Struct;29 v ?m google.protobuf.Value;30 w ?m google.protobuf.Int64Value;31 es +e E',
    'google.protobuf.Duration': '1 seconds =I;2 nanos =i',
    'google.protobuf.Timestamp': '1 seconds =I;2 nanos =i',
    'google.protobuf.Any': '1 type_url =s;2 value =B',
    'google.protobuf.Struct': '1 fields %sm google.protobuf.Value',
    'google.protobuf.Value': '1 null_value ?e google.protobuf.NullValue @kind',
    'google.protobuf.ListValue': '1 values *m google.protobuf.Value',
    'google.protobuf.Int64Value': '1 value =I',
  },
  enums: { E: 'A=0;B=1', 'google.protobuf.NullValue': 'NULL_VALUE=0' },
};
const json = createJsonCodec(SOURCE);
/** The native shape has no special forms, so it knows messages of its own kind alone. */
const native = createNativeCodec(SOURCE);

/** What `work` gives; undefined when it is refused in the one way that is allowed. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (thrown) {
    assert.ok(thrown instanceof MessageError, `${(thrown as Error).stack}`);
    assert.ok(thrown.violations.length > 0);
    return undefined;
  }
}

/** Bytes that are nearly a message: fields of known numbers, with contents that may be messages again. */
function nearlyMessage(depth: number): fc.Arbitrary<Uint8Array> {
  const raw = fc.uint8Array({ maxLength: 12 });
  const content = depth === 0 ? raw : fc.oneof(raw, nearlyMessage(depth - 1));
  const field = fc
    .tuple(fc.integer({ min: 0, max: 33 }), fc.constantFrom(0, 1, 2, 2, 2, 2, 3, 4, 5, 7), content, fc.boolean())
    .map(([number, wireType, body, hasLength]) => {
      const tag = (number << 3) | wireType;
      const head = tag < 128 ? [tag] : [(tag & 0x7f) | 0x80, tag >>> 7];
      const length = wireType === 2 && hasLength ? [body.length & 0x7f] : [];
      return Buffer.from([...head, ...length, ...body]);
    });
  return fc.array(field, { maxLength: 5 }).map((fields) => Buffer.concat(fields));
}

function checkBytes(bytes: Uint8Array): void {
  for (const codec of [json, native]) {
    const value = attempt(() => codec.decode('M', bytes));
    if (value === undefined) continue;
    const written = codec.encode('M', value);
    const again = codec.decode('M', written);
    assert.deepEqual(again, value, 'what was read and written is read the same');
    assert.deepEqual(codec.encode('M', again), written, 'and written the same');
  }
}

test('arbitrary bytes are read or refused, and what was read is stable', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), checkBytes), { numRuns: 3_000, seed: 1 });
});

test('bytes that are nearly messages are read or refused, and what was read is stable', () => {
  fc.assert(fc.property(nearlyMessage(3), checkBytes), { numRuns: 6_000, seed: 2 });
});

test('a message cut anywhere, or with any byte changed, is read or refused', () => {
  const value = {
    d: 1.5,
    i: -1,
    l: '-5',
    s: 'text',
    by: 'AAEC',
    m: { s: 'inner', packed: [1, 300, -1] },
    many: [{}, { b: true }],
    map: { a: { i: 1 }, '': {} },
    ints: { 5: 'x' },
    two: { e: 'B' },
    dur: '1.5s',
    ts: '2026-01-01T00:00:00Z',
    any: { '@type': 'type.googleapis.com/M', s: 'in any' },
    st: { a: [1, { b: null }] },
    v: ['x'],
    w: '7',
    es: ['A', 5],
  };
  const whole = json.encode('M', value);
  for (let length = 0; length <= whole.length; length++) checkBytes(whole.subarray(0, length));
  for (let at = 0; at < whole.length; at++) {
    for (const bits of [0x01, 0x80, 0xff, 0x7f]) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ bits;
      checkBytes(changed);
    }
  }
});

test('arbitrary values are written or refused, and what was written is read', () => {
  const names = fc.constantFrom(
    ...'d f i l u ul z zl x xl y yl b s by e m packed many map ints one two oi dur ts any st v w es'.split(' '),
  );
  const leaf = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.bigInt(),
    fc.double(),
    fc.string({ unit: 'binary' }),
    fc.constant(undefined),
    fc.uint8Array(),
  );
  const message = (depth: number): fc.Arbitrary<unknown> => {
    const content =
      depth === 0 ? leaf : fc.oneof(leaf, message(depth - 1), fc.array(message(depth - 1), { maxLength: 3 }));
    return fc.dictionary(fc.oneof({ weight: 9, arbitrary: names }, { weight: 1, arbitrary: fc.string() }), content, {
      maxKeys: 4,
    });
  };
  const run = (input: unknown): void => {
    for (const codec of [json, native]) {
      const bytes = attempt(() => codec.encode('M', input));
      if (bytes) codec.decode('M', bytes);
    }
  };
  fc.assert(fc.property(message(2), run), { numRuns: 3_000, seed: 3 });
});

test('huge lengths and endless varints are refused at once and take no memory', () => {
  const before = process.memoryUsage.rss();
  for (const bytes of [
    [0x72, 0xff, 0xff, 0xff, 0xff, 0x07],
    [0x8a, 0x01, 0xff, 0xff, 0xff, 0xff, 0x0f],
    [0x92, 0x01, 0xff, 0xff, 0xff, 0x7f],
    Array(100).fill(0xff),
    [0x18, ...Array(11).fill(0x80)],
    [0xa2, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  ]) {
    for (let count = 0; count < 100; count++)
      assert.equal(
        attempt(() => json.decode('M', Buffer.from(bytes))),
        undefined,
      );
  }
  assert.ok(process.memoryUsage.rss() - before < 64 * 1024 * 1024);
});

test('arbitrary bytes as descriptors are read or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      attempt(() => fileDescriptorSet.decode(bytes));
    }),
    { numRuns: 1_000, seed: 4 },
  );
});
