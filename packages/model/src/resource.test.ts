import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KindSchemas, parseDocument, parseJsonDocument } from './resource.ts';
import { list, object, refused, text } from './schema/index.ts';

const KINDS: KindSchemas = {
  Service: { apiVersion: 'weft.mesh/v1', spec: object({ serviceAccounts: list(text()) }) },
  HTTPRoute: { apiVersion: 'x/v1', spec: refused('not here') },
  TCPRoute: { apiVersion: 'x/v1', spec: refused('not here') },
};

function violations(value: unknown): string[] {
  const parsed = parseDocument(KINDS, value);
  assert.equal(parsed.type, 'invalid');
  return parsed.type === 'invalid' ? parsed.violations.map(({ path, message }) => `${path}: ${message}`) : [];
}

const good = {
  apiVersion: 'weft.mesh/v1',
  kind: 'Service',
  metadata: { name: 'stock' },
  spec: { serviceAccounts: [] },
};

test('a document becomes a resource of the namespace default', () => {
  const parsed = parseDocument(KINDS, good);
  assert.deepEqual(parsed, {
    type: 'resource',
    resource: { kind: 'Service', namespace: 'default', name: 'stock', labels: {}, spec: { serviceAccounts: [] } },
  });
});

test('an unknown kind and version are told with what was expected', () => {
  assert.deepEqual(violations({ ...good, kind: 'Servcie' }), [
    'kind: found "Servcie", which is no kind of resource: did you mean Service?',
  ]);
  assert.deepEqual(violations({ ...good, apiVersion: 'v1' }), ['apiVersion: found "v1", expected "weft.mesh/v1"']);
  assert.deepEqual(violations({}), ['kind: is missing: expected Service, HTTPRoute, TCPRoute']);
  assert.deepEqual(violations(null), [': found null, expected an object with apiVersion, kind, metadata and spec']);
});

test('metadata and spec are checked together', () => {
  const found = violations({
    ...good,
    metadata: { name: 'Stock_1', lables: {} },
    spec: { serviceAccounts: [1] },
    status: {},
  });
  assert.equal(found.length, 4);
  assert.match(found[0] ?? '', /^status: is not a field/);
  assert.match(found[1] ?? '', /^metadata.lables: .* did you mean labels/);
  assert.match(found[2] ?? '', /^metadata.name: found "Stock_1", expected a name/);
  assert.match(found[3] ?? '', /^spec.serviceAccounts\[0\]: found 1/);
});

test('the key of an invalid document is told as far as it can be read', () => {
  const parsed = parseDocument(KINDS, { kind: 'Service', metadata: { name: 'a', namespace: 'b' } });
  assert.deepEqual(parsed.type === 'invalid' && parsed.key, { kind: 'Service', namespace: 'b', name: 'a' });
});

test('text that is not JSON is a violation', () => {
  const parsed = parseJsonDocument(KINDS, '{');
  assert.equal(parsed.type, 'invalid');
  assert.match(parsed.type === 'invalid' ? (parsed.violations[0]?.message ?? '') : '', /^is not JSON/);
});
