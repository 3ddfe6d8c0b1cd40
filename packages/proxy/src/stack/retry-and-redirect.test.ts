import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RedirectConfig, type RetryPolicyConfig, retryPolicy, routeConfiguration } from '../config/route.ts';
import { Place } from '../config/schema.ts';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead, ResponseHead } from '../http/message.ts';
import type { UpstreamReset } from '../http/stream.ts';
import { redirectLocation, withPrefix } from './redirect.ts';
import {
  appliesTo,
  backOffMs,
  compileRetryPolicy,
  isSafe,
  type RetryPolicy,
  retriesReset,
  retriesResponse,
} from './retry-policy.ts';
import { RouteTable } from './route-table.ts';

function policy(config: object): RetryPolicy {
  const place = new Place();
  const parsed: RetryPolicyConfig = retryPolicy.parse(config, place);
  assert.deepEqual(place.issues, []);
  return compileRetryPolicy(parsed);
}

const answer = (status: number, fields: string[] = []): ResponseHead =>
  new ResponseHead(status, new HeaderList(fields));
const reset = (type: UpstreamReset['type'], isUnsent = false): UpstreamReset => ({
  type,
  text: '',
  isUnsent,
  isReused: false,
});

test('answers are retried as the conditions say', () => {
  const on = (retry_on: string, status: number, fields: string[] = [], more: object = {}): boolean =>
    retriesResponse(policy({ retry_on, ...more }), answer(status, fields));
  assert.equal(on('5xx', 500), true);
  assert.equal(on('5xx', 499), false);
  assert.equal(on('gateway-error', 503), true);
  assert.equal(on('gateway-error', 500), false);
  assert.equal(on('retriable-4xx', 409), true);
  assert.equal(on('connect-failure,reset', 503), false);
  assert.equal(on('envoy-ratelimited', 429, ['x-envoy-ratelimited', 'true']), true);
  assert.equal(on('retriable-status-codes', 418, [], { retriable_status_codes: [418] }), true);
  assert.equal(on('5xx', 418, [], { retriable_status_codes: [418] }), false);
  const refused = { retriable_headers: [{ name: 'X-Refused', string_match: { exact: '1' } }] };
  assert.equal(on('retriable-headers', 503, ['x-refused', '1'], refused), true);
  assert.equal(on('retriable-headers', 503, ['x-refused', '0'], refused), false);
});

test('a request is sent again only where the conditions cover what happened to it', () => {
  const on = (retry_on: string, what: UpstreamReset): boolean => retriesReset(policy({ retry_on }), what);
  assert.equal(on('connect-failure', reset('connect-failure', true)), true);
  assert.equal(on('connect-failure', reset('connect-timeout', true)), true);
  assert.equal(on('connect-failure,refused-stream', reset('connection-termination')), false);
  assert.equal(on('reset-before-request', reset('connection-termination', true)), true);
  assert.equal(on('reset-before-request', reset('connection-termination')), false);
  for (const condition of ['reset', '5xx', 'gateway-error']) {
    assert.equal(on(condition, reset('connection-termination')), true);
    assert.equal(on(condition, reset('overflow', true)), false, 'what was too much is not made more');
  }
  assert.equal(on('retriable-4xx', reset('connection-termination')), false);
});

test('a policy may be for some requests alone', () => {
  const gets = policy({
    retry_on: '5xx',
    retriable_request_headers: [{ name: ':method', string_match: { exact: 'GET' } }],
  });
  const head = (method: string): RequestHead => new RequestHead(method, '/', 'a', '', new HeaderList());
  assert.equal(appliesTo(gets, head('GET')), true);
  assert.equal(appliesTo(gets, head('POST')), false);
  assert.equal(appliesTo(policy({ retry_on: '5xx' }), head('POST')), true);
  assert.deepEqual(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'POST', 'PUT', 'DELETE', 'PATCH'].map(isSafe), [
    true,
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});

test('waits grow up to their bound, at random', () => {
  const bounds = (config: object): readonly number[] =>
    [1, 2, 3, 4, 5, 30].map((attempts) => backOffMs(policy({ retry_on: '5xx', ...config }), attempts, () => 1));
  assert.deepEqual(bounds({}), [25, 75, 175, 250, 250, 250]);
  assert.deepEqual(
    bounds({ retry_back_off: { base_interval: '0.010s', max_interval: '0.050s' } }),
    [10, 30, 50, 50, 50, 50],
  );
  assert.equal(
    backOffMs(policy({ retry_on: '5xx' }), 1, () => 0),
    0,
  );
});

function location(redirect: object, match: object, authority: string, path: string, fields: string[] = []): string {
  const place = new Place();
  const config = routeConfiguration.parse(
    { virtual_hosts: [{ name: 'v', domains: ['*'], routes: [{ match, redirect }] }] },
    place,
  );
  assert.deepEqual(place.issues, []);
  const head = new RequestHead('GET', path, authority, '', new HeaderList(fields));
  const route = new RouteTable(config).match(head);
  assert.ok(route?.action.type === 'redirect');
  const action: RedirectConfig = route.action.config;
  return redirectLocation(action, head, route.path);
}

const ANY = { prefix: '/' };

test('redirects change what they are told to, and keep the rest', () => {
  assert.equal(location({ https_redirect: true }, ANY, 'a.example', '/x?y'), 'https://a.example/x?y');
  assert.equal(location({ https_redirect: true }, ANY, 'a.example:80', '/'), 'https://a.example/');
  assert.equal(location({ https_redirect: true }, ANY, 'a.example:8080', '/'), 'https://a.example:8080/');
  assert.equal(location({ host_redirect: 'b.example' }, ANY, 'a.example:8080', '/x'), 'http://b.example/x');
  assert.equal(location({ port_redirect: 81 }, ANY, 'a.example:8080', '/x'), 'http://a.example:81/x');
  assert.equal(location({ path_redirect: '/new' }, ANY, 'a', '/old?q'), 'http://a/new?q');
  assert.equal(location({ path_redirect: '/new?r' }, ANY, 'a', '/old?q'), 'http://a/new?r');
  assert.equal(location({ path_redirect: '/new', strip_query: true }, ANY, 'a', '/old?q'), 'http://a/new');
  assert.equal(location({ prefix_rewrite: '/new' }, { prefix: '/old' }, 'a', '/old/x?q'), 'http://a/new/x?q');
  assert.equal(location({ prefix_rewrite: '/new' }, { path_separated_prefix: '/old' }, 'a', '/old'), 'http://a/new');
  assert.equal(location({ scheme_redirect: 'https' }, ANY, 'a', '/', ['x-forwarded-proto', 'https']), 'https://a/');
  const regex = { pattern: { regex: '^/(a)/(b)' }, substitution: String.raw`/\2/\1` };
  assert.equal(location({ regex_rewrite: regex }, ANY, 'a', '/a/b/c?q'), 'http://a/b/a/c?q');
});

test('nothing in a redirect breaks its line', () => {
  assert.equal(location({ path_redirect: '/a\r\nX: y' }, ANY, 'a', '/'), 'http://a/a%0D%0AX:%20y');
});

test('a prefix is replaced by exactly what is given', () => {
  const match = { test: () => true, prefixLength: () => 4 };
  assert.equal(withPrefix('/old/x?/old', match, '/'), '//x?/old', 'slashes are not guessed, as Envoy does not');
});
