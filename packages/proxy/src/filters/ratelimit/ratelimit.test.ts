import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode, type Messages } from '@weft/envoy-api';
import { until } from '../../cluster/testing/cluster.ts';
import { HeaderList } from '../../http/header-list.ts';
import { Proxied, ROUTER, TextUpstream } from '../../stack/testing/proxied.ts';
import { together } from '../../testing/together.ts';
import { GRPC_CLUSTER, grpcService } from '../testing/grpc-service.ts';
import { addLimitFields } from './limit-fields.ts';

type RateLimitRequest = Messages['envoy.service.ratelimit.v3.RateLimitRequest'];
type RateLimitResponse = Messages['envoy.service.ratelimit.v3.RateLimitResponse'];

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3';
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const USER = { actions: [{ request_headers: { header_name: 'x-user', descriptor_key: 'user' } }] };
const get = (path: string, ...fields: readonly string[]): string =>
  `${[`GET ${path} HTTP/1.1`, 'Host: a', 'Connection: close', ...fields].join('\r\n')}\r\n\r\n`;

const ROUTES = {
  virtual_hosts: [
    {
      name: 'v',
      domains: ['*'],
      routes: [
        { match: { path: '/limited' }, route: { cluster: 'up', rate_limits: [USER] } },
        {
          match: { path: '/counted' },
          route: { cluster: 'up', rate_limits: [{ ...USER, apply_on_stream_done: true }] },
        },
        {
          match: { path: '/other' },
          route: { cluster: 'up', rate_limits: [USER] },
          typed_per_filter_config: { limits: { '@type': `${TYPE}.RateLimitPerRoute`, domain: 'other' } },
        },
      ],
    },
  ],
};

async function limited(
  answer: (request: RateLimitRequest) => RateLimitResponse | number | undefined,
  fields: object = {},
) {
  const upstream = await new TextUpstream(() => OK).start();
  const asked: RateLimitRequest[] = [];
  const service = await grpcService((message) => {
    const request = decode('envoy.service.ratelimit.v3.RateLimitRequest', message);
    asked.push(request);
    const said = answer(request);
    return typeof said === 'object' ? encode('envoy.service.ratelimit.v3.RateLimitResponse', said) : said;
  });
  const rate_limit_service = {
    transport_api_version: 'V3',
    grpc_service: { envoy_grpc: { cluster_name: 'c' } },
  };
  const typed_config = { '@type': `${TYPE}.RateLimit`, domain: 'shop', timeout: '5s', rate_limit_service, ...fields };
  const proxied = await new Proxied([service.port], {
    cluster: GRPC_CLUSTER,
    clusters: { up: upstream.port },
    routeConfig: ROUTES,
    manager: { http_filters: [{ name: 'limits', typed_config }, ROUTER] },
  }).start();
  return { ...together({ upstream, service, proxied }), asked };
}

test('a request within its limits goes on, with what the service adds', async () => {
  await using ground = await limited(() => ({
    overall_code: 'OK',
    request_headers_to_add: [{ key: 'x-left', value: '3' }],
    response_headers_to_add: [{ key: 'x-said', value: 'ok' }],
  }));
  assert.match(await ground.proxied.ask(get('/limited', 'x-user: me')), /^HTTP\/1\.1 200 .*x-said: ok\r\n/s);
  assert.match(ground.upstream.received[0] ?? '', /x-left: 3\r\n/);
  assert.deepEqual(ground.asked, [{ domain: 'shop', descriptors: [{ entries: [{ key: 'user', value: 'me' }] }] }]);
});

test('a request beyond its limits is answered 429, and the upstream never hears of it', async () => {
  await using ground = await limited(() => ({
    overall_code: 'OVER_LIMIT',
    raw_body: Buffer.from('slow down').toString('base64'),
  }));
  const answer = await ground.proxied.ask(get('/limited', 'x-user: me'));
  assert.match(answer, /^HTTP\/1\.1 429 Too Many Requests\r\n.*x-envoy-ratelimited: true\r\n.*\r\n\r\nslow down$/s);
  assert.deepEqual(ground.upstream.received, []);
  assert.equal(ground.proxied.logged[0]?.responseDetails, 'request_rate_limited');
  assert.match(ground.proxied.registry.text(), /^cluster\.up\.ratelimit\.over_limit: 1$/m);
});

test('a status that is no error is not taken for one', async () => {
  await using ground = await limited(() => ({ overall_code: 'OVER_LIMIT' }), { rate_limited_status: { code: 200 } });
  assert.match(await ground.proxied.ask(get('/limited', 'x-user: me')), /^HTTP\/1\.1 429 /);
});

test('a request that counts under nothing is not asked about', async () => {
  await using ground = await limited(() => ({ overall_code: 'OVER_LIMIT' }));
  assert.match(await ground.proxied.ask(get('/limited')), /^HTTP\/1\.1 200 /);
  assert.deepEqual(ground.asked, []);
});

test('where the service cannot be asked the request goes on, or is refused where that is wanted', async () => {
  for (const [fields, answer] of [
    [{}, /^HTTP\/1\.1 200 /],
    [{ failure_mode_deny: true }, /^HTTP\/1\.1 500 /],
    [{ failure_mode_deny: true, status_on_error: { code: 503 } }, /^HTTP\/1\.1 503 /],
    [{ timeout: '0.05s' }, /^HTTP\/1\.1 200 /],
  ] as const) {
    await using ground = await limited(() => ('timeout' in fields ? undefined : 14), fields);
    assert.match(await ground.proxied.ask(get('/limited', 'x-user: me')), answer);
    assert.match(ground.proxied.registry.text(), /^cluster\.up\.ratelimit\.error: 1$/m);
  }
});

test('a route can have a domain of its own, and limits that count once it is over', async () => {
  await using ground = await limited(() => ({ overall_code: 'OK' }));
  await ground.proxied.ask(get('/other', 'x-user: me'));
  await ground.proxied.ask(get('/counted', 'x-user: me'));
  await until(() => ground.asked.length === 2, 'both questions');
  assert.deepEqual(
    ground.asked.map(({ domain }) => domain),
    ['other', 'shop'],
  );
});

test('of several limits the response tells the nearest, and all policies', () => {
  const headers = new HeaderList();
  addLimitFields(headers, [
    { current_limit: { requests_per_unit: 100, unit: 'HOUR' }, limit_remaining: 50, duration_until_reset: '100.9s' },
    { code: 'OK' },
    {
      current_limit: { requests_per_unit: 10, unit: 'DAY', name: 'n' },
      limit_remaining: 2,
      duration_until_reset: '7s',
    },
  ]);
  assert.deepEqual(headers.flat, [
    'x-ratelimit-limit',
    '10, 100;w=3600, 10;w=86400;name="n"',
    'x-ratelimit-remaining',
    '2',
    'x-ratelimit-reset',
    '7',
  ]);
});
