import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MeshService } from '@weft/model';
import { deriveMesh } from '@weft/model';
import { sketchRoute, sketchService, sketchWorld } from '../testing.ts';
import { orderedMatches } from './precedence.ts';

function serviceOf(documents: readonly object[]): MeshService {
  const service = deriveMesh(sketchWorld({ documents })).byKey.get('shop/stock');
  assert.ok(service);
  return service;
}

function order(documents: readonly object[]): string[] {
  const matches = orderedMatches(serviceOf([sketchService('stock'), ...documents]).httpRoutes);
  return matches.map(({ route, ruleIndex, matchIndex }) => `${route.name}/${ruleIndex}/${matchIndex}`);
}

const prefix = (value: string, rest: object = {}) => ({ path: { type: 'PathPrefix', value }, ...rest });

test('exact, then expression, then the longest prefix, then method, headers and query parameters', () => {
  const headers = (...names: string[]) => names.map((name) => ({ name, value: 'x' }));
  const matches = [
    prefix('/'),
    prefix('/a'),
    prefix('/a', { queryParams: headers('q') }),
    prefix('/a', { queryParams: headers('q', 'r') }),
    prefix('/a', { headers: headers('h'), queryParams: headers('q') }),
    prefix('/a', { headers: headers('h', 'i') }),
    prefix('/a', { method: 'GET' }),
    prefix('/a/b'),
    { path: { type: 'RegularExpression', value: '/a.*' } },
    { path: { type: 'RegularExpression', value: '/a/b.*' } },
    { path: { type: 'Exact', value: '/a' } },
  ];
  const expected = [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((index) => `route/0/${index}`);
  assert.deepEqual(order([sketchRoute({ parent: 'stock', rules: [{ matches }] })]), expected);
});

test('of equal matches the older route goes first, then the first by name, then the first rule', () => {
  const rules = [{ matches: [prefix('/a')] }, { matches: [prefix('/a'), prefix('/a')] }];
  const routes = ['b', 'a'].map((name) => sketchRoute({ name, parent: 'stock', rules }));
  assert.deepEqual(order(routes), ['b/0/0', 'b/1/0', 'b/1/1', 'a/0/0', 'a/1/0', 'a/1/1']);
});
