/** ProtoJSON as https://protobuf.dev/programming-guides/json/ has it: what is accepted, what is given, what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createJsonCodec, createNativeCodec, MessageError } from './index.ts';
import type { TableSource } from './table.ts';

const SOURCE: TableSource = {
  messages: {
    Holder:
      '1 int32 =i;2 uint32 =u;3 int64 =I;4 uint64 =U;5 float =f;6 double =d;7 bool =b;8 text =s;9 bytes =B;' +
      '10 color =e Color;11 maybe_float ?f;12 colors +e Color;13 by_number %is;14 inner ?m Holder;15 many *m Holder;' +
      '20 int32_value ?m google.protobuf.Int32Value;21 uint64_value ?m google.protobuf.UInt64Value;' +
      '22 float_value ?m google.protobuf.FloatValue;23 bytes_value ?m google.protobuf.BytesValue;' +
      '24 string_value ?m google.protobuf.StringValue;25 bool_value ?m google.protobuf.BoolValue;' +
      '26 mask ?m google.protobuf.FieldMask;27 value ?m google.protobuf.Value;28 duration ?m google.protobuf.Duration;' +
      '29 struct ?m google.protobuf.Struct;30 fixed64 =X;31 sint64 =Z;32 wrapped *m google.protobuf.Int32Value',
    'google.protobuf.Int32Value': '1 value =i',
    'google.protobuf.UInt64Value': '1 value =U',
    'google.protobuf.FloatValue': '1 value =f',
    'google.protobuf.BytesValue': '1 value =B',
    'google.protobuf.StringValue': '1 value =s',
    'google.protobuf.BoolValue': '1 value =b',
    'google.protobuf.FieldMask': '1 paths *s',
    'google.protobuf.Duration': '1 seconds =I;2 nanos =i',
    'google.protobuf.Struct': '1 fields %sm google.protobuf.Value',
    'google.protobuf.Value': '1 null_value ?e google.protobuf.NullValue @kind;2 number_value ?d @kind',
    'google.protobuf.ListValue': '1 values *m google.protobuf.Value',
  },
  enums: { Color: 'RED=0;GREEN=1;BLUE=2', 'google.protobuf.NullValue': 'NULL_VALUE=0' },
};
const json = createJsonCodec(SOURCE);
const native = createNativeCodec(SOURCE);

function again(value: unknown): unknown {
  return json.decode('Holder', json.encode('Holder', value));
}

/** Why the value is refused, as `path: message`. */
function refusal(value: unknown, codec = json): string {
  try {
    codec.encode('Holder', value);
  } catch (thrown) {
    assert.ok(thrown instanceof MessageError, String(thrown));
    return thrown.violations.map(({ path, message }) => `${path}: ${message}`).join('; ');
  }
  assert.fail(`${JSON.stringify(value)} was not refused`);
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

test('both names of a field are accepted at any depth, and null is a field that is not set', () => {
  const mixed = { inner: { maybeFloat: 1, byNumber: { 1: 'a' }, maybe_float: null }, many: [{ int32Value: 5 }] };
  assert.deepEqual(again(mixed), { inner: { maybe_float: 1, by_number: { 1: 'a' } }, many: [{ int32_value: 5 }] });
  const nulls = { int32: null, text: null, colors: null, by_number: null, inner: null, int32_value: null, mask: null };
  assert.deepEqual(again(nulls), {});
  assert.match(refusal({ many: [null] }), /^many\[0\]: expected an object \(Holder\), got null$/);
  assert.match(refusal({ wrapped: [1, null] }), /^wrapped\[1\]: expected a 32-bit integer, got null$/);
  assert.match(refusal({ by_number: { 1: null } }), /^by_number\["1"\]: expected a string, got null$/);
});

test('integers are accepted as numbers and text, also with a point or an exponent that leave them whole', () => {
  for (const [given, expected] of [
    [7, 7],
    ['7', 7],
    [1e3, 1000],
    ['1e3', 1000],
    ['1.50e1', 15],
    ['-12.000', -12],
    ['2147483647', 2_147_483_647],
    ['-2.147483648E9', -2_147_483_648],
    ['1000e-2', 10],
  ]) {
    assert.deepEqual(again({ int32: given }), { int32: expected }, String(given));
  }
  for (const bad of [
    0.5,
    '0.5',
    '1e-1',
    '',
    ' 1',
    '1 ',
    '0x1',
    '1e',
    '+1',
    'NaN',
    true,
    [],
    {},
    Number.NaN,
    '1e99999',
  ]) {
    assert.match(refusal({ int32: bad }), /^int32: expected a 32-bit integer, got /, String(bad));
  }
});

test('integers of 64 bits are given as text, and accepted to the last digit in every spelling', () => {
  for (const text of ['9007199254740993', '9.007199254740993e15', '9007199254740993.0', '90071992547409930e-1']) {
    assert.deepEqual(again({ int64: text, fixed64: text, uint64_value: text }), {
      int64: '9007199254740993',
      fixed64: '9007199254740993',
      uint64_value: '9007199254740993',
    });
  }
  assert.deepEqual(again({ int64: 2n ** 62n, sint64: -(2n ** 63n) }), {
    int64: '4611686018427387904',
    sint64: '-9223372036854775808',
  });
  assert.deepEqual(again({ int64: Number.MAX_SAFE_INTEGER }), { int64: '9007199254740991' });
});

test('a number of JSON that stands for several integers is refused, and told to be quoted', () => {
  assert.equal(
    refusal({ uint64: Number('18446744073709551615') }),
    'uint64: expected a whole number of 64 bits, in quotes beyond 2^53, got 18446744073709552000',
  );
  assert.match(refusal({ int64: 2 ** 53 }), /^int64: expected a 64-bit integer, in quotes beyond 2\^53, got /);
  assert.match(refusal({ int64: 2 ** 53 }, native), /^int64: expected a 64-bit integer, got 9007199254740992$/);
  assert.match(refusal({ uint64: '-1' }), /^uint64: expected a whole number of 64 bits, got "-1"$/);
});

test('NaN and the infinities are text, and other words are refused', () => {
  for (const word of ['NaN', 'Infinity', '-Infinity']) {
    assert.deepEqual(again({ float: word, double: word, float_value: word, maybe_float: word }), {
      float: word,
      double: word,
      float_value: word,
      maybe_float: word,
    });
  }
  for (const bad of ['nan', 'inf', 'infinity', '+Infinity', '1e999', '', ' 1', '.5', '1.', false, null]) {
    if (bad !== null) assert.match(refusal({ double: bad }), /^double: expected a number, got /, String(bad));
  }
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.match(refusal({ value }), /^value: expected a value of JSON, got /);
    assert.match(refusal({ struct: { a: [value] } }), /^struct\["a"\]\[0\]: expected a value of JSON, got /);
  }
});

test('a number that is not finite in a google.protobuf.Value has no form in JSON, and is refused with where', () => {
  for (const number of ['000000000000f87f', '000000000000f07f', '000000000000f0ff']) {
    assert.throws(() => json.decode('Holder', hex(`da 01 09 11 ${number}`)), {
      name: 'MessageError',
      message:
        /^Holder: value: not a valid message: a google\.protobuf\.Value is -?(NaN|Infinity), which JSON has no form for$/,
    });
  }
});

test('the largest float is read as the text that stands for it, and a larger one is refused', () => {
  assert.deepEqual(again({ float: 3.4028235e38, maybe_float: '-3.4028235e38' }), {
    float: 3.4028235e38,
    maybe_float: -3.4028235e38,
  });
  const largest = json.decode('Holder', json.encode('Holder', { float: 3.4028234663852886e38 }));
  assert.deepEqual(again(largest), largest);
  assert.match(
    refusal({ float: 3.4028236e38 }),
    /^float: expected a number of 32-bit floating point, got 3\.4028236e\+38$/,
  );
  assert.deepEqual(again({ float: 1e-46 }), {}, 'what is too small for a float is zero');
});

test('minus zero is a value, and zero in any spelling is none', () => {
  for (const codec of [json, native]) {
    const read = codec.decode('Holder', codec.encode('Holder', { float: -0, double: -0 })) as { float: number };
    assert.ok(Object.is(read.float, -0));
  }
  for (const zero of [0, '0', '0.0', '0e5', '0.000e-3', '-0']) {
    const value = { int32: zero, uint32: zero, int64: zero, uint64: zero, fixed64: zero, sint64: zero };
    assert.equal(json.encode('Holder', value).length, 0, String(zero));
  }
  for (const zero of [0, '0', '0.0']) assert.equal(json.encode('Holder', { float: zero, double: zero }).length, 0);
});

test('a zero of another type than the field is a violation, not a default', () => {
  for (const [name, expected, zeros] of [
    ['int32', 'a 32-bit integer', ['', false]],
    ['int64', 'a 64-bit integer', ['', false]],
    ['double', 'a number', ['', false]],
    ['bool', 'true or false', [0, '', '0', 'false']],
    ['text', 'a string', [0, false]],
    ['bytes', 'bytes', [0, false, '0', []]],
  ] as const) {
    for (const zero of zeros) {
      for (const codec of [json, native]) {
        const wrong = refusal({ [name]: zero }, codec);
        assert.ok(wrong.startsWith(`${name}: expected ${expected}, got `), wrong);
      }
    }
  }
  assert.match(
    refusal({ bool_value: 0, string_value: false }),
    /^string_value: .*; bool_value: expected true or false, got 0$/,
  );
  assert.match(refusal({ bytes: '' }, native), /^bytes: expected bytes, got ""$/);
  assert.match(refusal({ bytes: Buffer.of() }), /^bytes: expected bytes, got 0 bytes$/);
});

test('enums are accepted by name and number, unknown numbers too, and given by name where there is one', () => {
  assert.deepEqual(again({ color: 2, colors: ['RED', 1, 77, -5] }), {
    color: 'BLUE',
    colors: ['RED', 'GREEN', 77, -5],
  });
  assert.deepEqual(again({ color: 0 }), {});
  for (const bad of ['red', 'PINK', '1', 1.5, 2 ** 31, true, '']) {
    assert.match(refusal({ color: bad }), /^color: expected one of RED, GREEN, BLUE, got /, String(bad));
  }
  assert.match(refusal({ colors: ['RED', 'PINK'] }), /^colors\[1\]: expected one of RED, GREEN, BLUE, got "PINK"$/);
  assert.deepEqual(json.decode('Holder', hex('50 ff ff ff ff ff ff ff ff ff 01')), { color: -1 });
});

test('files that people write may have enum values in small letters and lists of one as that one, where that is asked for', () => {
  const lenient = (value: unknown) => json.decode('Holder', json.encode('Holder', value, { isLenient: true }));
  assert.deepEqual(lenient({ color: 'blue', colors: 'Green', many: { color: 'blue' }, mask: 'a' }), {
    color: 'BLUE',
    colors: ['GREEN'],
    many: [{ color: 'BLUE' }],
    mask: 'a',
  });
  assert.deepEqual(
    ['yes', 'On', 'y', 'true', 'off', 'no'].map((word) => lenient({ bool: word })),
    [...Array(4).fill({ bool: true }), {}, {}],
  );
  for (const [value, path] of [
    [{ bool: 'maybe' }, 'bool'],
    [{ color: 'pink' }, 'color'],
    [{ many: 'text' }, 'many'],
    [{ many: [[]] }, 'many[0]'],
    [{ colors: {} }, 'colors'],
  ] as const) {
    const isOfPath = (thrown: unknown) => thrown instanceof MessageError && thrown.violations[0]?.path === path;
    assert.throws(() => lenient(value), isOfPath, path);
  }
  assert.match(refusal({ many: {} }), /^many: expected a list/);
});

test('bytes are base64 in both alphabets, padded or not, and given in the standard one', () => {
  for (const text of ['-_-_', '+/+/', '-_+/']) assert.deepEqual(again({ bytes: text }), { bytes: '+/+/' });
  for (const text of ['_w', '_w==', '/w', '/w=='])
    assert.deepEqual(again({ bytes_value: text }), { bytes_value: '/w==' });
  for (const bad of ['A', 'AAAAA', 'A===', 'A=', 'AA AA', 'AA\n', 'AA=A', '=', '==', 'AA=', 'AAAA=', 'é', 5, [0]]) {
    assert.match(refusal({ bytes: bad }), /^bytes: expected bytes, got /, String(bad));
  }
});

test('paths of field masks that would not come back are refused both ways', () => {
  assert.deepEqual(again({ mask: 'a,fooBar.bazQux' }), { mask: 'a,fooBar.bazQux' });
  for (const bad of ['foo_bar', 'a, b', 5, ['a']]) {
    assert.match(refusal({ mask: bad }), /^mask: expected a comma-separated list of fields in lowerCamelCase, got /);
  }
  for (const path of ['foo_3', 'fooBar', 'foo__bar', 'foo_']) {
    const body = Buffer.from([0x0a, path.length, ...Buffer.from(path)]);
    const bytes = Buffer.from([0xd2, 0x01, body.length, ...body]);
    assert.throws(
      () => json.decode('Holder', bytes),
      /mask: not a valid message: the path "\w+" of a field mask has no form/,
    );
  }
});

test('only plain objects are messages and maps', () => {
  class Point {
    readonly int32 = 5;
  }
  assert.deepEqual(again({ inner: new Point() }), { inner: { int32: 5 } });
  assert.deepEqual(again({ inner: Object.assign(Object.create(null), { int32: 5 }) }), { inner: { int32: 5 } });
  for (const value of [
    new Map([['int32', 5]]),
    new Set(),
    new Date(0),
    /x/,
    new String('x'),
    Buffer.of(1),
    [],
    () => 1,
  ]) {
    assert.match(refusal({ inner: value }), /^inner: expected an object \(Holder\), got /);
    assert.match(refusal({ by_number: value }), /^by_number: expected a map, got /);
    if (!Array.isArray(value)) assert.match(refusal({ value }), /^value: expected a value of JSON, got /);
  }
});

test('numbers as keys of maps are whole numbers in decimal', () => {
  assert.deepEqual(again({ by_number: { '-1': 'a', 2147483647: 'b' } }), { by_number: { '-1': 'a', 2147483647: 'b' } });
  for (const key of ['', 'a', '1.5', '1e3', ' 1', '2147483648', '9'.repeat(100_000)]) {
    assert.match(refusal({ by_number: { [key]: 'x' } }), /expected a 32-bit integer, got /);
  }
});

test('odd names of unknown fields are quoted in the path, and long values cut', () => {
  const value = { inner: { 'a.b': 1, '[0]': 2, '': 3, ä: 4, plain: 5 }, int32: 'x'.repeat(500) };
  assert.deepEqual(refusal(value).split('; ').sort(), [
    'inner.plain: Holder has no such field',
    'inner[""]: Holder has no such field',
    'inner["[0]"]: Holder has no such field',
    'inner["a.b"]: Holder has no such field',
    'inner["ä"]: Holder has no such field',
    `int32: expected a 32-bit integer, got "${'x'.repeat(76)}…`,
  ]);
});
