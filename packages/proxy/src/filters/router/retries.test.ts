import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retryPolicy } from '../../config/route.ts';
import { Place } from '../../config/schema.ts';
import { HeaderList } from '../../http/header-list.ts';
import { RequestHead, ResponseHead } from '../../http/message.ts';
import { steeredRetryPolicy } from '../../stack/retry-overrides.ts';
import { compileRetryPolicy, type RetryPolicy, rateLimitedMs } from '../../stack/retry-policy.ts';
import { forward, Proxied, type ProxiedOptions, TextUpstream } from '../../stack/testing/proxied.ts';

const GET = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n';
const UNAVAILABLE = 'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n';
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** What a request gets of an upstream that answers with these one after another. */
async function asked(
  answers: readonly string[],
  headers: string,
  options: ProxiedOptions,
): Promise<{ readonly answer: string; readonly proxied: Proxied; readonly sent: string }> {
  let count = 0;
  await using upstream = await new TextUpstream(() => answers[Math.min(count++, answers.length - 1)]).start();
  await using proxied = await new Proxied([upstream.port], options).start();
  const answer = await proxied.ask(`${GET}${headers}\r\n`);
  return { answer, proxied, sent: upstream.received.join('') };
}

function parsed(fields: object): RetryPolicy {
  const place = new Place();
  const config = retryPolicy.parse(fields, place);
  assert.deepEqual(place.issues, []);
  return compileRetryPolicy(config);
}

test('a client that is trusted may ask for retries, which go no further', async () => {
  const headers = 'x-forwarded-for: 10.0.0.1\r\nx-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 2\r\n';
  const manager = { internal_address_config: { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] } };
  const answers = [`${UNAVAILABLE}\r\n`, `${UNAVAILABLE}\r\n`, OK];
  const { answer, proxied, sent } = await asked(answers, headers, { manager });
  assert.match(answer, /^HTTP\/1\.1 200/);
  const { stats, retriedStats } = proxied.cluster;
  assert.equal(stats.upstream_rq_retry, 2);
  assert.deepEqual([stats.upstream_rq_5xx, stats.upstream_rq_2xx], [0, 1]);
  assert.deepEqual([retriedStats.upstream_rq_5xx, retriedStats.upstream_rq_completed], [2, 2]);
  assert.deepEqual(retriedStats.upstream_rq_.counts, [{ code: 503, count: 2 }]);
  assert.doesNotMatch(sent, /x-envoy-(?:retry-on|max-retries)/);
});

test('a client that is not gets what the route says', async () => {
  const { answer } = await asked([`${UNAVAILABLE}\r\n`, OK], 'x-envoy-retry-on: 5xx\r\n', {});
  assert.match(answer, /^HTTP\/1\.1 503/);
});

test('what a request asks for is added to what the route says', () => {
  const head = new RequestHead(
    'GET',
    '/',
    'a',
    'http',
    new HeaderList([
      ...['x-envoy-retry-on', 'gateway-error, nonsense,unavailable'],
      ...['x-envoy-retry-grpc-on', 'unavailable,5xx'],
      ...['x-envoy-retriable-status-codes', '418, x'],
      ...['x-envoy-retriable-header-names', 'X-Try'],
      ...['x-envoy-hedge-on-per-try-timeout', 'true'],
    ]),
  );
  const policy = steeredRetryPolicy(parsed({ retry_on: 'reset', retriable_status_codes: [409] }), head);
  assert.deepEqual([...(policy?.conditions ?? [])], ['reset', 'gateway-error', 'unavailable']);
  assert.deepEqual([...(policy?.grpcStatuses ?? [])], [14]);
  assert.deepEqual([...(policy?.statusCodes ?? [])], [409, 418]);
  assert.equal(policy?.responseHeaders[0]?.name, 'x-try');
  assert.deepEqual(head.headers.flat, []);
  assert.equal(steeredRetryPolicy(undefined, new RequestHead('GET', '/', 'a', 'http', new HeaderList())), undefined);
});

test('an answer may say when to come again', async () => {
  const rate_limited_retry_back_off = {
    reset_headers: [{ name: 'Retry-After' }, { name: 'x-reset', format: 'UNIX_TIMESTAMP' }],
    max_interval: '10s',
  };
  const policy = parsed({ retry_on: '5xx', rate_limited_retry_back_off });
  const wait = (...fields: string[]) =>
    rateLimitedMs(policy, new ResponseHead(503, new HeaderList(fields)), 5000, () => 0);
  assert.equal(wait('retry-after', '2'), 2000);
  assert.equal(wait('retry-after', '0'), undefined);
  assert.equal(wait('retry-after', 'Fri, 31 Dec 1999 23:59:59 GMT'), undefined);
  assert.equal(wait('retry-after', '11', 'x-reset', '8'), 3000);
  assert.equal(wait('x-reset', '4'), undefined);
  assert.equal(
    rateLimitedMs(policy, new ResponseHead(503, new HeaderList(['retry-after', '2'])), 0, () => 1),
    3000,
  );
  const { answer, proxied } = await asked([`${UNAVAILABLE}retry-after: 1\r\n\r\n`, OK], '', {
    routeConfig: forward({ retry_policy: { retry_on: '5xx', rate_limited_retry_back_off } }),
  });
  assert.match(answer, /^HTTP\/1\.1 200/);
  assert.equal(proxied.cluster.stats.upstream_rq_retry_backoff_ratelimited, 1);
  assert.equal(proxied.cluster.stats.upstream_rq_retry_backoff_exponential, 0);
});

test('an answer of a rate limit is asked for again only where the policy names it', async () => {
  const limited = `${UNAVAILABLE}x-envoy-ratelimited: true\r\n\r\n`;
  const on = async (retry_on: string) =>
    (await asked([limited, OK], '', { routeConfig: forward({ retry_policy: { retry_on } }) })).answer;
  assert.match(await on('5xx'), /^HTTP\/1\.1 503/);
  assert.match(await on('envoy-ratelimited'), /^HTTP\/1\.1 200/);
});

test('an attempt that stands still is tried again, and answered with 504 in the end', async () => {
  let count = 0;
  await using upstream = await new TextUpstream(() => (++count === 1 ? undefined : OK)).start();
  const retry_policy = { retry_on: '5xx', per_try_idle_timeout: '0.05s' };
  await using proxied = await new Proxied([upstream.port], { routeConfig: forward({ retry_policy }) }).start();
  assert.match(await proxied.ask(`${GET}\r\n`), /^HTTP\/1\.1 200/);
  assert.equal(proxied.cluster.stats.upstream_rq_per_try_idle_timeout, 1);
  await using silent = await new TextUpstream().start();
  await using given = await new Proxied([silent.port], { routeConfig: forward({ retry_policy }) }).start();
  assert.match(await given.ask(`${GET}\r\n`), /^HTTP\/1\.1 504/);
  assert.equal(given.logged[0]?.responseDetails, 'upstream_per_try_idle_timeout');
});

test('a response that stands still is broken off', async () => {
  await using upstream = await new TextUpstream(() => 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab').start();
  const retry_policy = { retry_on: '5xx', per_try_idle_timeout: '0.05s' };
  await using proxied = await new Proxied([upstream.port], { routeConfig: forward({ retry_policy }) }).start();
  assert.match(await proxied.ask(`${GET}\r\n`), /\r\n\r\nab$/);
  assert.equal(proxied.logged[0]?.responseDetails, 'upstream_per_try_idle_timeout');
});

test('a limit on what is under way is told with its flag and its header', async () => {
  const thresholds = [{ max_requests: 0 }, { priority: 'HIGH', max_requests: 1 }];
  const options = (priority: string) => ({
    cluster: { circuit_breakers: { thresholds } },
    routeConfig: forward({ priority }),
  });
  const { answer, proxied } = await asked([OK], '', options('DEFAULT'));
  assert.match(answer, /^HTTP\/1\.1 503[\s\S]*x-envoy-overloaded: true/);
  assert.equal(proxied.cluster.stats.upstream_rq_active_overflow, 1);
  assert.match((await asked([OK], '', options('HIGH'))).answer, /^HTTP\/1\.1 200/);
});

test('retries that a limit holds back are told with its flag', async () => {
  const { answer, proxied } = await asked([`${UNAVAILABLE}\r\n`, OK], '', {
    cluster: { circuit_breakers: { thresholds: [{ max_retries: 0 }] } },
    routeConfig: forward({ retry_policy: { retry_on: '5xx' } }),
  });
  assert.match(answer, /^HTTP\/1\.1 503/);
  assert.equal(proxied.cluster.stats.upstream_rq_retry_overflow, 1);
});
