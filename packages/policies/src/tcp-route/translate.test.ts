import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deriveMesh } from '@weft/model';
import { readResource } from '../kinds.ts';
import { sketchRoute, sketchService, sketchWorld } from '../testing.ts';
import { tcpDestination } from './translate.ts';

const documents = [sketchService('db', { protocol: 'tcp' }), sketchService('db-new', { protocol: 'tcp' })];

function destinationOf(rules?: readonly object[]) {
  const all = rules ? [...documents, sketchRoute({ kind: 'TCPRoute', parent: 'db', rules })] : documents;
  const service = deriveMesh(sketchWorld({ documents: all })).byKey.get('shop/db');
  assert.ok(service);
  return tcpDestination(service, service.tcpRoutes, () => undefined);
}

test('a service without a route leads to itself', () => {
  assert.deepEqual(destinationOf(), { type: 'cluster', cluster: 'outbound/shop/db' });
});

test('weights lead to several clusters, none to a weight of 0', () => {
  const weighted = [{ backendRefs: [{ name: 'db', weight: 3 }, { name: 'db-new' }] }];
  assert.deepEqual(destinationOf(weighted), {
    type: 'weighted',
    clusters: [
      { name: 'outbound/shop/db', weight: 3 },
      { name: 'outbound/shop/db-new', weight: 1 },
    ],
  });
  const single = [{ backendRefs: [{ name: 'db', weight: 0 }, { name: 'db-new' }] }];
  assert.deepEqual(destinationOf(single), { type: 'cluster', cluster: 'outbound/shop/db-new' });
});

test('a route that leads nowhere, and a second rule, are refused', () => {
  const backendRefs = [{ name: 'db', weight: 0 }];
  const route = sketchRoute({ kind: 'TCPRoute', parent: 'db', rules: [{ backendRefs }] });
  const parsed = readResource(JSON.stringify(route));
  assert.deepEqual(parsed.type === 'invalid' && parsed.violations, [
    {
      path: 'spec.rules[0].backendRefs',
      message: 'sends connections nowhere: expected a backend with a weight over 0',
    },
  ]);
  const two = sketchRoute({ kind: 'TCPRoute', parent: 'db', rules: [{ backendRefs: [{ name: 'db' }] }, {}] });
  assert.equal(readResource(JSON.stringify(two)).type, 'invalid');
});
