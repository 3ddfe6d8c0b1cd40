import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redact, redactedJson } from './redact.ts';

const KEY = '-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n';

test('what is written part by part is what would be written at once', () => {
  for (const dump of [
    {},
    { configs: [] },
    { configs: [{ '@type': 'a', empty: {}, none: undefined, no: null, list: [[], [{}], 'a\nb'] }, {}] },
    { a: { private_key: { inline_string: 'secret' } }, private_key: [{ inline_bytes: 'c2VjcmV0' }] },
    { a: { b: { c: { d: { e: { f: { g: { h: [1, { password: 'secret', i: KEY }] } } } } } } } },
  ]) {
    assert.equal([...redactedJson(dump)].join(''), `${JSON.stringify(redact(dump), null, 1)}\n`);
    assert.doesNotMatch([...redactedJson(dump)].join(''), /secret|c2VjcmV0|abc/);
  }
});
