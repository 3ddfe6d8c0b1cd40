import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routeConfiguration } from '../config/route.ts';
import { Place } from '../config/schema.ts';
import { withoutPort } from '../http/authority.ts';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import { RouteTable } from './route-table.ts';

function table(config: object): RouteTable {
  const place = new Place();
  const parsed = routeConfiguration.parse(config, place);
  assert.deepEqual(place.issues, []);
  return new RouteTable(parsed);
}

function request(authority: string, path = '/', { method = 'GET', headers = [] as string[] } = {}): RequestHead {
  return new RequestHead(method, path, authority, '', new HeaderList(headers));
}

const toCluster = { cluster: 'c' };
const hosts = (...domains: string[][]): object => ({
  virtual_hosts: domains.map((list) => ({
    name: list.join(' '),
    domains: list,
    routes: [{ match: { prefix: '/' }, route: toCluster }],
  })),
});

test('an exact domain wins over a suffix, that over a prefix, that over any; the longest of a kind first', () => {
  const routes = table(
    hosts(['*'], ['*.b.example'], ['*.example'], ['a.*'], ['a.b.*'], ['a.b.example'], ['*-x.example']),
  );
  const owner = (authority: string): string | undefined => routes.match(request(authority))?.virtualHost.name;
  assert.equal(owner('a.b.example'), 'a.b.example');
  assert.equal(owner('A.B.Example'), 'a.b.example');
  assert.equal(owner('c.b.example'), '*.b.example');
  assert.equal(owner('c.d.b.example'), '*.b.example');
  assert.equal(owner('c.example'), '*.example');
  assert.equal(owner('foo-x.example'), '*-x.example');
  assert.equal(owner('a.c.example'), '*.example', 'a suffix before a prefix');
  assert.equal(owner('a.b.com'), 'a.b.*');
  assert.equal(owner('a.com'), 'a.*');
  assert.equal(owner('.b.example'), '*.example', 'a wildcard stands for something');
  assert.equal(owner('other'), '*');
  assert.equal(owner('a.b.example:80'), 'a.b.*', 'a port is part of the name');
});

test('ports are left out of the match where the table says so', () => {
  const routes = table({ ...hosts(['a.example'], ['[::1]']), ignore_port_in_host_matching: true });
  assert.equal(routes.match(request('a.example:8080'))?.virtualHost.name, 'a.example');
  assert.equal(routes.match(request('[::1]:8080'))?.virtualHost.name, '[::1]');
  assert.equal(routes.match(request('b.example')), undefined);
  assert.equal(withoutPort('[::1]'), '[::1]');
  assert.equal(withoutPort('a:1'), 'a');
});

function chosen(matches: readonly object[], head: RequestHead): string | undefined {
  const routes = matches.map((match, i) => ({ name: String(i), match, route: toCluster }));
  return table({ virtual_hosts: [{ name: 'v', domains: ['*'], routes }] }).match(head)?.name;
}

test('the first route that matches is taken, by each kind of path', () => {
  const matches = [
    { path: '/exact' },
    { path_separated_prefix: '/api' },
    { safe_regex: { regex: '/item/[0-9]+' } },
    { prefix: '/Case', case_sensitive: false },
    { prefix: '/pre' },
  ];
  const of = (path: string): string | undefined => chosen(matches, request('a', path));
  assert.equal(of('/exact'), '0');
  assert.equal(of('/exact?x=y'), '0');
  assert.equal(of('/exact/'), undefined);
  assert.equal(of('/api'), '1');
  assert.equal(of('/api/x'), '1');
  assert.equal(of('/api?x'), '1');
  assert.equal(of('/apix'), undefined);
  assert.equal(of('/item/12'), '2');
  assert.equal(of('/item/12/x'), undefined);
  assert.equal(of('/item/12?/x'), '2');
  assert.equal(of('/cASE/x'), '3');
  assert.equal(of('/prefix'), '4');
  assert.equal(of('/Exact'), undefined);
});

test('fields and parameters of the query must all match', () => {
  const matches = [
    {
      prefix: '/',
      headers: [
        { name: ':method', string_match: { exact: 'POST' } },
        { name: 'X-Tier', string_match: { prefix: 'gold' } },
      ],
      query_parameters: [
        { name: 'v', string_match: { exact: '2' } },
        { name: 'debug', present_match: true },
      ],
    },
    { prefix: '/', query_parameters: [{ name: 'a', present_match: false }] },
  ];
  const of = (path: string, headers: string[], method = 'POST'): string | undefined =>
    chosen(matches, request('a', path, { headers, method }));
  assert.equal(of('/?debug&v=2', ['x-tier', 'golden']), '0');
  assert.equal(of('/?debug=&v=2&v=3', ['x-tier', 'gold']), '0');
  assert.equal(of('/?debug&v=2', ['x-tier', 'gold'], 'GET'), '1');
  assert.equal(of('/?debug&v=22', ['x-tier', 'gold']), '1');
  assert.equal(of('/?debug&v=2', []), '1');
  assert.equal(of('/?a=1', []), undefined);
  assert.equal(of('/?debug&v=2', ['x-tier', 'silver', 'x-tier', 'gold']), '0', 'one of several is enough');
  assert.equal(of('/?debug&v=2', ['x-tier', 'silver,gold']), '1', 'a list is one value');
});

test('the first cookie of a name counts, and none stands within another', () => {
  const cookie = { name: 'a', string_match: { exact: 'b' } };
  const matches = [{ prefix: '/', cookies: [cookie] }];
  const isMatched = (...headers: string[]) => chosen(matches, request('h', '/', { headers })) === '0';
  for (const good of ['a=b', 'x=y; a=b', 'x=y;a="b"', 'a=b; a=c', ';a=b']) assert.ok(isMatched('cookie', good), good);
  for (const bad of ['a=c; a=b', 'x=y, a=b', 'xa=b', 'a = b', 'A=b', 'a', ''])
    assert.ok(!isMatched('cookie', bad), bad);
  assert.ok(isMatched('cookie', 'x=y', 'cookie', 'a=b'));
  assert.ok(!isMatched());
});

test('what a head keeps by itself is matched as the field that it is', () => {
  const of = (name: string, exact: string, change: Partial<RequestHead>, headers: string[] = []) =>
    chosen(
      [{ prefix: '/', headers: [{ name, string_match: { exact } }] }],
      Object.assign(request('a', '/', { headers }), change),
    );
  assert.equal(of('upgrade', 'websocket', { upgrade: 'websocket' }), '0');
  assert.equal(of('connection', 'upgrade', { upgrade: 'websocket' }), '0');
  assert.equal(of('Upgrade', 'websocket', {}), undefined);
  assert.equal(of(':scheme', 'https', { scheme: 'https' }), '0');
  assert.equal(of(':scheme', 'https', {}, ['x-forwarded-proto', 'https']), '0');
  for (const told of ['x', '', 'https,http', 'ftp']) {
    assert.equal(of(':scheme', 'http', {}, ['x-forwarded-proto', told]), '0', told);
  }
  assert.equal(of(':scheme', 'http', {}, ['x-forwarded-proto', 'https', 'x-forwarded-proto', 'http']), '0');
});

test('CONNECT goes where a route is for it, and nowhere else', () => {
  const matches = [{ prefix: '/' }, { connect_matcher: {} }];
  assert.equal(chosen(matches, request('a:80', '', { method: 'CONNECT' })), '1');
  assert.equal(chosen(matches, request('a:80', '/')), '0');
});

test('a table of many hosts is looked up as fast as a small one', () => {
  const many = table(hosts(...Array.from({ length: 20_000 }, (_, i) => [`h${i}.example`, `*.h${i}.example`])));
  const few = table(hosts(['h1.example', '*.h1.example']));
  const time = (routes: RouteTable): number => {
    const head = request('x.h1.example');
    const startMs = performance.now();
    for (let i = 0; i < 20_000; i++) assert.ok(routes.match(head));
    return performance.now() - startMs;
  };
  time(few);
  time(many);
  assert.ok(time(many) < time(few) * 20 + 200);
});
