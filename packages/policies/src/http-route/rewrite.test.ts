import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pathChange } from './rewrite.ts';

/** What Envoy makes of a path that the prefix matched. */
function rewritten(path: string, prefix: string, replacement: string): string {
  const change = pathChange(
    { type: 'ReplacePrefixMatch', replacePrefixMatch: replacement },
    { type: 'PathPrefix', value: prefix },
  );
  if ('prefix_rewrite' in change) return change.prefix_rewrite + path.slice(prefix.length);
  return path.replace(new RegExp(change.regex_rewrite.pattern.regex), change.regex_rewrite.substitution);
}

test('prefixes are replaced as the table of the Gateway API has it', () => {
  const table = [
    ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
    ['/foo/bar', '/foo', '/xyz/', '/xyz/bar'],
    ['/foo', '/foo', '/xyz', '/xyz'],
    ['/foo/', '/foo', '/xyz', '/xyz/'],
    ['/foo/bar', '/foo', '', '/bar'],
    ['/foo/', '/foo', '', '/'],
    ['/foo', '/foo', '', '/'],
    ['/foo/', '/foo', '/', '/'],
    ['/foo', '/foo', '/', '/'],
    ['/foo/bar', '/', '/xyz', '/xyz/foo/bar'],
    ['/f.o/bar', '/f.o', '/', '/bar'],
  ] as const;
  for (const [path, prefix, replacement, expected] of table) {
    assert.equal(rewritten(path, prefix, replacement), expected, `${path} ${prefix} ${replacement}`);
  }
});

test('the whole path is replaced, whatever it was', () => {
  const change = pathChange({ type: 'ReplaceFullPath', replaceFullPath: '/new' }, { type: 'Exact', value: '/a' });
  assert.deepEqual(change, { regex_rewrite: { pattern: { regex: '^/.*$' }, substitution: '/new' } });
});
