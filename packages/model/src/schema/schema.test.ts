import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  defaulted,
  INVALID,
  integer,
  list,
  object,
  oneOf,
  optional,
  refused,
  type Schema,
  suggest,
  text,
  variant,
} from './index.ts';

function violationsOf(schema: Schema<unknown>, value: unknown): string[] {
  const found: string[] = [];
  const read = schema.read(value, '', (path, message) => found.push(`${path}: ${message}`));
  assert.equal(read === INVALID, found.length > 0);
  return found;
}

const shape = object({
  name: text(),
  port: optional(integer(1, 65535)),
  mode: defaulted(oneOf('http', 'tcp'), 'http'),
  items: defaulted(list(object({ id: text() }), { max: 3, unique: { what: 'id', of: ({ id }) => id } }), []),
  old: optional(refused('is gone')),
});

test('a value that fits is given with its defaults, frozen', () => {
  const read = shape.read({ name: 'a', items: [{ id: 'x' }] }, '', () => assert.fail());
  assert.deepEqual(read, { name: 'a', mode: 'http', items: [{ id: 'x' }] });
  assert.ok(Object.isFrozen(read));
});

test('every violation is told at once, with its path', () => {
  const value = { nmae: 'a', port: '80', mode: 'htp', items: [{ id: 'x' }, { id: 'x' }, 7], other: 1, old: null };
  assert.deepEqual(violationsOf(shape, value), [
    'nmae: is not a field that is known here: did you mean name?',
    'other: is not a field that is known here: expected one of name, port, mode, items, old',
    'name: is missing: expected a text',
    'port: found "80", expected a whole number from 1 to 65535',
    'mode: found "htp", expected "http" or "tcp": did you mean "http"?',
    'items[1]: has the same id as items[0]: "x"',
    'items[2]: found 7, expected an object with id',
    'old: is gone',
  ]);
});

test('lists are no objects, and names from the prototype are no fields', () => {
  assert.deepEqual(violationsOf(shape, []), [': found a list, expected an object with name, port, mode, items, old']);
  assert.match(
    violationsOf(shape, JSON.parse('{"name":"a","__proto__":{"port":1}}'))[0] ?? '',
    /__proto__: is not a field/,
  );
  assert.match(violationsOf(shape, { name: 'a', constructor: 1 })[0] ?? '', /constructor: is not a field/);
});

test('a variant is told apart by its field', () => {
  const either = variant('type', {
    One: object({ type: oneOf('One'), one: text() }),
    Two: object({ type: oneOf('Two'), two: text() }),
  });
  assert.deepEqual(violationsOf(either, { type: 'One', two: 'x' }), [
    'two: is not a field that is known here: expected one of type, one',
    'one: is missing: expected a text',
  ]);
  assert.deepEqual(violationsOf(either, { type: 'Tow' }), [
    'type: found "Tow", expected One or Two: did you mean Two?',
  ]);
  assert.deepEqual(violationsOf(either, { type: 'toString' }), ['type: found "toString", expected One or Two']);
  assert.deepEqual(violationsOf(either, {}), ['type: found nothing, expected One or Two']);
});

test('suggestions are close, or none', () => {
  assert.equal(suggest('HTPRoute', ['Service', 'HTTPRoute']), 'HTTPRoute');
  assert.equal(suggest('stcok', ['stock', 'cart']), 'stock');
  assert.equal(suggest('payment', ['stock', 'cart']), undefined);
  assert.equal(suggest('x'.repeat(10_000), ['stock']), undefined);
});
