import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpConnectionManager } from '../config/http.ts';
import { Place } from '../config/schema.ts';
import { HeaderList } from '../http/header-list.ts';
import { type Protocol, RequestHead } from '../http/message.ts';
import { HttpStats } from '../stats/groups.ts';
import { ROUTER, routes } from '../testing/bootstrap.ts';
import { RequestCleaner } from './clean-request.ts';

function cleaner(fields: object): RequestCleaner {
  const place = new Place();
  const route_config = routes({ match: { prefix: '/' }, route: { cluster: 'c' } });
  const config = httpConnectionManager.parse(
    { stat_prefix: 'x', http_filters: [ROUTER], route_config, ...fields },
    place,
  );
  assert.deepEqual(place.issues, []);
  return new RequestCleaner(config, 80, new HttpStats());
}

function request(path: string, scheme = '', protocol: Protocol = 'HTTP/1.1'): RequestHead {
  return Object.assign(new RequestHead('GET', path, 'any.test', scheme, new HeaderList()), { protocol });
}

test('at the edge a target in the clear does not say https', () => {
  const edge = cleaner({ use_remote_address: true });
  assert.equal(edge.clean(request('/', 'https'), false)?.status, 403);
  assert.equal(edge.clean(request('/', 'https'), true), undefined);
  assert.equal(edge.clean(request('/', 'http'), false), undefined);
  assert.equal(edge.clean(request('/', 'https', 'HTTP/2'), false), undefined);
  const behind = cleaner({ use_remote_address: true, xff_num_trusted_hops: 1 });
  assert.equal(behind.clean(request('/', 'https'), false), undefined);
});

test('a redirect to another spelling leads to no other host', () => {
  const redirecting = cleaner({ normalize_path: true, path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT' });
  const location = (path: string) => redirecting.clean(request(path), false)?.headers?.[0]?.[1];
  assert.equal(location('/a%2fb'), '/a/b');
  for (const path of ['/%2fother.test/x', '/%5cother.test/x', '/x/..%2f/other.test/x']) {
    const target = location(path) ?? '';
    assert.equal(new URL(target, 'http://any.test/y').host, 'any.test', target);
    assert.equal(new URL(target, 'http://any.test/y').pathname, '//other.test/x', target);
  }
  const verbatim = cleaner({ path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT' });
  const [, told = ''] = verbatim.clean(request('/%5cother.test'), false)?.headers?.[0] ?? [];
  assert.equal(new URL(told, 'http://any.test/y').host, 'any.test', told);
});

test('a request that may take so many hops takes one fewer from here on, and none beyond the last', () => {
  const any = cleaner({});
  const limited = (method: string, hops: string): RequestHead => {
    const head = request('/');
    head.method = method;
    head.headers.add('max-forwards', hops);
    return head;
  };
  const passed = [
    ['OPTIONS', '5', '4'],
    ['TRACE', '1', '0'],
    ['GET', '0', '0'],
    ['OPTIONS', 'many', 'many'],
    ['TRACE', '-1', '-1'],
  ] as const;
  for (const [method, hops, left] of passed) {
    const head = limited(method, hops);
    assert.equal(any.clean(head, false), undefined, `${method} ${hops}`);
    assert.equal(head.headers.get('max-forwards'), left, `${method} ${hops}`);
  }
  assert.equal(any.clean(limited('OPTIONS', '0'), false)?.status, 200);
  assert.equal(any.clean(limited('TRACE', '00'), false)?.status, 501);
});
