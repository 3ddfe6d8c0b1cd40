import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { encode } from '@weft/envoy-api';
import { deriveMesh } from '@weft/model';
import { sketchRoute, sketchService, sketchWorld } from '../testing.ts';
import { defaultHttpRoute, translateHttpRoutes } from './translate.ts';

const golden = (name: string) => fileURLToPath(new URL(`./testdata/${name}.json`, import.meta.url));

function translate(rules: readonly object[], trouble: (key: string) => string | undefined = () => undefined) {
  const documents = [sketchService('stock'), sketchService('stock-v2'), sketchRoute({ parent: 'stock', rules })];
  const service = deriveMesh(sketchWorld({ documents })).byKey.get('shop/stock');
  assert.ok(service);
  const routes = translateHttpRoutes(service.httpRoutes, trouble);
  for (const route of routes) encode('envoy.config.route.v3.Route', route);
  return routes;
}

const CASES: Readonly<Record<string, readonly object[]>> = {
  canary: [
    {
      backendRefs: [
        { name: 'stock', weight: 90 },
        { name: 'stock-v2', weight: 10 },
      ],
    },
  ],
  'header-match-and-redirect': [
    {
      name: 'testers',
      matches: [
        {
          path: { type: 'RegularExpression', value: '/v[0-9]+/.*' },
          headers: [
            { name: 'x-user', value: 'tester' },
            { type: 'RegularExpression', name: 'x-group', value: 'a|b' },
          ],
          queryParams: [{ name: 'preview', value: '1' }],
          method: 'GET',
        },
      ],
      backendRefs: [{ name: 'stock-v2' }],
      timeouts: { request: '10s', backendRequest: '2500ms' },
    },
    {
      matches: [{ path: { type: 'PathPrefix', value: '/old' } }],
      filters: [
        {
          type: 'RequestRedirect',
          requestRedirect: {
            scheme: 'https',
            hostname: 'new.example',
            port: 8443,
            statusCode: 301,
            path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' },
          },
        },
      ],
    },
    {
      matches: [{ path: { type: 'Exact', value: '/gone' } }],
      filters: [
        { type: 'RequestRedirect', requestRedirect: { path: { type: 'ReplaceFullPath', replaceFullPath: '/here' } } },
      ],
    },
  ],
  'headers-and-rewrite': [
    {
      filters: [
        {
          type: 'RequestHeaderModifier',
          requestHeaderModifier: {
            set: [{ name: 'X-Set', value: '100%' }],
            add: [{ name: 'x-add', value: '' }],
            remove: ['x-gone'],
          },
        },
        { type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'x-by', value: 'weft' }] } },
        {
          type: 'URLRewrite',
          urlRewrite: { hostname: 'inner.example', path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } },
        },
      ],
      matches: [{ path: { value: '/api' } }],
      backendRefs: [{ name: 'stock' }],
    },
  ],
  'no-backend': [
    { matches: [{ path: { value: '/none' } }] },
    {
      backendRefs: [
        { name: 'stock', weight: 0 },
        { name: 'stock-v2', weight: 0 },
      ],
    },
  ],
};

for (const [name, rules] of Object.entries(CASES)) {
  test(`the routes of ${name} are as in the golden file`, (t) => {
    t.assert.fileSnapshot(translate(rules), golden(name));
  });
}

test('a backend whose cluster is not there is answered with 503 and the reason', () => {
  const [route] = translate([{ backendRefs: [{ name: 'stock' }, { name: 'stock-v2' }] }], (key) =>
    key === 'shop/stock-v2' ? 'it could not be compiled' : undefined,
  );
  assert.deepEqual(route?.direct_response, {
    status: 503,
    body: {
      inline_string:
        'weft: the backend of the rule that matches this request is not there: shop/stock-v2: it could not be compiled\n',
    },
  });
});

test('a service without routes has one, named default', (t) => {
  const service = deriveMesh(sketchWorld({ documents: [sketchService('stock')] })).byKey.get('shop/stock');
  assert.ok(service);
  const route = defaultHttpRoute(service, () => undefined);
  encode('envoy.config.route.v3.Route', route);
  t.assert.fileSnapshot(route, golden('default'));
  assert.equal(defaultHttpRoute(service, () => 'why').direct_response?.status, 503);
});
