/** Bytes and values that mean harm: bombs, lengths that overflow, text that is none, names of the language. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createJsonCodec, createNativeCodec, MessageError } from './index.ts';
import { type TableSource, Tables } from './table.ts';

const SOURCE: TableSource = {
  messages: {
    M:
      '1 text =s;2 inner ?m M;3 numbers +i;4 longs +I;5 many *m M;6 map %sm M;7 bytes =B;8 names *s;9 maybe ?s;' +
      '10 flags +b;11 any ?m google.protobuf.Any;12 struct ?m google.protobuf.Struct;13 choice ?s @k;14 other ?m M @k;' +
      '15 strings %ss',
    'google.protobuf.Any': '1 type_url =s;2 value =B',
    'google.protobuf.Struct': '1 fields %sm google.protobuf.Value',
    'google.protobuf.Value': '1 null_value ?e google.protobuf.NullValue @kind',
    'google.protobuf.ListValue': '1 values *m google.protobuf.Value',
  },
  enums: { 'google.protobuf.NullValue': 'NULL_VALUE=0' },
};
const json = createJsonCodec(SOURCE);
const native = createNativeCodec(SOURCE);

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

function refusal(work: () => unknown): MessageError {
  try {
    work();
  } catch (thrown) {
    assert.ok(thrown instanceof MessageError, String(thrown));
    return thrown;
  }
  assert.fail('nothing was refused');
}

/** A length-delimited field. */
function field(number: number, body: Uint8Array): Buffer {
  const head = [(number << 3) | 2];
  let rest = body.length;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) head.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([...head, rest]), body]);
}

test('text that is not UTF-8 is refused by both codecs with the path of its field', () => {
  for (const bad of ['ff', 'c0 80', 'ed a0 80', 'f4 90 80 80', 'e2 82', '61 80', 'f8 88 80 80 80']) {
    for (const [number, path] of [
      [1, 'text'],
      [8, 'names[0]'],
      [9, 'maybe'],
      [13, 'choice'],
    ] as const) {
      for (const codec of [json, native]) {
        const { violations } = refusal(() => codec.decode('M', field(number, hex(bad))));
        const expected = [{ path: path.replace('[0]', ''), message: 'not a valid message: a string is not UTF-8' }];
        assert.deepEqual(violations, expected, bad);
      }
    }
    const inMap = field(6, Buffer.concat([field(1, hex(bad)), field(2, Buffer.of())]));
    assert.match(refusal(() => json.decode('M', inMap)).message, /^M: map: .* a string is not UTF-8$/);
    const inMapValue = field(15, Buffer.concat([field(1, Buffer.from('k')), field(2, hex(bad))]));
    assert.match(refusal(() => json.decode('M', inMapValue)).message, /^M: strings\["k"\]: .* a string is not UTF-8$/);
    const inAny = field(11, field(1, hex(bad)));
    assert.match(refusal(() => json.decode('M', inAny)).message, /^M: any: .* a string is not UTF-8$/);
  }
});

test('text of every plane, and the replacement character itself, is read as it was written', () => {
  for (const text of ['\ufffd', 'a\ufffdb', 'ä€😀', '\u0000', '\uffff', `${'x'.repeat(100_000)}\ufffd`]) {
    assert.deepEqual(json.decode('M', json.encode('M', { text })), { text });
    assert.deepEqual((native.decode('M', native.encode('M', { text })) as { text: string }).text, text);
  }
});

test('a length or number beyond 32 bits is refused, not cut to one that fits', () => {
  for (const bytes of [
    '0a 81 80 80 80 10 61', // a length of 2^32 + 1
    '0a 81 80 80 80 80 80 80 80 80 01 61', // 2^63 + 1
    '12 82 80 80 80 10 0a 00', // of a message
    '1a 81 80 80 80 10 01', // of packed numbers
    'fa 01 81 80 80 80 10 61', // of a field that is passed over
    '8a 80 80 80 10 01 61', // the number 1, and 2^32 more
    '8a 80 80 80 80 80 80 80 80 01 01 61',
  ]) {
    assert.match(refusal(() => json.decode('M', hex(bytes))).message, /number or length is beyond 32 bits$/, bytes);
  }
  for (const bytes of ['0a ff ff ff ff 0f', '0a ff ff ff ff 07 61', '0a 80 80 80 80 08', 'fa 01 ff ff ff ff 0f']) {
    assert.match(refusal(() => json.decode('M', hex(bytes))).message, /the message ends inside a field$/, bytes);
  }
  const longForm = hex('8a 80 80 80 00 81 80 00 61');
  assert.deepEqual(json.decode('M', longForm), { text: 'a' }, 'more bytes than needed, as some writers do');
});

test('a value that holds itself many times is refused at once', () => {
  const value: { many?: unknown; map?: unknown } = {};
  value.many = [value, value, value];
  value.map = { a: value, b: value };
  const { violations } = refusal(() => json.encode('M', value));
  assert.equal(violations.length, 1);
  assert.match(violations[0]?.message ?? '', /^nested more than 100 deep$/);
  const list: unknown[] = [];
  list.push(list, list);
  assert.match(refusal(() => json.encode('M', { struct: { list } })).message, /nested more than 100 deep/);
});

test('bombs of every kind of nesting end at the limit, and the stack holds', () => {
  const anyHead = field(1, Buffer.from('type.googleapis.com/M'));
  const kinds: readonly ((inner: Buffer) => Buffer)[] = [
    (inner) => field(2, inner),
    (inner) => field(5, inner),
    (inner) => field(6, Buffer.concat([field(1, Buffer.from('k')), field(2, inner)])),
    (inner) => field(14, inner),
    (inner) => field(11, Buffer.concat([anyHead, field(2, inner)])),
  ];
  for (const wrap of kinds) {
    let bytes = Buffer.alloc(0) as Buffer;
    for (let depth = 0; depth < 3_000; depth++) bytes = wrap(bytes);
    assert.match(refusal(() => json.decode('M', bytes)).message, /nested more than 100 deep$/);
  }
  let list = Buffer.alloc(0) as Buffer;
  for (let depth = 0; depth < 3_000; depth++) list = field(6, field(1, list));
  const struct = field(12, field(1, Buffer.concat([field(1, Buffer.from('k')), field(2, list)])));
  assert.match(refusal(() => json.decode('M', struct)).message, /nested more than 100 deep$/);
});

/** How many bytes `make` leaves on the heap for each byte that it reads. */
function growth(bytes: Buffer, make: (bytes: Buffer) => unknown): number {
  const before = process.memoryUsage().heapUsed;
  const made = make(bytes);
  const after = process.memoryUsage().heapUsed;
  assert.ok(made);
  return (after - before) / bytes.length;
}

test('what is read takes memory in proportion to its bytes', () => {
  const size = 200_000;
  const limit = 250;
  const bombs: Readonly<Record<string, Buffer>> = {
    'packed numbers': field(3, Buffer.alloc(size, 1)),
    'packed integers of 64 bits': field(4, Buffer.alloc(size, Buffer.of(0x81, 0x01))),
    'packed flags': field(10, Buffer.alloc(size)),
    'empty texts': Buffer.alloc(size, Buffer.of(0x42, 0)),
    'empty messages': Buffer.alloc(size, Buffer.of(0x2a, 0)),
    'messages that are merged': Buffer.alloc(size, Buffer.of(0x12, 0)),
    'entries of one key': Buffer.alloc(size, Buffer.of(0x32, 0)),
  };
  for (const [name, bytes] of Object.entries(bombs)) {
    for (const codec of [json, native]) {
      const factor = growth(bytes, (from) => codec.decode('M', from));
      assert.ok(factor < limit, `${name}: ${factor.toFixed(0)} bytes for each`);
    }
  }
});

test('fields that are not known are told once a message, however often they come', () => {
  const told: string[] = [];
  const unknown = Buffer.alloc(30_000, hex('f8 01 05'));
  const bytes = Buffer.concat([unknown, field(2, unknown), field(5, unknown), field(5, unknown)]);
  json.decode('M', bytes, { unknownField: (path, _, number) => told.push(`${path}|${number}`) });
  assert.deepEqual(told, ['|31', 'inner|31', 'many[0]|31', 'many[1]|31']);
});

test('what has no items is shared and cannot be changed, and merging makes a new one', () => {
  type Read = { readonly many: unknown[]; readonly map: object; readonly inner: { readonly names: readonly string[] } };
  const empty = native.decode('M', Buffer.of()) as Read;
  assert.throws(() => empty.many.push(1), TypeError);
  assert.throws(() => Object.assign(empty.map, { a: 1 }), TypeError);
  const merged = native.decode(
    'M',
    Buffer.concat([field(2, Buffer.of()), field(2, field(8, Buffer.from('a')))]),
  ) as Read;
  assert.deepEqual(merged.inner.names, ['a']);
  const entry = field(6, field(1, Buffer.from('k')));
  const twice = native.decode('M', field(2, entry)) as { inner: { map: object } };
  assert.deepEqual(Object.keys(twice.inner.map), ['k']);
  const mergedMap = native.decode('M', Buffer.concat([field(2, Buffer.of()), field(2, entry)])) as {
    inner: { map: object };
  };
  assert.deepEqual(Object.keys(mergedMap.inner.map), ['k']);
  assert.deepEqual((native.decode('M', Buffer.of()) as Read).map, {});
});

test('names of the language pollute nothing, as keys of maps, of structs and as unknown fields', () => {
  const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__defineGetter__'];
  for (const name of names) {
    const text = `{"map":{"${name}":{"text":"x"}},"struct":{"${name}":{"${name}":true}},"strings":{"${name}":"x"}}`;
    const read = json.decode('M', json.encode('M', JSON.parse(text))) as Record<string, object>;
    assert.equal(JSON.stringify(read), text);
    for (const map of Object.values(read)) assert.deepEqual(Object.keys(map), [name]);
    const ours = native.decode('M', json.encode('M', { strings: JSON.parse(`{"${name}":"x"}`) })) as {
      strings: object;
    };
    assert.equal(JSON.stringify(ours.strings), `{"${name}":"x"}`);
    const { violations } = refusal(() => json.encode('M', JSON.parse(`{"${name}": {"text": "x"}}`)));
    assert.deepEqual(violations, [{ path: name, message: 'M has no such field' }]);
    const any = { '@type': `type.googleapis.com/${name}`, '@bytes': 'AAEC' };
    assert.deepEqual(json.decode('M', json.encode('M', { any })), { any });
    assert.equal(json.has(name), false);
  }
  const merged = json.decode('M', Buffer.alloc(39, field(6, field(1, Buffer.from('__proto__'))))) as { map: object };
  assert.equal(Object.getPrototypeOf(merged.map), Object.prototype);
  const plain: Record<string, unknown> = {};
  assert.deepEqual([plain.text, plain.x, Object.keys(Object.prototype)], [undefined, undefined, []]);
});

test('tables with a field that every object has are refused, as it could not be told from it', () => {
  for (const name of ['constructor', '__proto__', 'to_string', 'valueOf', 'has_own_property']) {
    const tables = new Tables({ messages: { Bad: `1 ${name} =s` }, enums: {} });
    assert.throws(
      () => tables.message('Bad'),
      new RegExp(`a field cannot have the name ${name}, which every object has`),
    );
  }
});

test('the text of an error is short, and the violations are all there', () => {
  const error = refusal(() => json.encode('M', { names: Array(5_000).fill(1) }));
  assert.equal(error.violations.length, 5_000);
  assert.match(error.message, /^M: names\[0\]: expected a string, got 1; .*; and 4900 more$/);
});
