import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routeConfiguration } from '../config/route.ts';
import { Place } from '../config/schema.ts';
import { Proxied, type ProxiedOptions, ROUTER, routes, TextUpstream } from './testing/proxied.ts';

const found = (location: string, status = 302) =>
  `HTTP/1.1 ${status} Found\r\nlocation: ${location}\r\nx-copy: c\r\ncontent-length: 0\r\n\r\n`;
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

interface Asked {
  readonly answer: string;
  readonly sent: string;
  readonly proxied: Proxied;
}

/** Asks for `/from`, which answers with `redirect`; all else answers 200. */
async function asked(
  redirect: string,
  policy: object,
  request = 'GET /from HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
  options: Partial<ProxiedOptions> & { readonly targets?: readonly object[] } = {},
): Promise<Asked> {
  await using upstream = await new TextUpstream((text) => (text.includes(' /from ') ? redirect : OK)).start();
  const routeConfig = routes(
    { name: 'from', match: { prefix: '/from' }, route: { cluster: 'c', internal_redirect_policy: policy } },
    ...(options.targets ?? [{ name: 'to', match: { prefix: '/' }, route: { cluster: 'c' } }]),
  );
  await using proxied = await new Proxied([upstream.port], { ...options, routeConfig }).start();
  return { answer: await proxied.ask(request), sent: upstream.received.join(''), proxied };
}

test('a redirect is followed here, and the client gets where it leads', async () => {
  const { answer, sent, proxied } = await asked(found('http://b.example:8080/to?x=1#y'), {
    response_headers_to_copy: ['X-Copy'],
  });
  assert.match(answer, /^HTTP\/1\.1 200/);
  assert.match(sent, /GET \/to\?x=1 HTTP\/1\.1\r\nhost: b\.example:8080\r\n/);
  assert.match(sent, /x-copy: c\r\n/);
  assert.match(sent, /x-envoy-original-url: http:\/\/a\/from\r\n/);
  assert.equal(proxied.cluster.stats.upstream_internal_redirect_succeeded_total, 1);
  assert.equal(proxied.logged.length, 1);
  assert.equal(proxied.logged[0]?.routeName, 'to');
  assert.equal(proxied.cluster.stats.upstream_rq_active, 0);
  assert.equal(proxied.cluster.limits.requests, 0);
});

test('where a redirect leads is cleaned before routes, predicates and filters look at it', async () => {
  const rules = {
    action: 'DENY',
    policies: { p: { permissions: [{ url_path: { path: { prefix: '/admin' } } }], principals: [{ any: true }] } },
  };
  const rbac = { '@type': 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC', rules };
  const manager = {
    http_filters: [{ name: 'rbac', typed_config: rbac }, ROUTER],
    normalize_path: true,
    path_with_escaped_slashes_action: 'REJECT_REQUEST',
    strip_any_host_port: true,
  };
  const where = async (location: string, policy: object = {}) => {
    const { answer, sent } = await asked(found(location), policy, undefined, { manager });
    return `${answer.split(' ')[1]} ${sent.match(/GET \/(?!from).* HTTP\/1\.1\r\nhost: .*/)?.[0] ?? ''}`.trimEnd();
  };
  assert.equal(await where('http://b/x/../admin'), '403');
  assert.equal(await where('http://b/x/%2e%2e/%61dmin?y'), '403');
  assert.equal(await where('http://b/x%2Fy'), '400');
  assert.equal(await where('http://b:80/x/../to'), '200 GET /to HTTP/1.1\r\nhost: b');
});

test('what cannot be followed goes to the client, and is counted by its reason', async () => {
  const cases: readonly (readonly [location: string, policy: object, stat: string])[] = [
    ['/relative', {}, 'bad_location'],
    ['ftp://x/y', {}, 'bad_location'],
    ['http://x y/', {}, 'bad_location'],
    ['https://b/to', {}, 'unsafe_scheme'],
    ['http://b/to', { max_internal_redirects: 0 }, 'too_many_redirects'],
    ['http://b/from ', { max_internal_redirects: 3 }, 'too_many_redirects'],
  ];
  for (const [location, policy, stat] of cases) {
    const { answer, proxied } = await asked(found(location), policy);
    assert.match(answer, /^HTTP\/1\.1 302/, location);
    const stats: Record<string, unknown> = { ...proxied.manager.stats };
    assert.equal(stats[`passthrough_internal_redirect_${stat}`], 1, location);
    assert.equal(proxied.cluster.stats.upstream_internal_redirect_failed_total, 1);
  }
  const { answer, proxied } = await asked(found('http://b/to'), {}, undefined, { targets: [] });
  assert.match(answer, /^HTTP\/1\.1 302/);
  assert.equal(proxied.manager.stats.passthrough_internal_redirect_no_route, 1);
});

test('statuses that the policy does not name are for the client', async () => {
  assert.match((await asked(found('http://b/to', 307), {})).answer, /^HTTP\/1\.1 307/);
  assert.match((await asked(found('http://b/to', 307), { redirect_response_codes: [307] })).answer, /^HTTP\/1\.1 200/);
});

test('a body goes along, but not after 303, which makes it a GET', async () => {
  const post = 'POST /from HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbody';
  const kept = await asked(found('http://b/to', 307), { redirect_response_codes: [307] }, post);
  assert.match(kept.sent, /POST \/to HTTP[\s\S]*content-length: 4\r\n[\s\S]*body$/);
  const dropped = await asked(found('http://b/to', 303), { redirect_response_codes: [303] }, post);
  assert.match(dropped.sent, /GET \/to HTTP/);
  assert.equal(dropped.sent.split('body').length, 2);
  assert.match(dropped.answer, /^HTTP\/1\.1 200/);
});

test('a body that is too long to keep is not sent again', async () => {
  const post = `POST /from HTTP/1.1\r\nhost: a\r\ncontent-length: 40\r\nconnection: close\r\n\r\n${'x'.repeat(40)}`;
  const { answer } = await asked(found('http://b/to', 307), { redirect_response_codes: [307] }, post, {
    bufferLimit: 10,
  });
  assert.match(answer, /^HTTP\/1\.1 307/);
});

test('predicates say which routes may be led to', async () => {
  const typed = (name: string, fields: object = {}) => ({
    name,
    typed_config: {
      '@type': `type.googleapis.com/envoy.extensions.internal_redirect.${name}`,
      ...fields,
    },
  });
  const listed = (allowed_route_names: readonly string[]) => ({
    predicates: [typed('allow_listed_routes.v3.AllowListedRoutesConfig', { allowed_route_names })],
  });
  assert.match((await asked(found('http://b/to'), listed(['to']))).answer, /^HTTP\/1\.1 200/);
  assert.match((await asked(found('http://b/to'), listed(['other']))).answer, /^HTTP\/1\.1 302/);
  const once = {
    max_internal_redirects: 5,
    predicates: [typed('previous_routes.v3.PreviousRoutesConfig')],
  };
  const circle = await asked(found('http://b/from'), once);
  assert.match(circle.answer, /^HTTP\/1\.1 302/);
  assert.equal(circle.sent.split('GET /from').length, 3);
  assert.equal(circle.proxied.manager.stats.passthrough_internal_redirect_predicate, 1);
  const up = {
    allow_cross_scheme_redirect: true,
    predicates: [typed('safe_cross_scheme.v3.SafeCrossSchemeConfig')],
  };
  assert.match((await asked(found('https://b/to'), up)).answer, /^HTTP\/1\.1 302/);
  assert.match((await asked(found('https://b/to'), { allow_cross_scheme_redirect: true })).answer, /^HTTP\/1\.1 200/);
});

test('policies that cannot be are refused by path', () => {
  const place = new Place();
  const internal_redirect_policy = { response_headers_to_copy: ['host', ':path'], predicates: [{ name: 'x' }] };
  const internal_redirect_action = 'HANDLE_INTERNAL_REDIRECT';
  const route = { cluster: 'c', internal_redirect_policy, internal_redirect_action };
  routeConfiguration.parse(routes({ match: { prefix: '/' }, route }), place);
  const at = 'virtual_hosts[0].routes[0].route.internal_redirect_';
  assert.deepEqual(
    place.issues.map(({ path }) => path),
    [
      `${at}action`,
      `${at}policy.predicates[0].typed_config`,
      `${at}policy.response_headers_to_copy[0]`,
      `${at}policy.response_headers_to_copy[1]`,
    ],
  );
});
