import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '@weft/contracts/error';
import fc from 'fast-check';
import { formatSpiffeId, isLabel, parseSpiffeId } from './index.ts';

test('an identity comes back from its text', () => {
  const id = { trustDomain: 'shop.example', namespace: 'shop', serviceAccount: 'cart-2' };
  assert.equal(formatSpiffeId(id), 'spiffe://shop.example/ns/shop/sa/cart-2');
  assert.deepEqual(parseSpiffeId(formatSpiffeId(id)), id);
});

test('any other text is refused by nothing but a WeftError', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      assert.throws(() => parseSpiffeId(text), WeftError);
      assert.throws(() => parseSpiffeId(`spiffe://shop.example/ns/shop/sa/${text}%`), WeftError);
    }),
  );
  for (const text of [
    'spiffe://a/ns/B/sa/c',
    'spiffe://a/ns/b/sa/-c',
    `spiffe://a/ns/b/sa/${'c'.repeat(64)}`,
    'spiffe:///ns/b/sa/c',
  ]) {
    assert.throws(() => parseSpiffeId(text), WeftError);
  }
});

test('a label is what DNS takes for one', () => {
  for (const good of ['a', '0', 'a-b', 'a'.repeat(63)]) assert.ok(isLabel(good), good);
  for (const bad of ['', '-a', 'a-', 'A', 'a.b', 'a_b', 'ä', 'a'.repeat(64), 'a\n'])
    assert.equal(isLabel(bad), false, bad);
});
