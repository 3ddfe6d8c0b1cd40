import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileRegex } from './regex.ts';

function compiled(regex: string, isWhole = true): RegExp {
  const result = compileRegex(regex, { isWhole });
  assert.ok(result instanceof RegExp, `${regex} ${String(result)}`);
  return result;
}

test('letters without case match in either, in sets and their ranges as well', () => {
  const cases: readonly (readonly [regex: string, text: string, matches: boolean])[] = [
    ['(?i)aB-c', 'Ab-C', true],
    ['(?i)[a-c]+', 'AbC', true],
    ['(?i)[a-c]+', 'd', false],
    ['(?i)[X-b]+', 'xYzAB', true],
    ['(?i)[X-b]+', 'c', false],
    ['(?i)[^a]', 'A', false],
    ['(?i)[^a]', 'b', true],
    ['(?i)[\\x41]', 'a', true],
    ['(?i)\\x41', 'a', true],
    ['(?i)[a\\-z]+', 'A-Z', true],
    ['(?i)[a\\-z]+', 'b', false],
    ['(?i)[-a]+', '-A', true],
    ['(?i)[\\d-z]+', '1-Z', true],
    ['(?i)[]a]+', ']A', true],
    ['(?i)\\d\\w\\S', '1Aa', true],
    ['a(?i:b)c', 'aBc', true],
    ['a(?i:b)c', 'aBC', false],
    ['(?i)a(?-i:b)c', 'AbC', true],
    ['(?i)a(?-i:b)c', 'ABC', false],
    ['(?P<name>a)(?<other>b)', 'ab', true],
    ['\\\\Ab', '\\Ab', true],
    ['[\\\\z]', '\\', true],
  ];
  for (const [regex, text, matches] of cases) assert.equal(compiled(regex).test(text), matches, `${regex} ${text}`);
});

test('counted repetitions match as often as they say', () => {
  for (const [regex, least, most] of [
    ['a{17}', 17, 17],
    ['a{0}', 0, 0],
    ['a{0,40}', 0, 40],
    ['a{20,}', 20, 200],
    ['(a){20,30}', 20, 30],
    ['(?:a{5}){6}?', 30, 30],
    ['a{1,1000}', 1, 1000],
  ] as const) {
    const expression = compiled(regex);
    for (const count of [0, 1, least - 1, least, least + 1, most - 1, most, most + 1].filter((one) => one >= 0)) {
      const isIn = count >= least && (count <= most || most === 200);
      assert.equal(expression.test('a'.repeat(count)), isIn, `${regex} ${count}`);
    }
  }
  assert.equal('aaa'.replace(compiled('a{1,2}?', false), '-'), '---');
  assert.equal('xaaay'.replace(compiled('(x)a{1,20}(y)', false), '$2$1'), 'yx');
});

test('what repeats too much, or is not closed, is refused', () => {
  const refused = [
    'a{1001}',
    'a{2,1}',
    '(a{1000}){1000}',
    '(',
    ')',
    'a)',
    '[a',
    'a\\',
    '(?s:a)',
    '(?i-s:a)',
    '(a',
    '**',
  ];
  for (const regex of refused) assert.equal(typeof compileRegex(regex, { isWhole: true }), 'string', regex);
  const counted = compileRegex('((a|b){30})c', { isWhole: false });
  assert.match(String(counted), /linear time/);
});

test('no expression holds the process up, whatever it repeats', () => {
  const text = 'a'.repeat(3000);
  for (const regex of [
    '(a+)+b',
    '(?i)(a+)+b',
    '(a|aa){1,50}b',
    '(a|a){30}b',
    '(?:(?:a+){2,})+b',
    '((a{1,8}){1,8}){1,8}b',
    '(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x{40}',
  ]) {
    const begun = process.cpuUsage();
    assert.equal(compiled(regex).test(text), false, regex);
    const { user } = process.cpuUsage(begun);
    assert.ok(user < 5_000_000, `${regex} took ${user} µs`);
  }
});

const piece = fc.stringMatching(/^(?:[a-c]|\[[a-c]\]|\.|\(a\|b\)|\(\?:bc\)|\\w)(?:\*|\+|\?|\{2\}|\{0,2\}|\{1,\})?$/);

test('expressions match what JavaScript matches with them', () => {
  const texts = fc.array(fc.stringMatching(/^[a-dA-D]{0,8}$/), { minLength: 20, maxLength: 20 });
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 5 }), fc.boolean(), texts, (pieces, isLax, given) => {
      const source = pieces.join('');
      const ours = compiled(`${isLax ? '(?i)' : ''}${source}`);
      const theirs = new RegExp(`^(?:${source})$`, isLax ? 'is' : 's');
      for (const text of given) assert.equal(ours.test(text), theirs.test(text), `${source} ${text}`);
    }),
    { numRuns: 300 },
  );
});
