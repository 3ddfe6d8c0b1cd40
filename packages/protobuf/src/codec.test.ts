import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createJsonCodec, createNativeCodec, MessageError } from './index.ts';
import type { TableSource } from './table.ts';

const SOURCE: TableSource = {
  messages: {
    All:
      '1 double =d;2 float =f;3 int32 =i;4 int64 =I;5 uint32 =u;6 uint64 =U;7 sint32 =z;8 sint64 =Z;9 fixed32 =x;' +
      '10 fixed64 =X;11 sfixed32 =y;12 sfixed64 =Y;13 bool =b;14 string =s;15 bytes =B;16 color =e Color;17 inner ?m Inner',
    Inner: '1 name =s;2 inner ?m Inner;3 numbers +i;4 names *s;5 loose *i;6 maybe ?i',
    Choice: '1 text ?s @kind;2 number ?i @kind;3 inner ?m Inner @kind;4 other =s',
    Maps: '1 by_name %sm Inner;2 by_number %is;3 by_flag %bi;4 by_long %Ie Color',
    Names: '1 some_long_name =s;2 a =s',
  },
  enums: { Color: 'RED=0;GREEN=1;ALIAS=1;NEGATIVE=-1' },
};
const native = createNativeCodec(SOURCE);
const json = createJsonCodec(SOURCE);

/** The violations as `path: message`. */
function violations(work: () => unknown): readonly string[] {
  try {
    work();
  } catch (thrown) {
    assert.ok(thrown instanceof MessageError, String(thrown));
    return thrown.violations.map(({ path, message }) => `${path}: ${message}`);
  }
  assert.fail('nothing was refused');
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

test('native values have every field, 64-bit integers as numbers and bytes as bytes', () => {
  const value = {
    double: -0.5,
    float: 1.5,
    int32: -1,
    int64: -5_000_000_000,
    uint32: 4_294_967_295,
    uint64: Number.MAX_SAFE_INTEGER,
    sint32: -2_147_483_648,
    sint64: -9_007_199_254_740_991,
    fixed32: 1,
    fixed64: 2,
    sfixed32: -3,
    sfixed64: -4,
    bool: true,
    string: 'ä',
    bytes: Buffer.from([0, 255]),
    color: 'GREEN',
    inner: {
      name: '',
      inner: { name: 'deep', numbers: [], names: [], loose: [] },
      numbers: [1, -1],
      names: ['', 'a'],
      loose: [7, 8],
    },
  };
  assert.deepEqual(native.decode('All', native.encode('All', value)), value);
  const empty = native.decode('All', Buffer.alloc(0)) as Record<string, unknown>;
  assert.deepEqual(Object.keys(empty).length, 16, 'all but the message, which is absent');
  assert.deepEqual([empty.int64, empty.string, empty.color, empty.bytes], [0, '', 'RED', Buffer.alloc(0)]);
});

test('defaults are not written, and explicit presence is kept', () => {
  assert.equal(native.encode('All', native.decode('All', Buffer.alloc(0))).length, 0);
  assert.deepEqual(native.decode('Inner', native.encode('Inner', { maybe: 0 })), {
    name: '',
    numbers: [],
    names: [],
    loose: [],
    maybe: 0,
  });
  assert.deepEqual(json.decode('Choice', json.encode('Choice', { number: 0 })), { number: 0 });
});

test('packed and unpacked numbers are both read, as are the two mixed', () => {
  const bytes = hex('1a 02 01 02  18 03  2a 02 04 05  28 06');
  assert.deepEqual(json.decode('Inner', bytes), { numbers: [1, 2, 3], loose: [4, 5, 6] });
});

test('of a field that comes twice the last counts; messages are merged', () => {
  const bytes = hex('0a 01 61  0a 01 62  12 03 0a 01 63  12 02 18 01');
  assert.deepEqual(json.decode('Inner', bytes), { name: 'b', inner: { name: 'c', numbers: [1] } });
});

test('of a oneof the arm that comes last counts', () => {
  assert.deepEqual(json.decode('Choice', hex('0a 01 61  10 05')), { number: 5 });
  assert.deepEqual(json.decode('Choice', hex('10 05  0a 00')), { text: '' });
  assert.deepEqual(json.decode('Choice', hex('1a 03 0a 01 61  22 01 78  1a 02 18 01')), {
    inner: { name: 'a', numbers: [1] },
    other: 'x',
  });
});

test('maps are written in the order of keys, and entries may lack a key or a value', () => {
  const value = { byName: { b: { name: 'B' }, a: { name: 'A' } }, byNumber: { 10: 'ten', 9: 'nine' } };
  const bytes = native.encode('Maps', value);
  assert.deepEqual(native.encode('Maps', { ...value, byName: { a: { name: 'A' }, b: { name: 'B' } } }), bytes);
  assert.deepEqual(json.decode('Maps', hex('0a 00  12 02 08 07  1a 02 10 05  22 00')), {
    by_name: { '': {} },
    by_number: { 7: '' },
    by_flag: { false: 5 },
    by_long: { 0: 'RED' },
  });
});

test('an entry of a map with a field of another type, or unknown ones, is read without them', () => {
  assert.deepEqual(json.decode('Maps', hex('12 08  08 07  10 05  1a 02 aa bb')), { by_number: { 7: '' } });
});

test('keys that are names of the language are keys like others', () => {
  const map = JSON.parse('{"by_name": {"__proto__": {"name": "p"}, "constructor": {}, "toString": {"name": "t"}}}');
  const read = json.decode('Maps', json.encode('Maps', map)) as { by_name: object };
  assert.deepEqual(
    JSON.stringify(read),
    '{"by_name":{"__proto__":{"name":"p"},"constructor":{},"toString":{"name":"t"}}}',
  );
  assert.equal(Object.getPrototypeOf(read.by_name), Object.prototype);
  assert.equal(({} as { name?: string }).name, undefined);
});

test('enum numbers without a name are kept, and of several names the first is told', () => {
  assert.deepEqual(json.decode('All', hex('80 01 07')), { color: 7 });
  assert.deepEqual(json.decode('All', json.encode('All', { color: 'ALIAS' })), { color: 'GREEN' });
  assert.deepEqual(json.decode('All', json.encode('All', { color: -1 })), { color: 'NEGATIVE' });
});

test('integers of 64 bits are exact in ProtoJSON', () => {
  const value = { int64: '-9223372036854775808', uint64: '18446744073709551615', sint64: '9007199254740993' };
  assert.deepEqual(json.decode('All', json.encode('All', value)), value);
  assert.deepEqual(json.decode('All', json.encode('All', { int64: 7, uint32: '7', double: '1e3' })), {
    int64: '7',
    uint32: 7,
    double: 1000,
  });
});

test('integers that numbers do not hold exactly are refused in native values', () => {
  const [first] = violations(() => native.decode('All', json.encode('All', { int64: '9007199254740993' })));
  assert.match(first ?? '', /the integer 9007199254740993 is beyond what numbers hold exactly/);
});

test('field names are taken in both spellings, and given as in the .proto file', () => {
  assert.deepEqual(json.decode('Names', json.encode('Names', { someLongName: 'x' })), { some_long_name: 'x' });
  const twice = violations(() => json.encode('Names', { some_long_name: 'x', someLongName: 'y' }));
  assert.deepEqual(twice, ['someLongName: is some_long_name, which is set too']);
});

test('null is a field that is not set', () => {
  assert.equal(json.encode('All', { string: null, inner: null }).length, 0);
});

test('all violations are told at once, each with its path', () => {
  const value = {
    int32: 2_147_483_648,
    uint32: -1,
    int64: '9223372036854775808',
    double: 'fast',
    float: 3.5e38,
    bool: 'yes',
    string: 7,
    bytes: '?',
    color: 'BLUE',
    inner: { names: ['a', 1], numbers: [1.5, null], inner: { nam: 'x' }, loose: 'none' },
    extra: 1,
  };
  assert.deepEqual([...violations(() => json.encode('All', value))].sort(), [
    'bool: expected true or false, got "yes"',
    'bytes: expected bytes, got "?"',
    'color: expected one of RED, GREEN, ALIAS, NEGATIVE, got "BLUE"',
    'double: expected a number, got "fast"',
    'extra: All has no such field',
    'float: expected a number of 32-bit floating point, got 3.5e+38',
    'inner.inner.nam: Inner has no such field',
    'inner.loose: expected a list, got "none"',
    'inner.names[1]: expected a string, got 1',
    'inner.numbers[0]: expected a 32-bit integer, got 1.5',
    'inner.numbers[1]: expected a 32-bit integer, got null',
    'int32: expected a 32-bit integer, got 2147483648',
    'int64: expected a 64-bit integer, got "9223372036854775808"',
    'string: expected a string, got 7',
    'uint32: expected a whole number from 0 to 4294967295, got -1',
  ]);
});

test('two arms of a oneof, and bad keys of maps, are told', () => {
  const both = violations(() => json.encode('Choice', { text: 'a', number: 1 }));
  assert.deepEqual(both, ['number: only one of text and number can be set']);
  const keys = { by_number: { x: 'a', 99999999999: 'b' }, by_flag: { maybe: 1 }, by_name: { a: 5 } };
  assert.deepEqual(
    violations(() => json.encode('Maps', keys)),
    [
      'by_name["a"]: expected an object (Inner), got 5',
      'by_number["99999999999"]: expected a 32-bit integer, got 99999999999',
      'by_number["x"]: expected a 32-bit integer, got "x"',
      'by_flag["maybe"]: expected true or false, got "maybe"',
    ],
  );
});

test('values of no kind that messages have are refused, not written', () => {
  const cyclic: { inner?: unknown } = {};
  cyclic.inner = cyclic;
  assert.match(violations(() => json.encode('Inner', cyclic))[0] ?? '', /nested more than 100 deep$/);
  for (const value of [null, undefined, 5, 'x', [], () => 1, Symbol('s'), 5n]) {
    assert.equal(violations(() => json.encode('All', value)).length, 1);
  }
  assert.equal(violations(() => json.encode('All', { string: '\ud800' })).length, 1, 'half of a character');
  assert.equal(violations(() => json.encode('All', { color: 2 ** 40 })).length, 1);
});

test('fields that the tables do not know are told with the path of their message, its type and their number', () => {
  const told: string[] = [];
  const unknownField = (path: string, type: string, number: number): number => told.push(`${path}|${type}|${number}`);
  const inner = '1a 03 d8 3e 01';
  json.decode('Choice', hex(`${inner} 98 06 05`), { unknownField });
  json.decode('Maps', hex('0a 07 0a 01 61 12 02 78 01'), { unknownField });
  json.decode('Inner', hex('0b 0c'), { unknownField });
  assert.deepEqual(told, ['inner|Inner|1003', '|Choice|99', 'by_name["a"]|Inner|15', '|Inner|1']);
});

test('a field of another wire type than its own is one that the tables do not know', () => {
  const told: number[] = [];
  const read = json.decode('All', hex('08 01  70 05'), { unknownField: (_, __, number) => told.push(number) });
  assert.deepEqual([read, told], [{}, [1, 14]]);
});

test('groups are passed over whole', () => {
  assert.deepEqual(json.decode('Inner', hex('a3 01  08 05  ab 01 ac 01  12 01 61  a4 01  0a 01 78')), { name: 'x' });
  for (const broken of ['a3 01', 'a3 01 ac 01', 'a4 01', 'a3 01 06', `${'a3 01 '.repeat(200)}`]) {
    assert.equal(violations(() => json.decode('Inner', hex(broken))).length, 1, broken);
  }
});

test('bytes that are no message are refused with where', () => {
  for (const [bytes, path] of [
    ['0a', ''],
    ['0a 05 61', ''],
    ['ff ff ff ff ff ff ff ff ff ff 01', ''],
    ['00 01', ''],
    ['0e', ''],
    ['0f', ''],
    ['12 ff ff ff ff 0f', 'inner'],
    ['12 04 12 02 0a 05', 'inner.inner'],
    ['1a 01 80', 'numbers'],
    ['0d 01 02', ''],
  ] as const) {
    const [first = ''] = violations(() => json.decode('Inner', hex(bytes)));
    assert.match(first, new RegExp(`^${path}: not a valid message: `), bytes);
  }
});

test('messages may be nested a hundred deep, and not more, both ways', () => {
  const nested = (depth: number): object => (depth === 1 ? {} : { inner: nested(depth - 1) });
  const deepest = json.encode('Inner', nested(100));
  assert.deepEqual(json.decode('Inner', deepest), nested(100));
  assert.match(violations(() => json.encode('Inner', nested(101)))[0] ?? '', /nested more than 100 deep/);
  let bytes = Buffer.alloc(0);
  for (let depth = 0; depth < 20_000; depth++) {
    const length: number[] = [];
    for (let rest = bytes.length; ; rest >>>= 7) {
      length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
      if (rest <= 0x7f) break;
    }
    bytes = Buffer.concat([Buffer.from([0x12, ...length]), bytes]);
  }
  assert.match(violations(() => json.decode('Inner', bytes))[0] ?? '', /nested more than 100 deep/);
});

test('lists and strings of any length are written', () => {
  for (const length of [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
    const value = { name: 'x'.repeat(length), inner: { inner: { name: 'y'.repeat(length) } } };
    const expected = length === 0 ? { inner: { inner: {} } } : value;
    assert.deepEqual(json.decode('Inner', json.encode('Inner', value)), expected);
  }
  const numbers = Array.from({ length: 50_000 }, (_, index) => index - 25_000);
  assert.deepEqual(json.decode('Inner', json.encode('Inner', { numbers, loose: numbers })), {
    numbers,
    loose: numbers,
  });
});

test('a message that the tables do not hold is told by name', () => {
  assert.equal(json.has('Nothing'), false);
  assert.equal(json.has('constructor'), false);
  assert.throws(() => json.encode('Nothing', {}), /no message Nothing in the tables/);
});
