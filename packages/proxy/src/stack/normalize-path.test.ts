import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { normalizePath, type PathOptions } from './normalize-path.ts';

const PLAIN: PathOptions = { normalizes: true, mergesSlashes: false, escapedSlashes: 'keep' };

function pathOf(target: string, options: Partial<PathOptions> = {}): string {
  const result = normalizePath(target, { ...PLAIN, ...options });
  return result.type === 'path' ? result.path : result.type === 'redirect' ? `redirect ${result.path}` : 'rejected';
}

/** What Envoy 1.40 makes of these, tried on the real one. */
const AS_ENVOY: readonly (readonly [target: string, path: string])[] = [
  ['/a/../b', '/b'],
  ['/a/./b', '/a/b'],
  ['/a//b', '/a//b'],
  ['/../x', '/x'],
  ['/a/..', '/'],
  ['/a/.', '/a/'],
  ['/.', '/'],
  ['/..', '/'],
  ['/a/...', '/a/...'],
  ['/a/.b', '/a/.b'],
  ['/%2e%2e/x', '/x'],
  ['/a/%2e/b', '/a/b'],
  ['/a/%2E%2E%2f../b', '/a/..%2f../b'],
  ['/a/b/../../../c', '/c'],
  ['/a;b/../c', '/c'],
  ['/a/..;/b', '/b'],
  ['/a/.;x/b', '/a/b'],
  ['/a\\b', '/a/b'],
  ['/\\..\\x', '/x'],
  ['/a%2fb', '/a%2fb'],
  ['/a%5cb', '/a%5cb'],
  ['/a%252fb', '/a%252fb'],
  ['/%41%7e%2d', '/A~-'],
  ['/%e4%3b%2c', '/%e4%3b%2c'],
  ['/a%zz', '/a%zz'],
  ['/a%', '/a%'],
  ['/%%32e/', '/%252e/'],
  ['/%%32%65%%32e/x', '/%252e%252e/x'],
  ['/a%2%66b', '/a%252fb'],
  ['/a%%35cb', '/a%255cb'],
  ['/a%%30%30', '/a%2500'],
  ['/a%%%32f', '/a%%252f'],
  ['/a%00b', 'rejected'],
  ['/a|b"c<d^e{f`', '/a%7Cb%22c%3Cd%5Ee%7Bf%60'],
  ["/a'b", "/a'b"],
  ['/a?x=/../y', '/a?x=/../y'],
  ['/a/../b?c=%2e%2e', '/b?c=%2e%2e'],
  ['//a', '//a'],
];

test('paths are brought into the form that Envoy gives them', () => {
  for (const [target, path] of AS_ENVOY) assert.equal(pathOf(target), path, target);
});

test('escaped slashes are taken back before dot segments go', () => {
  const forward = { escapedSlashes: 'unescape', mergesSlashes: true } as const;
  assert.equal(pathOf('/a%2fb', forward), '/a/b');
  assert.equal(pathOf('/a%5cb', forward), '/a/b');
  assert.equal(pathOf('/a/%2E%2E%2f../b', forward), '/b');
  assert.equal(pathOf('/a//b///c', forward), '/a/b/c');
  assert.equal(pathOf('/a%2Fb', { escapedSlashes: 'reject' }), 'rejected');
  assert.equal(pathOf('/a?b=%2f', { escapedSlashes: 'reject' }), '/a?b=%2f');
  assert.equal(pathOf('/a%2fb', { escapedSlashes: 'redirect' }), 'redirect /a/b');
  assert.equal(pathOf('/a/%2e%2e%2f../b', { escapedSlashes: 'redirect' }), 'redirect /b');
});

test('what is not asked for is not done', () => {
  const off: PathOptions = { normalizes: false, mergesSlashes: false, escapedSlashes: 'keep' };
  for (const path of ['/a/../b', '/a//b', '/a\\b', '/%2e', '/a|b']) assert.equal(pathOf(path, off), path);
});

const targets = fc
  .array(fc.constantFrom('/', '.', '..', '%2e', '%2E%2e', '%2f', '%5C', '\\', 'a', '%41', '%', ';', '|', '%252e'), {
    maxLength: 12,
  })
  .map((parts) => `/${parts.join('')}`);

test('a normalised path is rooted, climbs nowhere, and stays what it is', () => {
  fc.assert(
    fc.property(
      targets,
      fc.boolean(),
      fc.constantFrom('keep' as const, 'unescape' as const),
      (target, mergesSlashes, escapedSlashes) => {
        const options: PathOptions = { normalizes: true, mergesSlashes, escapedSlashes };
        const once = pathOf(target, options);
        assert.match(once, /^\//);
        assert.doesNotMatch(once, /\/\.{1,2}(\/|$)/);
        assert.doesNotMatch(once, /\\/);
        if (escapedSlashes === 'keep') assert.equal(pathOf(once, options), once);
      },
    ),
    { numRuns: 2000 },
  );
});
