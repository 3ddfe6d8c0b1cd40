import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forward, Proxied, type ProxiedOptions, ROUTER, routes } from '../../stack/testing/proxied.ts';
import type { StatsRegistry } from '../../stats/registry.ts';
import { tlsOf } from './testing.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3';
const ANY = [{ any: true }];
const path = (exact: string): object => ({ permissions: [{ url_path: { path: { exact } } }], principals: ANY });
const rbac = (fields: object, name = 'rbac'): object => ({
  name,
  typed_config: { '@type': `${TYPE}.RBAC`, ...fields },
});
const deny = (fields: object = {}): object =>
  rbac({ rules: { action: 'DENY', policies: { 'no way': path('/no') } }, ...fields });
const perRoute = (fields: object): object => ({
  typed_per_filter_config: { rbac: { '@type': `${TYPE}.RBACPerRoute`, ...fields } },
});
const answering = (prefix: string, fields: object = {}): object => ({
  match: { prefix },
  direct_response: { status: 200, body: { inline_string: 'ok' } },
  ...fields,
});
const get = (target: string, ...lines: readonly string[]): string =>
  [`GET ${target} HTTP/1.1`, 'Host: a', 'Connection: close', ...lines, '', ''].join('\r\n');

async function serve(filters: readonly object[], options: ProxiedOptions = {}): Promise<Proxied> {
  const { manager, ...more } = options;
  return await new Proxied([1], {
    routeConfig: routes(answering('/')),
    manager: { http_filters: [...filters, ROUTER], generate_request_id: false, ...manager },
    ...more,
  }).start();
}

function counters(registry: StatsRegistry): Readonly<Record<string, number>> {
  const { stats } = registry.json({ matching: /rbac/ }) as { stats: readonly { name: string; value: number }[] };
  return Object.fromEntries(stats.map(({ name, value }) => [name, value]));
}

test('what a policy denies is answered 403, with the policy in the log', async () => {
  await using proxied = await serve([deny()]);
  assert.match(await proxied.ask(get('/no')), /^HTTP\/1\.1 403 Forbidden\r\n.*\r\n\r\nRBAC: access denied$/s);
  assert.match(await proxied.ask(get('/yes')), /^HTTP\/1\.1 200 OK\r\n/);
  const [denied, allowed] = proxied.logged;
  assert.equal(denied?.responseDetails, 'rbac_access_denied_matched_policy[no_way]');
  assert.equal(denied?.flags, 0);
  assert.deepEqual(denied?.dynamicMetadata?.get('envoy.filters.http.rbac'), {
    enforced_effective_policy_id: 'no way',
    enforced_engine_result: 'denied',
  });
  assert.deepEqual(allowed?.dynamicMetadata?.get('envoy.filters.http.rbac'), { enforced_engine_result: 'allowed' });
});

test('what routes change of responses they change of denials', async () => {
  const strict = {
    response_headers_to_add: [{ header: { key: 'x-frame-options', value: 'DENY' } }],
    response_headers_to_remove: ['x-none'],
  };
  await using served = await serve([deny()], { routeConfig: forward({}, strict) });
  assert.match(await served.ask(get('/no')), /^HTTP\/1\.1 403 .*\r\nx-frame-options: DENY\r\n/s);
  await using alone = await serve([deny()], { routeConfig: routes(answering('/', strict)) });
  assert.match(await alone.ask(get('/no')), /^HTTP\/1\.1 403 (?!.*x-frame-options)/s, 'it leads to no upstream');
  assert.match(await alone.ask(get('/')), /^HTTP\/1\.1 200 .*\r\nx-frame-options: DENY\r\n/s);
});

test('spellings of a path do not get past a policy', async () => {
  await using proxied = await serve([deny()], { manager: { normalize_path: true, merge_slashes: true } });
  for (const target of [
    '/no?',
    '/no?a',
    '/%6eo',
    '/%6E%6F',
    '/x/../no',
    '//no',
    '/./no',
    'http://b/no',
    'http://b/no?x',
  ]) {
    assert.match(await proxied.ask(get(target)), /^HTTP\/1\.1 403 /, target);
  }
});

test('where a route is named by an absolute target, its authority counts and Host does not', async () => {
  const isBad = { permissions: [{ header: { name: ':authority', string_match: { exact: 'bad' } } }], principals: ANY };
  await using proxied = await serve([rbac({ rules: { action: 'DENY', policies: { isBad } } })]);
  assert.match(await proxied.ask(get('http://bad/')), /^HTTP\/1\.1 403 /);
  assert.match(await proxied.ask(get('http://good/').replace('Host: a', 'Host: bad')), /^HTTP\/1\.1 200 /);
});

test('shadow rules only tell what they would do', async () => {
  const shadow_rules = { policies: { allowed: path('/yes') } };
  await using proxied = await serve([deny({ shadow_rules, shadow_rules_stat_prefix: 'trial.' })]);
  assert.match(await proxied.ask(get('/other')), /^HTTP\/1\.1 200 /);
  assert.match(await proxied.ask(get('/yes')), /^HTTP\/1\.1 200 /);
  assert.deepEqual(
    proxied.logged.map(({ dynamicMetadata }) => dynamicMetadata?.get('envoy.filters.http.rbac')),
    [
      { 'trial.shadow_engine_result': 'denied', enforced_engine_result: 'allowed' },
      {
        'trial.shadow_effective_policy_id': 'allowed',
        'trial.shadow_engine_result': 'allowed',
        enforced_engine_result: 'allowed',
      },
    ],
  );
  assert.deepEqual(counters(proxied.registry), {
    'http.x.rbac.allowed': 2,
    'http.x.rbac.denied': 0,
    'http.x.rbac.trial.shadow_allowed': 1,
    'http.x.rbac.trial.shadow_denied': 1,
  });
});

test('single policies are counted where that is asked for', async () => {
  await using proxied = await serve([deny({ rules_stat_prefix: 'mine', track_per_rule_stats: true })]);
  for (const target of ['/no', '/no', '/yes']) await proxied.ask(get(target));
  assert.deepEqual(counters(proxied.registry), {
    'http.x.rbac.mine.allowed': 1,
    'http.x.rbac.mine.denied': 2,
    'http.x.rbac.mine.policy.no way.denied': 2,
    'http.x.rbac.shadow_allowed': 0,
    'http.x.rbac.shadow_denied': 0,
  });
  assert.match(
    proxied.registry.prometheus(),
    /^envoy_http_rbac_policy_denied\{envoy_rbac_policy_name="no way",envoy_rbac_http_prefix="mine",envoy_http_conn_manager_prefix="x"\} 2$/m,
  );
});

test('rules of the action LOG deny nothing and leave a hint for access logs', async () => {
  await using proxied = await serve([rbac({ rules: { action: 'LOG', policies: { p: path('/no') } } })]);
  for (const target of ['/no', '/yes']) assert.match(await proxied.ask(get(target)), /^HTTP\/1\.1 200 /);
  const hints = proxied.logged.map(({ dynamicMetadata }) => dynamicMetadata?.get('envoy.common'));
  assert.deepEqual(hints, [{ access_log_hint: true }, { access_log_hint: false }]);
});

test('a route has rules of its own, or none', async () => {
  await using proxied = await serve([deny()], {
    routeConfig: routes(
      answering('/no', perRoute({})),
      answering('/own', perRoute({ rbac: { rules: { action: 'ALLOW' } } })),
      answering('/'),
    ),
  });
  assert.match(await proxied.ask(get('/no')), /^HTTP\/1\.1 200 /);
  assert.match(await proxied.ask(get('/own')), /^HTTP\/1\.1 403 /);
  assert.equal(proxied.logged[1]?.responseDetails, 'rbac_access_denied_matched_policy[none]');
  assert.deepEqual(counters(proxied.registry)['http.x.rbac.denied'], 1);
});

test('where there is no route, the policies are asked all the same', async () => {
  await using proxied = await serve([deny()], { routeConfig: routes() });
  assert.match(await proxied.ask(get('/no')), /^HTTP\/1\.1 403 /);
  assert.match(await proxied.ask(get('/yes')), /^HTTP\/1\.1 404 /);
});

test('the certificate of the peer decides', async () => {
  const principals = [{ authenticated: { principal_name: { exact: 'spiffe://mesh/cart' } } }];
  const filters = [rbac({ rules: { policies: { cart: { permissions: ANY, principals } } } })];
  for (const [tls, status] of [
    [tlsOf({ uris: ['spiffe://mesh/cart'] }), 200],
    [tlsOf({ uris: ['spiffe://mesh/stock'] }), 403],
    [tlsOf(undefined), 403],
    [undefined, 403],
  ] as const) {
    await using proxied = await serve(filters, { downstream: { tls } });
    for (let i = 0; i < 2; i++) assert.match(await proxied.ask(get('/')), new RegExp(`^HTTP/1\\.1 ${status} `));
  }
});
