import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangeSet, Operation } from '@weft/contracts/bus';
import type { ParsedDocument } from './resource.ts';
import { sketchWorkload } from './testing.ts';
import { applyChangeSet, applyWorkloads, EMPTY_WORLD, foldChangeSets, withTrustDomain } from './world.ts';

function read(json: string): ParsedDocument {
  if (json === 'broken') {
    const key = { kind: 'Service', namespace: 'shop', name: 'stock' };
    return { type: 'invalid', key, violations: [{ path: 'spec.x', message: 'is wrong' }] };
  }
  const name = 'stock';
  const spec = { serviceAccounts: [json] };
  return { type: 'resource', resource: { kind: 'Service', namespace: 'shop', name, labels: {}, spec } };
}

function put(json: string, name = 'stock'): Operation {
  return { action: 'PUT', key: { kind: 'Service', namespace: 'shop', name }, json };
}

const remove: Operation = { ...put(''), action: 'DELETE' };

function changeSet(...operations: Operation[]): ChangeSet {
  return { author: 'a', atMs: 1, reason: '', operations };
}

test('the fold of change-sets is the world at the last of them', () => {
  const world = foldChangeSets(
    EMPTY_WORLD,
    [
      { sequence: 1, value: changeSet(put('a')) },
      { sequence: 2, value: changeSet(put('b')) },
    ],
    read,
  );
  const stock = world.resources.get('Service/shop/stock');
  assert.equal(world.revision, 2);
  assert.deepEqual([stock?.revision, stock?.createdRevision, stock?.spec], [2, 1, { serviceAccounts: ['b'] }]);
  assert.equal(applyChangeSet(world, { sequence: 3, value: changeSet(remove) }, read).resources.size, 0);
  assert.equal(EMPTY_WORLD.resources.size, 0);
});

test('a change-set that is told again changes nothing', () => {
  const world = applyChangeSet(EMPTY_WORLD, { sequence: 1, value: changeSet(put('a')) }, read);
  assert.equal(applyChangeSet(world, { sequence: 1, value: changeSet(remove) }, read), world);
});

test('a resource put as it is keeps its identity and revision', () => {
  const first = applyChangeSet(EMPTY_WORLD, { sequence: 1, value: changeSet(put('a')) }, read);
  const second = applyChangeSet(first, { sequence: 2, value: changeSet(put('a')) }, read);
  assert.equal(second.revision, 2);
  assert.equal(second.resources.get('Service/shop/stock'), first.resources.get('Service/shop/stock'));
});

test('a resource that cannot be read is a problem, and its earlier version stands', () => {
  const first = applyChangeSet(EMPTY_WORLD, { sequence: 1, value: changeSet(put('a')) }, read);
  const broken = applyChangeSet(first, { sequence: 2, value: changeSet(put('broken')) }, read);
  assert.equal(broken.resources.get('Service/shop/stock')?.revision, 1);
  assert.deepEqual(
    [...broken.problems.values()],
    [
      {
        key: { kind: 'Service', namespace: 'shop', name: 'stock' },
        message: 'Service/shop/stock cannot be read: spec.x is wrong',
        revision: 2,
      },
    ],
  );
  const other = applyChangeSet(broken, { sequence: 3, value: changeSet(put('a', 'other')) }, read);
  assert.match(other.problems.get('Service/shop/other')?.message ?? '', /holds Service\/shop\/stock/);
  assert.equal(applyChangeSet(other, { sequence: 4, value: changeSet(put('c')) }, read).problems.size, 1);
});

test('the registry changes workloads alone, and its revision always', () => {
  const stock = sketchWorkload({ service: 'stock' });
  const world = applyWorkloads(EMPTY_WORLD, [{ type: 'put', key: 'shop/stock-1', value: stock }], 7);
  assert.equal(world.registryRevision, 7);
  assert.equal(world.resources, EMPTY_WORLD.resources);
  const again = applyWorkloads(world, [{ type: 'put', key: 'shop/stock-1', value: { ...stock } }], 8);
  assert.equal(again.workloads, world.workloads);
  assert.equal(again.registryRevision, 8);
  assert.equal(applyWorkloads(again, [], 8), again);
  const gone = applyWorkloads(again, [{ type: 'delete', key: 'shop/stock-1' }], 9);
  assert.equal(gone.workloads.size, 0);
  assert.equal(withTrustDomain(gone, '').trustDomain, '');
  assert.equal(withTrustDomain(gone, 'weft.test').trustDomain, 'weft.test');
});

test('a workload that would spoil what many share is left out and told', () => {
  const bad = [
    { address: 'localhost' },
    { service: 'Stock' },
    { id: 'other' },
    { outboundPort: 70_000 },
    { upstreams: [{ namespace: 'shop', service: 'a.b', localPort: 9000 }] },
    { ports: [{ applicationPort: 8080, protocol: 'HTTP' as const, inboundPort: 0 }] },
  ];
  const stock = sketchWorkload({ service: 'stock' });
  for (const change of bad) {
    const value = { ...stock, ...change };
    const world = applyWorkloads(EMPTY_WORLD, [{ type: 'put', key: 'shop/stock-1', value }], 1);
    assert.equal(world.workloads.size, 0);
    assert.match(
      world.problems.get('Workload/shop/stock-1')?.message ?? '',
      /^the workload shop\/stock-1 is left out: /,
    );
    const mended = applyWorkloads(world, [{ type: 'put', key: 'shop/stock-1', value: stock }], 2);
    assert.deepEqual([mended.workloads.size, mended.problems.size], [1, 0]);
  }
});
