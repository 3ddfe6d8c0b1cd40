import assert from 'node:assert/strict';
import { test } from 'node:test';
import { programSize, regexTrouble } from './regex.ts';

test('what both engines share is allowed', () => {
  const patterns = [
    '/api/v[0-9]+/.*',
    '/(?:foo|bar)(?:/[a-z0-9_-]+)?',
    '^/a$',
    '/a{2,5}b{3}c{1,}',
    '[^/]+\\.json',
    '\\d{4}-\\d\\d',
    '/x\\x2fy',
    'a+?b*?c??',
    '[\\w.-]+@[-a-z]+',
    '/()|',
  ];
  for (const pattern of patterns) assert.equal(regexTrouble(pattern), undefined, pattern);
});

test('what RE2 does not have is refused by name', () => {
  const expected: Readonly<Record<string, RegExp>> = {
    '/(?=a)b': /looks around/,
    '/(?!a)b': /looks around/,
    '/(?<=a)b': /looks around/,
    '/(?<!a)b': /looks around/,
    '(a)\\1': /back-references/,
    '(?<name>a)\\k<name>': /do not share/,
    'a++': /possessive/,
    '(?>a)': /do not share/,
  };
  for (const [pattern, message] of Object.entries(expected))
    assert.match(regexTrouble(pattern) ?? '', message, pattern);
});

test('what JavaScript does not have, or reads otherwise, is refused', () => {
  const patterns = [
    '(?i)abc',
    '(?P<name>a)',
    '\\pL',
    '\\Aabc\\z',
    '\\Qa.b\\E',
    '[[:alpha:]]',
    '[]a]',
    '[^]',
    'a**',
    '^*',
    'a{,5}',
    'a{',
    'a}',
    ']',
    '[a-\\d]',
    '[a-c-e]',
    '[z-a]',
    '\\',
    '\\_é',
    'é',
    '(a',
    'a)',
    '*a',
    '\\cA',
    '\\0',
    '\\u0041',
    '[\\b]',
    'a{5,2}',
    'a{2000}',
    'a\\_b',
  ];
  for (const pattern of patterns) assert.notEqual(regexTrouble(pattern), undefined, pattern);
});

test('programs longer than Envoy compiles are refused', () => {
  assert.equal(regexTrouble('a'.repeat(96)), undefined);
  assert.match(regexTrouble('a'.repeat(97)) ?? '', /compiles to 101 instructions, expected at most 100/);
  assert.match(regexTrouble('(?:a{100}){100}') ?? '', /too long/);
  assert.match(regexTrouble('a'.repeat(2000)) ?? '', /2000 characters/);
  assert.match(regexTrouble('('.repeat(400)) ?? '', /nested/);
});

// What Envoy 1.40 says of these, with `re2.max_program_size.error_level: 1`.
const ENVOY_SIZES: Readonly<Record<string, number>> = {
  '/a': 6,
  '/abcdefghij': 15,
  '/a.*': 8,
  '/[^/]+': 8,
  '/[a-zA-Z0-9_-]+': 10,
  '/\\d+': 7,
  '/\\w+': 9,
  '/\\s': 8,
  '/\\S': 9,
  '/\\W': 10,
  '/a{5}': 10,
  '/a{2,5}': 13,
  '/a{3,}': 9,
  '/(a|b|c)': 8,
  '/(?:foo|bar)': 11,
  '/a?': 7,
  '/a+?': 7,
  '/(?:[a-z]{3}){4}': 17,
  '/(a)(b)': 11,
  '/(a|ab|abc)': 12,
  '/[\\d.]+': 8,
};

test('the size of a program is never told smaller than Envoy makes it, and not much larger', () => {
  for (const [pattern, real] of Object.entries(ENVOY_SIZES)) {
    const told = programSize(pattern);
    assert.ok(told >= real, `${pattern}: told ${told}, Envoy makes ${real}`);
    assert.ok(told <= real * 2 + 4, `${pattern}: told ${told}, Envoy makes ${real}`);
  }
});
