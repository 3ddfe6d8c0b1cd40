import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../cluster/testing/cluster.ts';
import { forward } from '../../stack/testing/proxied.ts';
import { A, bearer, one, serve } from './testing/served.ts';

const a = (claims: object = {}): string => bearer({ ...A, ...claims });

test('tokens that were checked are kept, as many as may be, and checked for their time again', async () => {
  await using served = await serve([one({ jwt_cache_config: { jwt_cache_size: 1 } })]);
  for (const line of [a(), a(), a({ n: 1 }), a(), a({ exp: 1 })]) await served.ask('/', line);
  assert.equal(served.stat('jwt_cache_hit'), 1);
  assert.equal(served.stat('jwt_cache_miss'), 4);
});

const remote = (path: string, more: object = {}): object => ({
  local_jwks: undefined,
  remote_jwks: { http_uri: { uri: `http://keys.example:81${path}`, cluster: 'c', timeout: '5s' }, ...more },
});

test('keys are fetched once for all who wait, and again when they are old', async () => {
  await using served = await serve([one(remote('/jwks', { cache_duration: '0.5s' }))]);
  const fetches = () =>
    served.upstream.received.join('').split('GET /jwks HTTP/1.1\r\nhost: keys.example:81\r\n').length - 1;
  const answers = await Promise.all(Array.from({ length: 8 }, () => served.ask('/', a())));
  assert.deepEqual(new Set(answers), new Set(['200 ok']));
  assert.equal(fetches(), 1);
  const deadlineMs = performance.now() + 20_000;
  while (fetches() === 1 && performance.now() < deadlineMs) assert.equal(await served.ask('/', a()), '200 ok');
  assert.ok(served.stat('jwks_fetch_success') >= 2);
});

test('where keys cannot be fetched, the request is refused after as many attempts as may be', async () => {
  const retry_policy = { num_retries: 2, retry_back_off: { base_interval: '0.005s', max_interval: '0.01s' } };
  await using served = await serve([one(remote('/broken', { retry_policy }))]);
  assert.equal(await served.ask('/', a()), '401 Jwks remote fetch is failed');
  assert.equal(served.upstream.received.join('').split('GET /broken ').length - 1, 3);
  assert.equal(served.stat('jwks_fetch_failed'), 1);
  assert.equal(await served.ask('/', a({ exp: 1 })), '401 Jwt is expired');
});

test('a client that leaves while keys are fetched is forgotten', async () => {
  await using served = await serve([one(remote('/slow'))], { routeConfig: forward() });
  using client = served.proxied.client();
  client.send(`GET / HTTP/1.1\r\nHost: a\r\n${a()}\r\n\r\n`);
  await served.upstream.receives('GET /slow ');
  client[Symbol.dispose]();
  await until(() => served.proxied.logged.length === 1, 'the end of the request');
  assert.equal(served.stat('denied'), 0);
});

test('keys can be fetched before anybody asks', async () => {
  await using served = await serve([one(remote('/jwks', { async_fetch: { fast_listener: true } }))]);
  await until(() => served.stat('jwks_fetch_success') === 1, 'keys');
  assert.equal(await served.ask('/', a()), '200 ok');
  assert.equal(served.stat('jwks_fetch_success'), 1);
});
