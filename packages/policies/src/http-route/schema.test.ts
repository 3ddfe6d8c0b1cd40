import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readResource } from '../kinds.ts';
import { sketchRoute } from '../testing.ts';

function violations(spec: object): string[] {
  const document = { ...sketchRoute({ parent: 'stock', rules: [] }), spec };
  const parsed = readResource(JSON.stringify(document));
  return parsed.type === 'invalid' ? parsed.violations.map(({ path, message }) => `${path}: ${message}`) : [];
}

const parentRefs = [{ group: '', kind: 'Service', name: 'stock' }];

function ofRule(rule: object): string[] {
  return violations({ parentRefs, rules: [rule] });
}

test('defaults are filled in', () => {
  const rules = [{ backendRefs: [{ name: 'stock' }] }];
  const parsed = readResource(JSON.stringify(sketchRoute({ parent: 'stock', rules })));
  assert.deepEqual(parsed.type === 'resource' && parsed.resource.spec, {
    parentRefs: [{ name: 'stock', namespace: 'shop' }],
    rules: [
      {
        matches: [{ path: { type: 'PathPrefix', value: '/' }, headers: [], queryParams: [] }],
        filters: [],
        backendRefs: [{ name: 'stock', weight: 1 }],
        timeouts: {},
      },
    ],
  });
});

test('matches are read in their short forms', () => {
  const match = { path: { value: '/a/' }, headers: [{ name: 'X-User', value: 'me' }], method: 'GET' };
  const rules = [{ matches: [match, {}], timeouts: { request: '1m30s500ms' } }];
  const parsed = readResource(JSON.stringify(sketchRoute({ parent: 'stock', rules })));
  assert.ok(parsed.type === 'resource' && parsed.resource.kind === 'HTTPRoute');
  const [rule] = parsed.resource.spec.rules;
  assert.deepEqual(rule?.timeouts, { requestMs: 90_500 });
  assert.deepEqual(rule?.matches[0], {
    path: { type: 'PathPrefix', value: '/a' },
    headers: [{ type: 'Exact', name: 'x-user', value: 'me' }],
    queryParams: [],
    method: 'GET',
  });
});

test('a port and a namespace of a reference are accepted', () => {
  const reference = { name: 'stock', namespace: 'shop', port: 80 };
  assert.deepEqual(
    violations({ parentRefs: [{ kind: 'Service', ...reference }], rules: [{ backendRefs: [reference] }] }),
    [],
  );
});

test('parents other than services are refused', () => {
  const found = violations({
    parentRefs: [{ name: 'gw' }, { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'gw' }],
    hostnames: ['stock.example'],
    rules: [{}],
  });
  assert.deepEqual(found, [
    'spec.parentRefs[0].kind: is missing: expected "Service"',
    'spec.parentRefs[1].group: found "gateway.networking.k8s.io", expected "", the group of Service',
    'spec.parentRefs[1].kind: found "Gateway", expected "Service"',
    'spec.hostnames: is for routes of a Gateway; a route of a Service holds for the names of that Service: leave it out',
  ]);
});

test('what the Gateway API has and Weft does not do is refused by name', () => {
  const found = ofRule({
    filters: [
      { type: 'RequestMirror', requestMirror: { backendRef: { name: 'x' } } },
      { type: 'CORS', cors: {} },
      { type: 'ExtensionRef', extensionRef: {} },
    ],
    backendRefs: [{ name: 'stock', filters: [] }],
    retry: { attempts: 3 },
    sessionPersistence: {},
  });
  assert.deepEqual(found, [
    'spec.rules[0].filters[0]: is a RequestMirror, which is not supported by Weft 0.1',
    'spec.rules[0].filters[1]: is a CORS, which is not supported by Weft 0.1',
    'spec.rules[0].filters[2]: is an ExtensionRef, which is not supported by Weft 0.1',
    'spec.rules[0].backendRefs[0].filters: is not supported by Weft 0.1: put filters on the rule',
    'spec.rules[0].retry: is not supported by Weft 0.1: what never reached an application is retried by itself',
    'spec.rules[0].sessionPersistence: is not supported by Weft 0.1',
  ]);
});

test('paths, expressions, names and values are checked', () => {
  const found = ofRule({
    matches: [
      { path: { type: 'Exact', value: 'a' } },
      { path: { type: 'PathPrefix', value: '/a/../b' } },
      { path: { type: 'RegularExpression', value: '/(?=a)' } },
      { path: { type: 'Prefix', value: '/a' } },
      { headers: [{ name: 'bad name', value: 'x' }] },
      {
        headers: [
          { name: 'X-A', value: 'x' },
          { name: 'x-a', value: 'y' },
        ],
      },
      { method: 'get' },
      { queryParams: [{ name: 'v', value: 2 }] },
    ],
  });
  assert.deepEqual(
    found.map((text) => text.slice('spec.rules[0].'.length)),
    [
      'matches[0].path.value: found "a", expected a path that begins with "/", of the characters of a URL path',
      'matches[1].path.value: holds "//", "/./", "/../" or "%2F": expected a path as it is after normalization',
      'matches[2].path.value: is a regular expression that looks around, which RE2 does not do, at position 4',
      'matches[3].path.type: found "Prefix", expected Exact or PathPrefix or RegularExpression',
      'matches[4].headers[0].name: found "bad name", expected the name of a header',
      'matches[5].headers[1]: has the same name as spec.rules[0].matches[5].headers[0]: "x-a"',
      'matches[6].method: found "get", expected "GET" or "HEAD" or "POST" or "PUT" or "DELETE" or "OPTIONS" or "TRACE" or "PATCH": did you mean "GET"?',
      'matches[7].queryParams[0].value: found 2, expected a text',
    ],
  );
});

test('headers that frame a message or carry an identity cannot be changed', () => {
  const found = ofRule({
    filters: [
      {
        type: 'RequestHeaderModifier',
        requestHeaderModifier: {
          set: [
            { name: 'Host', value: 'x' },
            { name: 'x-ok', value: 'a\r\nb' },
          ],
          add: [{ name: 'Content-Length', value: '0' }],
          remove: ['X-Forwarded-Client-Cert'],
        },
      },
      { type: 'ResponseHeaderModifier', responseHeaderModifier: {} },
    ],
  });
  assert.equal(found.length, 5);
  assert.match(found[0] ?? '', /set\[0\].name: cannot change the host: use the filter URLRewrite/);
  assert.match(found[1] ?? '', /set\[1\].value: .*without control characters/);
  assert.match(found[2] ?? '', /add\[0\].name: is content-length, which a route must not change/);
  assert.match(found[3] ?? '', /remove\[0\]: is x-forwarded-client-cert/);
  assert.match(found[4] ?? '', /responseHeaderModifier: changes nothing/);
});

test('what a rule does must go together', () => {
  const redirect = {
    type: 'RequestRedirect',
    requestRedirect: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/b' } },
  };
  const rewrite = { type: 'URLRewrite', urlRewrite: { hostname: 'a.b' } };
  const found = ofRule({
    matches: [{ path: { type: 'Exact', value: '/a' } }],
    filters: [redirect, rewrite],
    backendRefs: [{ name: 'stock' }],
    timeouts: { request: '1s', backendRequest: '2s' },
  });
  assert.deepEqual(
    found.map((text) => text.slice('spec.rules[0].'.length)),
    [
      'filters[1]: is a URLRewrite beside a RequestRedirect: expected one of the two',
      'backendRefs: is beside a RequestRedirect, which answers by itself: expected one of the two',
      'filters[0].requestRedirect.path: replaces the matched prefix: expected every match of the rule to have a path of type PathPrefix',
      'timeouts.backendRequest: is longer than timeouts.request, which ends it: expected at most that',
    ],
  );
  assert.deepEqual(ofRule({ timeouts: { request: '0s', backendRequest: '2s' } }), []);
  assert.match(ofRule({ timeouts: { request: '5' } })[0] ?? '', /expected a duration such as/);
  assert.match(ofRule({ filters: [rewrite, rewrite] })[0] ?? '', /has the same type as/);
});

test('a prefix that is taken away is short enough for Envoy', () => {
  const filters = [
    { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } } },
  ];
  const rule = (value: string) => ({ matches: [{ path: { value } }], filters });
  assert.deepEqual(ofRule(rule(`/${'a'.repeat(79)}`)), []);
  assert.match(ofRule(rule(`/${'a'.repeat(80)}`))[0] ?? '', /urlRewrite.path: takes away a prefix of more than 80/);
});
