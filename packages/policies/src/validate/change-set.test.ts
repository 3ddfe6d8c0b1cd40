import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceKey } from '@weft/contracts/bus';
import type { World } from '@weft/model';
import { sketchWorkload } from '@weft/model/testing';
import { sketchRoute, sketchService, sketchWorld } from '../testing.ts';
import { validateChangeSet } from './change-set.ts';

function check(world: World, documents: readonly (object | string)[], deletions: readonly ResourceKey[] = []) {
  const given = documents.map((document, index) => ({
    source: `a.yaml#${index + 1}`,
    json: typeof document === 'string' ? document : JSON.stringify(document),
  }));
  return validateChangeSet(world, given, deletions);
}

function texts(
  world: World,
  documents: readonly (object | string)[],
  deletions: readonly ResourceKey[] = [],
): string[] {
  return check(world, documents, deletions).violations.map(
    ({ source, path, message }) => `${source} ${path}: ${message}`,
  );
}

const stock = sketchWorkload({ service: 'stock' });
const canary = (backend = 'stock') => sketchRoute({ parent: 'stock', rules: [{ backendRefs: [{ name: backend }] }] });
const key = (kind: string, name: string): ResourceKey => ({ kind, namespace: 'shop', name });

test('what is new, changed, the same and deleted is told, and only what changes is appended', () => {
  const world = sketchWorld({ documents: [sketchService('a'), sketchService('b'), sketchService('c')] });
  const changedB = sketchService('b', { protocol: 'tcp' });
  const result = check(world, [sketchService('a'), changedB, sketchService('d')], [key('Service', 'c')]);
  assert.deepEqual(result.violations, []);
  assert.deepEqual(
    result.changes.map((change) => `${change.key?.name} ${change.kind}`),
    ['a UNCHANGED', 'b CHANGED', 'd CREATED', 'c DELETED'],
  );
  assert.deepEqual(result.operations, [
    { action: 'PUT', key: key('Service', 'b'), json: JSON.stringify(changedB) },
    { action: 'PUT', key: key('Service', 'd'), json: JSON.stringify(sketchService('d')) },
    { action: 'DELETE', key: key('Service', 'c'), json: '' },
  ]);
});

test('violations of all documents are told at once, with source and key', () => {
  const world = sketchWorld({ workloads: [stock] });
  const bad = { ...sketchService('x'), spec: { protcol: 'http', serviceAccounts: 'me' } };
  const { violations } = check(world, [bad, '{', canary('stok')]);
  assert.deepEqual(
    violations.map(({ source, key: of, path }) => `${source} ${of?.kind} ${of?.name} ${path}`),
    [
      'a.yaml#1 Service x spec.protcol',
      'a.yaml#1 Service x spec.serviceAccounts',
      'a.yaml#2   ',
      'a.yaml#3 HTTPRoute route spec.rules[0].backendRefs[0].name',
    ],
  );
});

test('what a document refers to is told with everything else that is wrong with it', () => {
  const world = sketchWorld({ workloads: [stock] });
  const bad = sketchRoute({
    parent: 'nowhere',
    rules: [{ backendRefs: [{ name: 'stock', weight: 'x' }, { name: 'stok' }, { name: 'broken' }, { name: 7 }] }],
  });
  const broken = sketchService('broken', { protcol: 'http' });
  assert.deepEqual(
    texts(world, [bad, broken]).map((text) => text.slice(0, text.indexOf(':'))),
    [
      'a.yaml#1 spec.rules[0].backendRefs[0].weight',
      'a.yaml#1 spec.rules[0].backendRefs[3].name',
      'a.yaml#2 spec.protcol',
      'a.yaml#1 spec.parentRefs[0].name',
      'a.yaml#1 spec.rules[0].backendRefs[1].name',
    ],
  );
});

test('a reference to nothing is told with what may have been meant', () => {
  const world = sketchWorld({ workloads: [stock] });
  assert.deepEqual(texts(world, [canary('stok')]), [
    'a.yaml#1 spec.rules[0].backendRefs[0].name: no service shop/stok is declared or registered: did you mean stock? If not, declare it with a resource of kind Service in the same apply',
  ]);
  assert.equal(texts(world, [canary('stock-v2')]).length, 1);
  const second = sketchService('stock-v2', { selector: { service: 'stock', version: 'v2' } });
  assert.deepEqual(texts(world, [canary('stock-v2'), second]), []);
  const unreadable = sketchService('stock-v2', { selector: 7 });
  assert.deepEqual(
    texts(world, [canary('stock-v2'), unreadable]).map((text) => text.slice(0, 23)),
    ['a.yaml#2 spec.selector:'],
  );
});

test('a service that a route names already may be named again while its workloads are away', () => {
  const world = sketchWorld({ documents: [canary('stock')] });
  assert.deepEqual(
    texts(world, [canary('stock'), { ...canary('stock'), metadata: { name: 'b', namespace: 'shop' } }]),
    [],
  );
});

test('a resource twice, or put and deleted, is refused', () => {
  const world = sketchWorld({ documents: [sketchService('a')] });
  const found = texts(world, [sketchService('a'), sketchService('a')], [key('Service', 'a'), key('Service', 'a')]);
  assert.deepEqual(found, [
    'a.yaml#2 metadata.name: is Service/shop/a, which a.yaml#1 is too: expected each resource once in an apply',
    ' : Service/shop/a is put and deleted in one apply: expected one of the two',
    ' : Service/shop/a is put and deleted in one apply: expected one of the two',
    ' : Service/shop/a is deleted twice in one apply: expected each resource once',
  ]);
});

test('what is not there cannot be deleted', () => {
  const world = sketchWorld({ documents: [sketchService('stock')] });
  assert.deepEqual(texts(world, [], [key('Service', 'stcok'), key('Servce', 'stock')]), [
    ' : there is no Service/shop/stcok to delete: did you mean Service/shop/stock?',
    ' : "Servce" is no kind of resource: did you mean Service?',
  ]);
});

test('a service that routes refer to cannot be deleted without them', () => {
  const world = sketchWorld({ documents: [sketchService('stock'), canary()] });
  assert.deepEqual(texts(world, [], [key('Service', 'stock')]), [
    ' : Service/shop/stock is referred to by HTTPRoute/shop/route: change or delete that in the same apply',
  ]);
  assert.deepEqual(texts(world, [], [key('Service', 'stock'), key('HTTPRoute', 'route')]), []);
});

test('routes fit the protocol of their services', () => {
  const world = sketchWorld({
    documents: [sketchService('db', { protocol: 'tcp' }), sketchService('web', { protocol: 'http' })],
    workloads: [stock],
  });
  const http = sketchRoute({ parent: 'db', rules: [{ backendRefs: [{ name: 'stock' }] }] });
  const tcp = sketchRoute({ kind: 'TCPRoute', parent: 'web', rules: [{ backendRefs: [{ name: 'db' }] }] });
  assert.deepEqual(texts(world, [http, tcp]), [
    'a.yaml#1 spec.parentRefs[0].name: shop/db is a service of protocol tcp: expected http; use a TCPRoute',
    'a.yaml#2 spec.parentRefs[0].name: shop/web is a service of protocol http: expected tcp; use an HTTPRoute',
  ]);
  const routed = sketchWorld({ documents: [sketchService('stock'), canary()] });
  assert.deepEqual(texts(routed, [sketchService('stock', { protocol: 'tcp' })]), [
    'a.yaml#1 spec.protocol: HTTPRoute/shop/route refers to it: shop/stock is a service of protocol tcp: expected http; use a TCPRoute',
  ]);
});

test('a second TCPRoute of a service is refused, since it would never be used', () => {
  const tcp = (name: string) =>
    sketchRoute({ kind: 'TCPRoute', name, parent: 'db', rules: [{ backendRefs: [{ name: 'db' }] }] });
  const world = sketchWorld({ documents: [sketchService('db', { protocol: 'tcp' }), tcp('one')] });
  assert.deepEqual(texts(world, [tcp('one')]), []);
  assert.match(texts(world, [tcp('two')])[0] ?? '', /shop\/db has TCPRoute\/shop\/one already/);
});
