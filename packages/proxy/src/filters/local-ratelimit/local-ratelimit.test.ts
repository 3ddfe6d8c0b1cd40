import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Place } from '../../config/schema.ts';
import { SharedCounts } from '../../counts/shared-counts.ts';
import { FLAG } from '../../stack/response-flags.ts';
import { forward } from '../../stack/testing/proxied.ts';
import { TokenBucket } from '../../token-bucket.ts';
import { ManualClock } from '../../xds/testing/manual-clock.ts';
import { Filtered, type FilteredOptions } from '../testing/filtered.ts';
import { LocalLimiter } from './limiter.ts';
import { networkLocalRateLimit } from './network-schema.ts';
import { localRateLimitFilter, localRateLimitPerRoute } from './schema.ts';
import { makeBucket } from './token-bucket.ts';

const TYPE = 'filters.http.local_ratelimit.v3.LocalRateLimit';
const ALL = { default_value: { numerator: 100 } };
const ON = { stat_prefix: 'lr', filter_enabled: ALL, filter_enforced: ALL };
const TWO_AN_HOUR = { max_tokens: 2, tokens_per_fill: 2, fill_interval: '3600s' };

const serve = (config: object, options?: FilteredOptions): Promise<Filtered> =>
  Filtered.serve([{ name: 'lr', type: TYPE, ...ON, ...config }], options);

async function statuses(served: Filtered, count: number, fields: readonly string[] = []): Promise<readonly number[]> {
  const list: number[] = [];
  for (let i = 0; i < count; i++) list.push(await served.status({ fields }));
  return list;
}

test('so many requests pass, and the others are answered 429', async () => {
  const response_headers_to_add = [{ header: { key: 'x-limited', value: '%RESPONSE_CODE%' } }];
  await using served = await serve({
    token_bucket: TWO_AN_HOUR,
    response_headers_to_add,
    enable_retry_after_header: true,
  });
  assert.deepEqual(await statuses(served, 2), [200, 200]);
  const received = await served.ask();
  assert.match(received, /^HTTP\/1\.1 429 Too Many Requests\r\n.*\r\n\r\nlocal_rate_limited$/s);
  assert.match(received, /x-limited: 429\r\nretry-after: 1800\r\n/);
  const info = served.proxied.logged[2];
  assert.deepEqual([info?.flags, info?.responseDetails], [FLAG.RL, 'local_rate_limited']);
  const counted = ['enabled', 'ok', 'rate_limited', 'enforced'].map((name) =>
    served.stat(`lr.http_local_rate_limit.${name}`),
  );
  assert.deepEqual(counted, [3, 2, 1, 1]);
});

test('what is left is told in fields of every response, where that is asked for', async () => {
  await using served = await serve({ token_bucket: TWO_AN_HOUR, enable_x_ratelimit_headers: 'DRAFT_VERSION_03' });
  const told = async () => [...(await served.ask()).matchAll(/x-ratelimit-\w+: (\d+)/g)].map(([, value]) => value);
  assert.deepEqual(await told(), ['2', '1', '0']);
  assert.deepEqual(await told(), ['2', '0', '1800']);
  assert.deepEqual(await told(), ['2', '0', '1800']);
});

test('a limit that is not enforced lets requests pass, with fields that tell the upstream', async () => {
  const request_headers_to_add_when_not_enforced = [{ header: { key: 'x-over', value: 'yes' } }];
  const token_bucket = { ...TWO_AN_HOUR, max_tokens: 0 };
  await using served = await serve({
    token_bucket,
    filter_enforced: undefined,
    request_headers_to_add_when_not_enforced,
  });
  assert.equal(await served.status(), 200);
  assert.match(served.upstream.received.join(''), /x-over: yes\r\n/);
  await using disabled = await serve({ token_bucket, filter_enabled: undefined });
  assert.deepEqual(await statuses(disabled, 2), [200, 200]);
});

test('another status can be chosen, but none that is no error; gRPC has a status of its own', async () => {
  const none = { ...TWO_AN_HOUR, max_tokens: 0 };
  for (const [code, status] of [
    [503, 503],
    [200, 429],
  ] as const) {
    await using served = await serve({ token_bucket: none, status: { code } });
    assert.equal(await served.status(), status);
  }
  const asked = { method: 'POST', fields: ['content-type: application/grpc'] };
  for (const [rate_limited_as_resource_exhausted, status] of [
    [false, 14],
    [true, 8],
  ] as const) {
    await using served = await serve({ token_bucket: none, rate_limited_as_resource_exhausted });
    assert.match(await served.ask(asked), new RegExp(`^HTTP/1\\.1 200 .*grpc-status: ${status}\\r\\n`, 's'));
  }
});

test('a route has a bucket of its own', async () => {
  const level = { '@type': `type.googleapis.com/envoy.extensions.${TYPE}`, ...ON, stat_prefix: 'route' };
  const routeConfig = forward({}, { typed_per_filter_config: { lr: { ...level, token_bucket: TWO_AN_HOUR } } });
  await using served = await serve({ filter_enabled: undefined, filter_enforced: undefined }, { routeConfig });
  assert.deepEqual(await statuses(served, 3), [200, 200, 429]);
  assert.equal(served.stat('route.http_local_rate_limit.rate_limited'), 1);
  assert.equal(served.stat('lr.http_local_rate_limit.enabled'), 0);
});

test('each connection can have a bucket of its own', async () => {
  await using served = await serve({ token_bucket: TWO_AN_HOUR, local_rate_limit_per_downstream_connection: true });
  assert.deepEqual(await statuses(served, 3), [200, 200, 200]);
  using client = served.proxied.client();
  const count = (text: string, status: number): number => text.split(`HTTP/1.1 ${status} `).length - 1;
  for (let i = 1; i <= 3; i++) {
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until(({ received }) => count(received, 200) + count(received, 429) === i);
  }
  assert.deepEqual([count(client.received, 200), count(client.received, 429)], [2, 1]);
});

test('descriptors of the route have buckets of their own, those that stand for any value one for each', async () => {
  const action = (header_name: string, descriptor_key: string) => ({
    actions: [{ request_headers: { header_name, descriptor_key } }],
  });
  const one = { ...TWO_AN_HOUR, max_tokens: 1 };
  const descriptors = [
    { entries: [{ key: 'tier', value: 'free' }], token_bucket: one },
    { entries: [{ key: 'user', value: '' }], token_bucket: one },
    { entries: [{ key: 'dark', value: '1' }], token_bucket: { ...one, max_tokens: 0 }, shadow_mode: true },
  ];
  const rules = [action('x-tier', 'tier'), action('x-user', 'user'), action('x-dark', 'dark')];
  const token_bucket = { ...TWO_AN_HOUR, max_tokens: 1000 };
  for (const [given, routeConfig] of [
    [{}, forward({ rate_limits: rules })],
    [{ rate_limits: rules }, forward()],
  ] as const) {
    await using served = await serve(
      { token_bucket, descriptors, max_dynamic_descriptors: 2, ...given },
      { routeConfig },
    );
    assert.deepEqual(await statuses(served, 2, ['x-tier: free']), [200, 429]);
    assert.deepEqual(await statuses(served, 2, ['x-tier: paid']), [200, 200]);
    assert.deepEqual(await statuses(served, 2, ['x-user: ann']), [200, 429]);
    assert.deepEqual(await statuses(served, 2, ['x-user: bob']), [200, 429]);
    // Two are kept: the third takes the place of the one that was used longest ago.
    assert.deepEqual(await statuses(served, 1, ['x-user: eve']), [200]);
    assert.deepEqual(await statuses(served, 1, ['x-user: ann']), [200]);
    assert.deepEqual(await statuses(served, 1, ['x-dark: 1']), [200]);
    assert.equal(served.stat('lr.http_local_rate_limit.shadow_mode'), 1);
  }
});

test('tokens come back as time goes by, as many as fit', () => {
  const bucket = new TokenBucket({ maxTokens: 2, tokensPerMs: 1 / 1000 }, 0);
  assert.deepEqual([bucket.take(0), bucket.take(0), bucket.take(999)], [true, true, false]);
  assert.deepEqual([bucket.take(1000), bucket.take(1000)], [true, false]);
  assert.equal(bucket.remaining(60_000), 2);
  assert.deepEqual([bucket.take(60_000, 3), bucket.take(60_000, 2), bucket.take(60_000)], [false, true, false]);
  bucket.giveBack(60_000, 1);
  assert.equal(bucket.remaining(60_000), 1);
  assert.equal(bucket.remaining(0), 1);
});

test('the slowest bucket is asked first, and that for all only where no other was, if so wished', () => {
  const slow = { maxTokens: 1, tokensPerMs: 0.001 };
  const fast = { maxTokens: 5, tokensPerMs: 1 };
  const rule = (value: string, size: typeof slow) => ({ entries: [{ key: 'k', value }], size, isShadow: false });
  const described = (value: string, hits?: number, isGivenBack = false) => ({
    entries: [{ key: 'k', value }],
    limit: undefined,
    hits,
    isGivenBack,
    fields: 'UNSPECIFIED' as const,
  });
  const options = { size: { maxTokens: 1, tokensPerMs: 0.001 }, rules: [rule('f', fast), rule('s', slow)] };
  const limiter = new LocalLimiter({ ...options, alwaysTakesFromAll: false, maxDynamic: 5 }, new ManualClock());
  assert.equal(limiter.take([described('f'), described('s')]).isAllowed, true);
  const denied = limiter.take([described('f'), described('s')]);
  assert.deepEqual([denied.isAllowed, denied.bucket?.maxTokens], [false, 1]);
  // The fast one was not asked: four are left of it.
  assert.equal(limiter.take([described('f', 4)]).isAllowed, true);
  assert.equal(limiter.take([described('f')]).isAllowed, false);
  limiter.take([described('f', 2, true)]);
  assert.equal(limiter.take([described('f', 2)]).isAllowed, true);
  assert.deepEqual([limiter.take([]).isAllowed, limiter.take([]).isAllowed], [true, false]);
});

test('what is wrong is told with its path', () => {
  const issues = (schema: { parse(given: unknown, place: Place): unknown }, given: object): readonly string[] => {
    const place = new Place();
    schema.parse(given, place);
    return place.issues.map(({ path, message }) => `${path}: ${message}`);
  };
  const fast = { max_tokens: 1, fill_interval: '0.02s' };
  assert.deepEqual(issues(localRateLimitFilter, {}), ['stat_prefix: must not be empty']);
  assert.deepEqual(issues(localRateLimitFilter, { stat_prefix: 'x', token_bucket: fast }), [
    'token_bucket.fill_interval: must be at least 0.05s',
  ]);
  assert.deepEqual(issues(localRateLimitPerRoute, { stat_prefix: 'x' }), ['token_bucket: is needed here']);
  const twice = { entries: [{ key: 'a', value: 'b' }], token_bucket: TWO_AN_HOUR };
  assert.deepEqual(issues(localRateLimitFilter, { stat_prefix: 'x', descriptors: [twice, twice] }), [
    'descriptors[1]: has the entries of another descriptor',
  ]);
  assert.match(
    issues(localRateLimitFilter, { stat_prefix: 'x', local_cluster_rate_limit: {} })[0] ?? '',
    /not supported/,
  );
  assert.deepEqual(issues(networkLocalRateLimit, { stat_prefix: 'x', share_key: 'k', token_bucket: TWO_AN_HOUR }), [
    "share_key: not supported by Weft's proxy",
  ]);
  const flag = { stat_prefix: 'x', token_bucket: TWO_AN_HOUR, runtime_enabled: { default_value: true } };
  assert.deepEqual(issues(networkLocalRateLimit, flag), ['runtime_enabled.runtime_key: must not be empty']);
});

test('threads that share a bucket share what is in it', () => {
  const counts = SharedCounts.make(16);
  const size = { maxTokens: 5, tokensPerMs: 1e-6 };
  const [one, other] = [makeBucket(size, 'a', counts, 0), makeBucket(size, 'a', counts, 0)];
  assert.equal(one.remaining(0), 5);
  assert.deepEqual(
    Array.from({ length: 6 }, (_, index) => (index % 2 === 0 ? one : other).take(0)),
    [true, true, true, true, true, false],
  );
  other.giveBack(0, 2);
  assert.equal(one.remaining(0), 2);
  assert.equal(one.take(0, 3), false);
  assert.equal(one.take(0, 2), true);
  one.giveBack(0, 100);
  assert.equal(other.remaining(0), 5, 'no more than fits');
  assert.equal(makeBucket(size, 'b', counts, 0).remaining(0), 5, 'another name has its own');
  assert.equal(makeBucket({ maxTokens: 0, tokensPerMs: 1 }, 'c', counts, 0).take(0), false);
});

test('a shared bucket fills as time goes by', async () => {
  const bucket = makeBucket({ maxTokens: 2, tokensPerMs: 1 / 20 }, 'a', SharedCounts.make(16), 0);
  assert.equal(bucket.take(0, 2), true);
  const deadline = performance.now() + 20_000;
  while (!bucket.take(0)) {
    assert.ok(performance.now() < deadline);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
});
