import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileUriRewrite, compileUriTemplate, rewriteByTemplate, type UriTemplate } from './uri-template.ts';

function template(text: string): UriTemplate {
  const compiled = compileUriTemplate(text);
  if (typeof compiled === 'string') throw new Error(compiled);
  return compiled;
}

const MATCHES: readonly (readonly [template: string, path: string, matches: boolean])[] = [
  ['/a/{b}', '/a/x', true],
  ['/a/{b}', '/a/x/y', false],
  ['/a/{b}', '/a/', false],
  ['/a/*/c', '/a/b/c', true],
  ['/a/*/c', '/a/b/d/c', false],
  ['/a/**', '/a/', true],
  ['/a/**', '/a/b/c', true],
  ['/a/**', '/ab', false],
  ['/**.mpd', '/content/1/x.mpd', true],
  ['/**.mpd', '/content/1/xmpd', false],
  ['/v/*/*/*.m4s', '/v/1/hls/2.m4s', true],
  ['/v/{f=*/x}/y', '/v/1/x/y', true],
  ['/v/{f=**}/y', '/v/1/2/y', true],
  ['/a.b', '/axb', false],
  ['/a/', '/a/', true],
  ['/a/', '/a', false],
  ['/', '/', true],
];

for (const [text, path, matches] of MATCHES) {
  test(`${text} is ${matches ? '' : 'not '}for ${path}`, () => {
    assert.equal(template(text).pattern.test(path), matches);
  });
}

test('templates that say nothing definite are refused', () => {
  const refused = ['a', '/a/**/*', '/{a}/{a}', '/{1a}', '/{a', '/a b', '/{a=}', '/**/{a}', '/a//b', '/*x/y', '/a*'];
  for (const text of [...refused, '/{a}/{b}/{c}/{d}/{e}/{f}', '/{abcdefghijklmnopq}']) {
    assert.equal(typeof compileUriTemplate(text), 'string', text);
  }
});

test('a path is rewritten by what the variables stand for', () => {
  const parts = compileUriRewrite('/new/{name}/of/{rest}');
  assert.ok(typeof parts !== 'string');
  assert.equal(rewriteByTemplate('/v/1/x/y/z', template('/v/{name}/x/{rest=**}'), parts), '/new/1/of/y/z');
  for (const text of ['new', '/{', '/{1}', '/a b', '/a//b'])
    assert.equal(typeof compileUriRewrite(text), 'string', text);
});
