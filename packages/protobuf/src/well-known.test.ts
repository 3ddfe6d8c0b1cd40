import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createJsonCodec, MessageError } from './index.ts';

const codec = createJsonCodec({
  messages: {
    Holder:
      '1 duration ?m google.protobuf.Duration;2 time ?m google.protobuf.Timestamp;3 any ?m google.protobuf.Any;' +
      '4 struct ?m google.protobuf.Struct;5 value ?m google.protobuf.Value;6 list ?m google.protobuf.ListValue;' +
      '7 mask ?m google.protobuf.FieldMask;8 flag ?m google.protobuf.BoolValue;9 count ?m google.protobuf.UInt32Value;' +
      '10 long ?m google.protobuf.Int64Value;11 null_value ?e google.protobuf.NullValue @kind;12 name ?s @kind;' +
      '13 durations *m google.protobuf.Duration;14 values *m google.protobuf.Value;15 empty ?m google.protobuf.Empty',
    'google.protobuf.Duration': '1 seconds =I;2 nanos =i',
    'google.protobuf.Timestamp': '1 seconds =I;2 nanos =i',
    'google.protobuf.Any': '1 type_url =s;2 value =B',
    'google.protobuf.Struct': '1 fields %sm google.protobuf.Value',
    'google.protobuf.Value': '1 null_value ?e google.protobuf.NullValue @kind;2 number_value ?d @kind',
    'google.protobuf.ListValue': '1 values *m google.protobuf.Value',
    'google.protobuf.FieldMask': '1 paths *s',
    'google.protobuf.BoolValue': '1 value =b',
    'google.protobuf.UInt32Value': '1 value =u',
    'google.protobuf.Int64Value': '1 value =I',
    'google.protobuf.Empty': '',
  },
  enums: { 'google.protobuf.NullValue': 'NULL_VALUE=0' },
});

function again(value: unknown): unknown {
  return codec.decode('Holder', codec.encode('Holder', value));
}

function violations(work: () => unknown): readonly string[] {
  try {
    work();
  } catch (thrown) {
    assert.ok(thrown instanceof MessageError, String(thrown));
    return thrown.violations.map(({ path, message }) => `${path}: ${message}`);
  }
  assert.fail('nothing was refused');
}

test('durations are kept to the nanosecond and written with 0, 3, 6 or 9 digits', () => {
  for (const [given, written] of [
    ['0s', '0s'],
    ['1s', '1s'],
    ['0.25s', '0.250s'],
    ['-0.5s', '-0.500s'],
    ['-1.000001s', '-1.000001s'],
    ['1.000000001s', '1.000000001s'],
    ['315576000000.999999999s', '315576000000.999999999s'],
  ]) {
    assert.deepEqual(again({ duration: given }), { duration: written });
  }
});

test('what is no duration, and what is out of its range, is refused', () => {
  for (const bad of [
    '1',
    '1m',
    's',
    '.5s',
    '1.s',
    '1.0000000001s',
    '+1s',
    ' 1s',
    '1e3s',
    '315576000001s',
    1,
    null,
    {},
  ]) {
    const [first = ''] = violations(() => codec.encode('Holder', { durations: [bad] }));
    assert.match(first, /^durations\[0\]: expected a duration such as "0\.250s", got /, String(bad));
  }
  for (const bytes of ['0a 06 10 80 94 eb dc 03', '0a 04 08 01 10 ff ff ff ff ff ff ff ff ff 01'] as const) {
    const body = bytes.replaceAll(' ', '');
    const fixed = body.startsWith('0a04') ? `0a0d${body.slice(4)}` : body;
    assert.match(
      violations(() => codec.decode('Holder', Buffer.from(fixed, 'hex')))[0] ?? '',
      /^duration: .*out of range/,
    );
  }
});

test('times are those of RFC 3339, given in UTC', () => {
  for (const [given, written] of [
    ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00Z'],
    ['2026-11-21t05:06:07.1z', '2026-11-21T05:06:07.100Z'],
    ['2026-11-21T05:06:07.123456789+01:30', '2026-11-21T03:36:07.123456789Z'],
    ['1969-12-31T23:59:59.5Z', '1969-12-31T23:59:59.500Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
    ['9999-12-31T23:59:59.999999999Z', '9999-12-31T23:59:59.999999999Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00Z'],
  ]) {
    assert.deepEqual(again({ time: given }), { time: written });
  }
  for (const bad of [
    '2026-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01 00:00:00Z',
    '2026-01-01T00:00:00',
    '0000-01-01T00:00:00Z',
    '0001-01-01T00:00:00+01:00',
    '2026-01-01T00:00:00.Z',
    0,
  ]) {
    assert.match(
      violations(() => codec.encode('Holder', { time: bad }))[0] ?? '',
      /^time: expected a time such as/,
      String(bad),
    );
  }
});

test('JSON of any shape is kept', () => {
  const value = { a: null, b: [1, 'x', [true, {}], { c: -0.5 }], d: '' };
  assert.deepEqual(again({ struct: value, value: [value, null], list: [null, value] }), {
    struct: value,
    value: [value, null],
    list: [null, value],
  });
  assert.deepEqual(again({ value: null, values: [null, 1] }), { value: null, values: [null, 1] });
  const polluting = JSON.parse('{"struct": {"__proto__": {"polluted": true}, "constructor": {"prototype": {}}}}');
  assert.deepEqual(JSON.stringify(again(polluting)), JSON.stringify(polluting));
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  const bad = violations(() => codec.encode('Holder', { value: () => 1, struct: [], list: {} }));
  assert.deepEqual(bad.map((text) => text.split(',')[0]).sort(), [
    'list: expected a list',
    'struct: expected an object',
    'value: expected a value of JSON',
  ]);
});

test('JSON that is nested too deep is refused both ways, and what can be written can be read', () => {
  const nested = (depth: number, list: boolean): unknown => {
    let value: unknown = 1;
    for (let level = 0; level < depth; level++) value = list ? [value] : { a: value };
    return value;
  };
  for (const list of [true, false]) {
    let deepest = 0;
    for (let depth = 1; depth < 120; depth++) {
      try {
        const bytes = codec.encode('Holder', { value: nested(depth, list) });
        assert.deepEqual(codec.decode('Holder', bytes), { value: nested(depth, list) });
        deepest = depth;
      } catch (thrown) {
        assert.ok(thrown instanceof MessageError);
        assert.match(thrown.message, /nested more than 100 deep/);
        assert.equal(thrown.violations.length, 1);
      }
    }
    assert.ok(deepest >= 40 && deepest < 100, `${deepest} levels`);
    violations(() => codec.encode('Holder', { value: nested(50_000, list) }));
  }
});

test('wrappers stand for their values, also for zeros', () => {
  const value = { flag: false, count: 0, long: '0' };
  assert.deepEqual(again(value), value);
  assert.deepEqual(again({ flag: true, count: '7', long: -7 }), { flag: true, count: 7, long: '-7' });
  assert.deepEqual(violations(() => codec.encode('Holder', { count: -1, flag: 'x' })).length, 2);
});

test('the null of protobuf is null, also as an arm of a oneof', () => {
  assert.deepEqual(again({ null_value: null }), { null_value: null });
  assert.equal(violations(() => codec.encode('Holder', { null_value: null, name: 'x' })).length, 1);
});

test('field masks are spelled in lowerCamelCase', () => {
  assert.deepEqual(again({ mask: 'fooBar,baz.quxQuux' }), { mask: 'fooBar,baz.quxQuux' });
  assert.match(codec.encode('Holder', { mask: 'fooBar' }).toString(), /foo_bar/);
  assert.deepEqual(again({ mask: '' }), { mask: '' });
});

test('an Any holds a message beside its type, or a value that has a form of its own', () => {
  const url = (name: string): string => `type.googleapis.com/${name}`;
  for (const any of [
    { '@type': url('Holder'), name: 'x', any: { '@type': url('google.protobuf.Empty') } },
    { '@type': url('google.protobuf.Duration'), value: '1.500s' },
    { '@type': url('google.protobuf.Struct'), value: { a: [1] } },
    { '@type': url('google.protobuf.Any'), value: { '@type': url('google.protobuf.BoolValue'), value: true } },
    {},
    { '@type': url('unknown.Message'), '@bytes': 'AAEC' },
  ]) {
    assert.deepEqual(again({ any }), { any });
  }
});

test('what is wrong inside an Any is told with its path', () => {
  const url = (name: string): string => `type.googleapis.com/${name}`;
  for (const [any, expected] of [
    [5, 'any: expected an object with "@type", got 5'],
    [{ name: 'x' }, 'any: expected an object with "@type", got an object'],
    [{ '@type': url('no.Such') }, 'any: the type type.googleapis.com/no.Such is not known'],
    [{ '@type': url('no.Such'), '@bytes': '?' }, 'any.@bytes: expected bytes, got "?"'],
    [{ '@type': url('Holder'), '@bytes': '?' }, 'any.@bytes: expected bytes, got "?"'],
    [{ '@type': url('Holder'), nam: 1 }, 'any.nam: Holder has no such field'],
    [{ '@type': url('Holder'), '@bytes': '', name: 'x' }, 'any.name: cannot stand beside "@bytes"'],
    [{ '@type': url('google.protobuf.Duration'), value: 5 }, 'any.value: expected a duration such as "0.250s", got 5'],
    [
      { '@type': url('google.protobuf.Duration'), value: '1s', unit: 'x' },
      'any.unit: google.protobuf.Duration in an Any has "value" alone',
    ],
  ] as const) {
    assert.deepEqual(
      violations(() => codec.encode('Holder', { any })),
      [expected],
    );
  }
});

test('an Any in an Any in an Any is read to a limit, not to the end of the stack', () => {
  const url = 'type.googleapis.com/google.protobuf.Any';
  let bytes = Buffer.alloc(0);
  const lengthOf = (size: number): number[] => {
    const out: number[] = [];
    let rest = size;
    for (; rest > 0x7f; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
    return [...out, rest];
  };
  for (let depth = 0; depth < 5_000; depth++) {
    bytes = Buffer.concat([
      Buffer.from([0x0a, url.length]),
      Buffer.from(url),
      Buffer.from([0x12, ...lengthOf(bytes.length)]),
      bytes,
    ]);
  }
  const whole = Buffer.concat([Buffer.from([0x1a, ...lengthOf(bytes.length)]), bytes]);
  assert.match(violations(() => codec.decode('Holder', whole))[0] ?? '', /nested more than 100 deep/);
});

test('fields that well-known messages do not know are told too', () => {
  const told: string[] = [];
  const unknownField = (path: string, type: string, number: number): number => told.push(`${path}|${type}|${number}`);
  codec.decode('Holder', Buffer.from('0a0218052a0238051a023805', 'hex'), { unknownField });
  assert.deepEqual(told, [
    'duration|google.protobuf.Duration|3',
    'value|google.protobuf.Value|7',
    'any|google.protobuf.Any|7',
  ]);
});
