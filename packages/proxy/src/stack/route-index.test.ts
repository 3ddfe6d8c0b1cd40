import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { routeConfiguration } from '../config/route.ts';
import { Place } from '../config/schema.ts';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import { atOnce } from '../slices.ts';
import { OrderedRoutes } from './route-index.ts';
import { pathOnly } from './route-match.ts';
import { type Route, RouteTable } from './route-table.ts';

const words = fc.constantFrom('a', 'b', 'ab', 'A', 'api', '');
const paths = fc.array(words, { maxLength: 3 }).map((parts) => `/${parts.join('/')}`);
const matches = fc.oneof(
  paths.map((prefix) => ({ prefix })),
  paths.map((path) => ({ path })),
  paths.map((prefix) => ({ prefix, case_sensitive: false })),
  paths.map((path_separated_prefix) => ({ path_separated_prefix: path_separated_prefix.replace(/\/+$/, '') || '/a' })),
  paths.map((regex) => ({ safe_regex: { regex: `${regex}.*` } })),
  paths.map((prefix) => ({ prefix, headers: [{ name: 'x-mark', present_match: true }] })),
  fc.constant({ connect_matcher: {} }),
);

function tableOf(given: readonly object[]): RouteTable {
  const place = new Place();
  const routes = given.map((match, index) => ({ name: String(index), match, direct_response: { status: 200 } }));
  const config = { name: 'r', virtual_hosts: [{ name: 'any', domains: ['*'], routes }] };
  const parsed = routeConfiguration.parse(config, place);
  assert.deepEqual(place.issues, []);
  return new RouteTable(parsed);
}

function headOf(path: string, isMarked: boolean, method = 'GET'): RequestHead {
  return new RequestHead(method, path, 'a', 'http', new HeaderList(isMarked ? ['x-mark', '1'] : []));
}

/** Each route by itself, in its order. */
function walk(tables: readonly RouteTable[], head: RequestHead): number {
  return tables.findIndex((table) => table.match(head) !== undefined);
}

test('of many routes the one is found that a walk through all would find first', () => {
  const request = fc.record({ path: paths, isMarked: fc.boolean(), method: fc.constantFrom('GET', 'CONNECT') });
  fc.assert(
    fc.property(
      fc.array(matches, { minLength: 12, maxLength: 40 }),
      fc.array(request, { maxLength: 20 }),
      (given, requests) => {
        const table = tableOf(given);
        const single = given.map((match) => tableOf([match]));
        for (const { path, isMarked, method } of requests) {
          const head = headOf(`${path}?q=1`, isMarked, method);
          assert.equal(Number(table.match(head)?.name ?? -1), walk(single, head), `${method} ${path}`);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('looking for a route among very many looks at few of them', () => {
  let looks = 0;
  const template = tableOf([{ prefix: '/' }]).match(headOf('/', false)) as Route;
  const routes = Array.from({ length: 50_000 }, (_, index): Route => {
    const text = `/service-${index}/`;
    const test = (path: string): boolean => {
      looks++;
      return path.startsWith(text);
    };
    const path = { key: { type: 'prefix' as const, text }, test, prefixLength: () => text.length };
    return { ...template, name: String(index), path };
  });
  const ordered = atOnce(OrderedRoutes.inSteps(routes));
  for (const index of [0, 77, 25_000, 49_999]) {
    const head = headOf(`/service-${index}/x`, false);
    assert.equal(ordered.match(head, pathOnly(head.path))?.name, String(index));
  }
  assert.ok(looks <= 4 * 2, `${looks} routes were looked at`);
});
