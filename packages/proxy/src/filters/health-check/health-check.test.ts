import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessLogFilter } from '../../config/log-filter.ts';
import { Place } from '../../config/schema.ts';
import { compileFilter } from '../../stack/log-filter.ts';
import { FLAG } from '../../stack/response-flags.ts';
import { Filtered, type FilteredOptions } from '../testing/filtered.ts';
import { healthCheckFilter } from './schema.ts';

const headers = [{ name: ':path', string_match: { exact: '/hc' } }];
const CHECKED = 'x-envoy-upstream-healthchecked-cluster: service';
const FAILS = 'x-envoy-immediate-health-check-fail: true';

const serve = (config: object, options?: FilteredOptions): Promise<Filtered> =>
  Filtered.serve([{ name: 'hc', type: 'filters.http.health_check.v3.HealthCheck', headers, ...config }], options);
const check = { path: '/hc' };

test('checks are answered in the place of the upstream, and other requests pass', async () => {
  await using served = await serve({ pass_through_mode: false });
  const received = await served.ask(check);
  assert.match(received, /^HTTP\/1\.1 200 OK\r\n/);
  assert.ok(received.includes(CHECKED));
  assert.deepEqual(served.upstream.received, []);
  assert.ok(!(await served.ask()).includes('health'));
  const [checked, other] = served.proxied.logged;
  assert.deepEqual([checked?.responseDetails, checked?.isHealthCheck], ['health_check_ok', true]);
  assert.equal(other?.isHealthCheck, false);
  assert.deepEqual([served.stat('http.x.health_check.request_total'), served.stat('http.x.health_check.ok')], [1, 1]);
  const logged = compileFilter(accessLogFilter.parse({ not_health_check_filter: {} }, new Place()));
  assert.deepEqual(served.proxied.logged.map(logged), [false, true]);
});

test('while the server is failed checks get 503, and all others are told so', async () => {
  for (const pass_through_mode of [false, true]) {
    await using served = await serve({ pass_through_mode });
    served.proxied.isFailed = true;
    const received = await served.ask(check);
    assert.match(received, /^HTTP\/1\.1 503 /);
    assert.ok(received.includes(CHECKED));
    assert.equal(served.proxied.logged[0]?.flags, FLAG.LH);
    assert.equal(served.proxied.logged[0]?.responseDetails, 'health_check_failed');
    assert.ok((await served.ask()).includes(FAILS));
    served.proxied.isFailed = false;
    assert.ok(!(await served.ask()).includes(FAILS));
  }
});

test('the answer of the upstream is kept for a while', async () => {
  await using served = await serve(
    { pass_through_mode: true, cache_time: '60s' },
    { answer: 'HTTP/1.1 500 Oh\r\nx-envoy-degraded: yes\r\ncontent-length: 0\r\n\r\n' },
  );
  assert.match(await served.ask(check), /^HTTP\/1\.1 500 /);
  const cached = await served.ask(check);
  assert.match(cached, /^HTTP\/1\.1 500 .*x-envoy-degraded: \r\n/s);
  assert.ok(cached.includes(CHECKED));
  assert.equal(served.requests, 1);
  const [, info] = served.proxied.logged;
  assert.deepEqual([info?.responseDetails, info?.flags], ['health_check_cached', FLAG.LH]);
  await using uncached = await serve({ pass_through_mode: true });
  await uncached.ask(check);
  await uncached.ask(check);
  assert.equal(uncached.requests, 2);
});

test('health can be that of clusters', async () => {
  const of = (name: string, value: number) => ({ cluster_min_healthy_percentages: { [name]: { value } } });
  for (const [config, status, details] of [
    [of('c', 100), 200, 'health_check_ok_cluster_healthy'],
    [of('none', 1), 503, 'health_check_failed_no_cluster_found'],
  ] as const) {
    await using served = await serve({ pass_through_mode: false, ...config });
    assert.equal(await served.status(check), status);
    assert.equal(served.proxied.logged[0]?.responseDetails, details);
  }
  await using unhealthy = await serve({ pass_through_mode: false, ...of('c', 50.9) });
  unhealthy.proxied.cluster.stats.membership_healthy = 0;
  assert.equal(await unhealthy.status(check), 503);
  assert.equal(unhealthy.proxied.logged[0]?.responseDetails, 'health_check_failed_cluster_unhealthy');
  unhealthy.proxied.cluster.stats.membership_total = 0;
  assert.equal(await unhealthy.status(check), 503);
  assert.equal(unhealthy.proxied.logged[1]?.responseDetails, 'health_check_failed_cluster_empty');
});

test('what does not fit together is refused with its path', () => {
  const issues = (given: object): readonly string[] => {
    const place = new Place();
    healthCheckFilter.parse(given, place);
    return place.issues.map(({ path }) => path);
  };
  assert.deepEqual(issues({}), ['pass_through_mode']);
  assert.deepEqual(issues({ pass_through_mode: false, cache_time: '1s' }), ['cache_time']);
  assert.deepEqual(issues({ pass_through_mode: true, cluster_min_healthy_percentages: { c: { value: 101 } } }), [
    'cluster_min_healthy_percentages["c"].value',
  ]);
});
