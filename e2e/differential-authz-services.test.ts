/**
 * The same requests through Weft's proxy and through the real Envoy, each with an authorization service, a rate limit
 * service and collectors of its own: what those were told, what the upstream got and what the client got must be the
 * same.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './harness.ts';
import { differenceText } from './proxy-testing/difference.ts';
import { AUTHORIZATION_CASES, LIMIT_CASES, type ServiceCase, TRACE_CASES } from './proxy-testing/service-cases.ts';
import { type ServiceOutcome, type ServiceSide, startServicePair } from './proxy-testing/service-pair.ts';
import { shownSpans } from './proxy-testing/shown-spans.ts';

/** What Weft does otherwise, by the name of the case. A case that does not differ any more is to leave the list. */
const OTHERWISE: Readonly<Record<string, string>> = {};

async function compare(
  [weft, envoy]: readonly [ServiceSide, ServiceSide],
  cases: readonly ServiceCase[],
): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const one of cases) {
    const [ours, theirs]: readonly ServiceOutcome[] = await Promise.all([weft.outcome(one), envoy.outcome(one)]);
    const difference = differenceText(ours, theirs);
    const isListed = OTHERWISE[one.name] !== undefined;
    if (difference === '' && isListed) wrong.push(`${one.name}\nis listed as different and is not`);
    if (difference !== '' && !isListed) wrong.push(`${one.name}\n${difference}`);
  }
  return wrong;
}

async function sameStats(sides: readonly ServiceSide[], names: readonly string[]): Promise<void> {
  const [ours, theirs] = await Promise.all(
    sides.map(async ({ plane }) =>
      Object.fromEntries(await Promise.all(names.map(async (n) => [n, await plane.stat(n)]))),
    ),
  );
  assert.deepEqual(ours, theirs);
}

test('authorization services hear the same, and their word is law alike', async (t) => {
  const sides = await startServicePair(t);
  const wrong = await compare(sides, AUTHORIZATION_CASES);
  assert.equal(wrong.length, 0, wrong.join('\n\n'));
  const listeners = [
    'authz-grpc',
    'authz-grpc-listed',
    'authz-off',
    'authz-http',
    'authz-http-rules',
    'authz-http-fixed',
  ];
  const counters = ['ok', 'denied', 'error', 'failure_mode_allowed', 'disabled', 'invalid'];
  const names = listeners.flatMap((listener) => counters.map((name) => `http.${listener}.ext_authz.${name}`));
  const cluster = ['ok', 'denied', 'error', 'failure_mode_allowed'].map((name) => `cluster.a.ext_authz.${name}`);
  const body = ['http.authz-grpc-body.ext_authz.body.ok', 'cluster.a.ext_authz.body.failure_mode_allowed'];
  await sameStats(sides, [...names, ...cluster, ...body, 'cluster.a.upstream_rq_401', 'cluster.a.upstream_rq_403']);
});

test('rate limit services hear the same, and limit alike', async (t) => {
  const sides = await startServicePair(t);
  const wrong = await compare(sides, LIMIT_CASES);
  assert.equal(wrong.length, 0, wrong.join('\n\n'));
  const names = ['ok', 'over_limit', 'error', 'failure_mode_allowed'].flatMap((name) => [
    `cluster.a.ratelimit.${name}`,
    `cluster.a.ratelimit.strict.${name}`,
  ]);
  await sameStats(sides, [...names, 'cluster.a.upstream_rq_429', 'cluster.a.upstream_rq_410']);
});

/** So many of the requests above are sampled, the attempts of one listener as spans of their own among them. */
const SPANS = 51;

test('traces are told on, and to collectors, alike', async (t) => {
  const sides = await startServicePair(t);
  const wrong = await compare(sides, TRACE_CASES);
  assert.equal(wrong.length, 0, wrong.join('\n\n'));
  const [ours = [], theirs = []] = await Promise.all(
    sides.map((side) => {
      const spans = () => shownSpans(side.exported());
      // Spans wait up to 5 s for others.
      const all = () => (spans().length >= SPANS ? spans() : undefined);
      return until(`the spans of ${side.plane.dataPlane}`, all, 30_000, () => `${spans().length} came`);
    }),
  );
  assert.deepEqual(ours, theirs);
  const counters = ['client_enabled', 'not_traceable', 'random_sampling', 'service_forced'];
  const listeners = ['traced', 'traced-http', 'traced-rarely', 'traced-zipkin'];
  await sameStats(
    sides,
    listeners.flatMap((listener) => counters.map((name) => `http.${listener}.tracing.${name}`)),
  );
});
