import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FieldDescriptor, FileDescriptor, MessageDescriptor } from '../descriptor.ts';
import { closure, collect, jsonTypesOf, nativeModule, tablesOf } from './index.ts';

const NO_FIELD = { name: 'f', number: 1, label: 1, type: 9, typeName: '', jsonName: '', proto3Optional: false };

function field(change: Partial<FieldDescriptor>): FieldDescriptor {
  return { ...NO_FIELD, ...change };
}

function message(
  name: string,
  fields: readonly FieldDescriptor[],
  change: Partial<MessageDescriptor> = {},
): MessageDescriptor {
  return { name, field: fields, nestedType: [], enumType: [], oneofDecl: [], ...change };
}

function file(messages: readonly MessageDescriptor[], change: Partial<FileDescriptor> = {}): FileDescriptor {
  const empty = { dependency: [], enumType: [], service: [], syntax: 'proto3' };
  return { name: 'p/x.proto', package: 'p', ...empty, messageType: messages, ...change };
}

const ENTRY = message('ByNameEntry', [
  field({ name: 'key' }),
  field({ name: 'value', number: 2, type: 11, typeName: '.p.M' }),
]);
const M = message(
  'M',
  [
    field({ name: 'later', number: 9, type: 5 }),
    field({ name: 'text', number: 1 }),
    field({ name: 'maybe', number: 2, proto3Optional: true, oneofIndex: 1 }),
    field({ name: 'one', number: 3, type: 3, oneofIndex: 0 }),
    field({ name: 'two', number: 4, type: 11, typeName: '.p.M.Inner', oneofIndex: 0 }),
    field({ name: 'packed', number: 5, label: 3, type: 17 }),
    field({ name: 'loose', number: 6, label: 3, type: 13, options: { packed: false, deprecated: false } }),
    field({ name: 'by_name', number: 7, label: 3, type: 11, typeName: '.p.M.ByNameEntry' }),
    field({ name: 'color', number: 8, type: 14, typeName: '.p.Color', options: { deprecated: true } }),
  ],
  {
    nestedType: [message('Inner', [field({ type: 12 })]), { ...ENTRY, options: { mapEntry: true } }],
    oneofDecl: [{ name: 'kind' }, { name: '_maybe' }],
  },
);
const COLOR = {
  name: 'Color',
  value: [
    { name: 'RED', number: 0 },
    { name: 'DARK', number: -1 },
  ],
};

test('a table has each field in the order of numbers, with presence, type and oneof', () => {
  const { messages, enums } = tablesOf({ file: [file([M], { enumType: [COLOR] })] });
  assert.deepEqual(messages, {
    'p.M':
      '1 text =s;2 maybe ?s;3 one ?I @kind;4 two ?m p.M.Inner @kind;5 packed +z;6 loose *u;7 by_name %sm p.M;' +
      '8 color =e p.Color;9 later =i',
    'p.M.Inner': '1 f =B',
  });
  assert.deepEqual(enums, { 'p.Color': 'RED=0;DARK=-1' });
});

test('in proto2 every field has presence, and lists are packed where they say so', () => {
  const packed = field({ name: 'b', number: 2, label: 3, type: 5, options: { packed: true, deprecated: false } });
  const old = message('Old', [field({ name: 'a' }), packed, field({ name: 'c', number: 3, label: 3, type: 5 })]);
  const { messages } = tablesOf({ file: [file([old], { syntax: '' })] });
  assert.deepEqual(messages, { 'p.Old': '1 a ?s;2 b +i;3 c *i' });
});

test('what tables have no form for is refused by name', () => {
  for (const [change, expected] of [
    [{ type: 10 }, /^Error: p\.Bad\.f: groups are not supported$/],
    [{ name: 'f_x', jsonName: 'other' }, /^Error: p\.Bad\.f_x: the json_name other is not supported$/],
    [{ type: 99 }, /^Error: field f has a type that is not supported: 99$/],
    [{ name: 'constructor' }, /^Error: p\.Bad\.constructor: every object has a property of that name/],
    [{ name: 'to_string' }, /^Error: p\.Bad\.to_string: every object has a property of that name/],
  ] as const) {
    assert.throws(() => tablesOf({ file: [file([message('Bad', [field(change)])])] }), expected);
  }
  const edition = file([message('New', [])], { syntax: 'editions' });
  assert.throws(() => tablesOf({ file: [edition] }), /^Error: p\/x\.proto: editions are not supported$/);
});

test('what fields reach is kept with them, and a name that is nowhere is told', () => {
  const all = collect({ file: [file([M, message('Alone', [])], { enumType: [COLOR] })] });
  assert.deepEqual([...closure(all, ['p.M'])].sort(), ['p.Color', 'p.M', 'p.M.ByNameEntry', 'p.M.Inner']);
  assert.throws(() => closure(all, ['p.Nothing']), /^Error: the descriptors hold no p\.Nothing$/);
});

test('types of ProtoJSON make two arms of a oneof impossible to write', () => {
  const set = { file: [file([M], { enumType: [COLOR] })] };
  const text = jsonTypesOf(set, new Set(['p.M', 'p.M.Inner', 'p.Color']));
  assert.match(text, /readonly by_name\?: Readonly<Record<string, p_M>>;/);
  assert.match(text, /\{ readonly one\?: string \| number; readonly two\?: never; \}/);
  assert.match(text, /\/\*\* @deprecated \*\/ readonly color\?: p_Color;/);
  assert.match(text, /export type p_Color = 'RED' \| 'DARK' \| number;/);
  assert.match(text, / {2}readonly 'p\.M': p_M;/);
});

test('a module of own messages has no oneofs and no nested messages, and says so', () => {
  const named = (one: MessageDescriptor): string => nativeModule({ file: [file([one])] }, 'p/x.proto');
  const arms = message('Arms', [field({ name: 'a', oneofIndex: 0 })], { oneofDecl: [{ name: 'kind' }] });
  assert.throws(() => named(arms), /^Error: Arms\.a: oneof is not supported in contracts$/);
  const nested = message('Outer', [], { nestedType: [message('Inner', [])] });
  assert.throws(() => named(nested), /^Error: Outer: nested messages are not supported in contracts$/);
  assert.throws(() => nativeModule({ file: [] }, 'p/x.proto'), /^Error: the descriptors hold no p\/x\.proto$/);
  const plain = named(
    message('Plain', [field({ name: 'some_name', type: 12 }), field({ name: 'n', number: 2, proto3Optional: true })]),
  );
  assert.match(plain, /export interface Plain \{\n {2}readonly someName: Uint8Array;\n {2}readonly n\?: string;\n\}/);
});
