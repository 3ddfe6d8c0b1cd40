/**
 * What keeps calls going while parts fail, through Weft's proxy and through the real Envoy on the same bootstrap: each
 * scenario gives what was seen, which must be the same on both, and what it must be is said as well.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ask, DATA_PLANES, freePort, until } from './harness.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { type Plane, startPlane } from './proxy-testing/plane.ts';
import { hang, inTurn, ScriptedUpstream, status } from './proxy-testing/scripted-upstream.ts';

const WAIT_MS = 20_000;

/** Of a response: what the proxy says of its own. */
interface Got {
  readonly status: number;
  readonly body: string;
  readonly overloaded: string | undefined;
  readonly location: string | undefined;
}

class Side {
  readonly plane: Plane;
  readonly one: ScriptedUpstream;
  readonly two: ScriptedUpstream;
  readonly #folder: string;
  readonly #dead: number;
  #cases = 0;

  constructor(plane: Plane, one: ScriptedUpstream, two: ScriptedUpstream, folder: string, dead: number) {
    this.plane = plane;
    this.one = one;
    this.two = two;
    this.#folder = folder;
    this.#dead = dead;
  }

  async get(path: string, headers: Readonly<Record<string, string>> = {}, body?: string): Promise<Got> {
    const answer = await ask(`http://127.0.0.1:${this.plane.port()}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { host: 'shop.example', ...headers },
      ...(body === undefined ? {} : { body }),
    });
    return {
      status: answer.status,
      body: answer.body,
      overloaded: header(answer.headers['x-envoy-overloaded']),
      location: header(answer.headers.location),
    };
  }

  /** The answer, with the flags and details that the access log has for it. */
  async logged(path: string, headers: Readonly<Record<string, string>> = {}, body?: string): Promise<string> {
    const name = `case-${this.#cases++}`;
    const { status: code } = await this.get(path, { ...headers, 'x-case': name }, body);
    const find = async () =>
      readFileSync(join(this.#folder, 'access.log'), 'utf8')
        .split('\n')
        .find((line) => line.startsWith(`${name} `));
    const line = await until(`the log of ${name}`, find, WAIT_MS, () => this.plane.text());
    assert.ok(line.startsWith(`${name} ${code} `), line);
    return line.slice(name.length + 1);
  }

  async statIs(name: string, value: number): Promise<number> {
    const isThere = async () => ((await this.plane.stat(name)) === value ? true : undefined);
    await until(`${this.plane.dataPlane}: ${name} = ${value}`, isThere, WAIT_MS, () => this.plane.text());
    return value;
  }

  /** Of the hosts of a cluster, by what stands for their port. */
  async flags(cluster: string): Promise<Readonly<Record<string, string>>> {
    const { body } = await this.plane.admin('/clusters');
    const names = new Map([
      [this.one.port, 'one'],
      [this.two.port, 'two'],
      [this.#dead, 'dead'],
    ]);
    const found = [...body.matchAll(new RegExp(`^${cluster}::127\\.0\\.0\\.1:(\\d+)::health_flags::(.*)$`, 'gm'))];
    return Object.fromEntries(found.map(([, port, flags = '']) => [names.get(Number(port)) ?? '', flags]));
  }

  async stats(prefix: string, ...names: readonly string[]): Promise<Readonly<Record<string, number>>> {
    const values = await Promise.all(
      names.map(async (name) => [name, await this.plane.stat(`${prefix}${name}`)] as const),
    );
    return Object.fromEntries(values);
  }
}

function header(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'object' ? value.join(',') : value;
}

async function startSides(t: TestContext): Promise<readonly Side[]> {
  const start = async (dataPlane: (typeof DATA_PLANES)[number]): Promise<Side> => {
    const folder = temporaryFolder(t);
    const [one, two] = [await new ScriptedUpstream().start(t), await new ScriptedUpstream().start(t)];
    const dead = await freePort();
    const ports = { 10081: one.port, 10082: two.port, 10089: dead };
    const plane = await startPlane(t, { dataPlane, bootstrap: 'resilience.yaml', folder, ports });
    return new Side(plane, one, two, folder, dead);
  };
  return Promise.all(DATA_PLANES.map(start));
}

async function repeat(count: number, run: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < count; i++) await run();
}

/** What a scenario saw; the same on both data planes. */
type Scenario = (side: Side) => Promise<object>;

const SCENARIOS: Readonly<Record<string, readonly [run: Scenario, expected: object]>> = {
  'a host that fails some times in a row is ejected, and comes back': [
    async (side) => {
      side.one.answer = status(500);
      await repeat(20, () => side.get('/outlier'));
      const failures = side.one.askedCount;
      const flags = await side.flags('outlier');
      const prefix = 'cluster.outlier.outlier_detection.ejections_';
      const during = await side.stats(prefix, 'active', 'enforced_total', 'enforced_consecutive_5xx', 'overflow');
      side.one.reset();
      await side.statIs(`${prefix}active`, 0);
      await repeat(10, () => side.get('/outlier'));
      return { failures, flags, during, isBack: side.one.askedCount > 0, after: await side.flags('outlier') };
    },
    {
      failures: 3,
      flags: { one: '/failed_outlier_check', two: 'healthy' },
      during: { active: 1, enforced_total: 1, enforced_consecutive_5xx: 1, overflow: 0 },
      isBack: true,
      after: { one: 'healthy', two: 'healthy' },
    },
  ],
  'a host that cannot be reached is ejected for that': [
    async (side) => {
      const statuses: number[] = [];
      await repeat(12, async () => statuses.push((await side.get('/reached')).status));
      const prefix = 'cluster.reached.outlier_detection.ejections_';
      return {
        refused: statuses.filter((code) => code === 503).length,
        flags: await side.flags('reached'),
        stats: await side.stats(prefix, 'enforced_consecutive_local_origin_failure', 'enforced_consecutive_5xx'),
      };
    },
    {
      refused: 2,
      flags: { one: 'healthy', dead: '/failed_outlier_check' },
      stats: { enforced_consecutive_local_origin_failure: 1, enforced_consecutive_5xx: 0 },
    },
  ],
  'hosts are checked by HTTP, and get requests by what comes of it': [
    async (side) => {
      const healthy = 'cluster.checked.membership_healthy';
      await side.statIs(healthy, 2);
      // From the first request on the intervals are those of a cluster in use.
      await side.get('/checked');
      const check = side.one.lastCheck;
      side.one.live = status(503);
      await side.statIs(healthy, 1);
      const failed = await side.flags('checked');
      side.one.take();
      await repeat(6, () => side.get('/checked'));
      const askedWhileFailed = side.one.askedCount;
      side.two.live = hang;
      await side.statIs(healthy, 0);
      const timedOut = await side.flags('checked');
      const nobody = await side.logged('/checked');
      side.one.live = status(200, { 'x-envoy-degraded': '1' });
      side.two.live = status(429);
      await side.statIs('cluster.checked.membership_degraded', 1);
      const degraded = (await side.flags('checked')).one;
      // Envoy tells its workers of changes of health once a second at most.
      const isServed = async () => ((await side.get('/checked')).status === 200 ? true : undefined);
      const served = await until('an answer of a degraded host', isServed, WAIT_MS);
      side.one.reset();
      side.two.reset();
      await side.statIs(healthy, 2);
      const { 'user-agent': agent, host, 'x-checked': added } = check?.headers ?? {};
      return {
        check: { method: check?.method, agent, host, added },
        failed,
        askedWhileFailed,
        timedOut,
        nobody,
        degraded,
        served,
        gauges: await side.stats('cluster.checked.health_check.', 'healthy', 'verify_cluster'),
      };
    },
    {
      check: { method: 'GET', agent: 'Envoy/HC', host: 'checks.example', added: 'yes' },
      failed: { one: '/failed_active_hc', two: 'healthy' },
      askedWhileFailed: 0,
      timedOut: { one: '/failed_active_hc', two: '/failed_active_hc/active_hc_timeout' },
      nobody: '503 UH no_healthy_upstream',
      degraded: '/degraded_active_hc',
      served: true,
      gauges: { healthy: 2, verify_cluster: 0 },
    },
  ],
  'a response may take its host out at once': [
    async (side) => {
      await side.statIs('cluster.checked.membership_healthy', 2);
      side.one.answer = status(200, { 'x-envoy-immediate-health-check-fail': 'true' });
      side.two.answer = side.one.answer;
      side.one.live = hang;
      side.two.live = hang;
      await side.get('/checked');
      const passive = await side.statIs('cluster.checked.health_check.passive_failure', 1);
      const flags = Object.values(await side.flags('checked')).sort();
      side.one.reset();
      side.two.reset();
      await side.statIs('cluster.checked.membership_healthy', 2);
      return { passive, flags };
    },
    { passive: 1, flags: ['/failed_active_hc/excluded_via_immediate_hc_fail', 'healthy'] },
  ],
  'hosts are checked by TCP': [
    async (side) => {
      await side.statIs('cluster.tcp-checked.membership_healthy', 1);
      const statuses: number[] = [];
      await repeat(4, async () => statuses.push((await side.get('/tcp-checked')).status));
      return { statuses, flags: await side.flags('tcp-checked') };
    },
    { statuses: [200, 200, 200, 200], flags: { one: 'healthy', dead: '/failed_active_hc' } },
  ],
  'no more is under way than may be': [
    async (side) => {
      const release: (() => void)[] = [];
      side.one.answer = (response) => release.push(() => response.end('late'));
      const prefix = 'cluster.limited.';
      const first = side.get('/limited');
      await side.statIs(`${prefix}upstream_rq_active`, 1);
      const second = side.get('/limited');
      await side.statIs(`${prefix}upstream_rq_pending_active`, 1);
      const refused = await side.get('/limited');
      const logged = await side.logged('/limited');
      const high = side.get('/high');
      await until(
        'the request of high priority',
        async () => (release.length === 2 ? true : undefined),
        WAIT_MS,
        () => '',
      );
      const highRefused = await side.logged('/high');
      const names = ['cx_open', 'rq_open', 'rq_pending_open', 'rq_retry_open'];
      const open = await side.stats(
        `${prefix}circuit_breakers.default.`,
        ...names,
        'remaining_cx',
        'remaining_pending',
      );
      const highOpen = await side.stats(`${prefix}circuit_breakers.high.`, ...names);
      side.one.reset();
      for (const run of release) run();
      const late = [(await first).body, (await second).body, (await high).body];
      const counted = ['upstream_rq_pending_overflow', 'upstream_rq_active_overflow', 'upstream_cx_overflow'];
      const counts = await side.stats(prefix, ...counted);
      return { refused, logged, highRefused, open, highOpen, late, counts };
    },
    {
      refused: {
        status: 503,
        body: 'upstream connect error or disconnect/reset before headers. reset reason: overflow',
        overloaded: 'true',
        location: undefined,
      },
      logged: '503 UO upstream_reset_before_response_started{overflow}',
      highRefused: '503 UO upstream_reset_before_response_started{overflow}',
      open: { cx_open: 1, rq_open: 0, rq_pending_open: 1, rq_retry_open: 0, remaining_cx: 0, remaining_pending: 0 },
      highOpen: { cx_open: 0, rq_open: 1, rq_pending_open: 0, rq_retry_open: 0 },
      late: ['late', 'ok', 'late'],
      counts: { upstream_rq_pending_overflow: 2, upstream_rq_active_overflow: 1, upstream_cx_overflow: 1 },
    },
  ],
  'a request is tried again as policies and headers say': [
    async (side) => {
      const one = side.one;
      one.answer = inTurn(status(503, { 'retry-after': '1' }), status(503), status(200));
      const waited = await side.logged('/rate-limited');
      const counts = await side.stats(
        'cluster.one.',
        'upstream_rq_retry',
        'upstream_rq_retry_backoff_ratelimited',
        'upstream_rq_retry_backoff_exponential',
      );
      one.answer = status(503, { 'x-envoy-ratelimited': 'true' });
      const limited = await side.logged('/rate-limited');
      one.answer = status(503);
      const exhausted = await side.logged('/rate-limited');
      const budget = await side.logged('/budget');
      one.take();
      const asking = { 'x-envoy-retry-on': '5xx', 'x-envoy-max-retries': '2' };
      const within = await side.logged('/', { ...asking, 'x-forwarded-for': '10.0.0.1' });
      const triesWithin = one.take().length;
      const without = await side.logged('/', asking);
      const triesWithout = one.take().length;
      one.answer = hang;
      const idle = await side.logged('/idle');
      const timedOut = await side.logged('/tries');
      const tries = one.take().length;
      const stats = await side.stats(
        'cluster.one.',
        'upstream_rq_per_try_idle_timeout',
        'upstream_rq_per_try_timeout',
        'upstream_rq_retry_limit_exceeded',
      );
      one.reset();
      const overflow = await side.stats('cluster.budget.', 'upstream_rq_retry_overflow', 'upstream_rq_retry');
      const shown = { waited, counts, limited, exhausted, budget, within, triesWithin, without, triesWithout };
      return { ...shown, idle, timedOut, tries, stats, overflow };
    },
    {
      waited: '200 - via_upstream',
      counts: {
        upstream_rq_retry: 2,
        upstream_rq_retry_backoff_ratelimited: 1,
        upstream_rq_retry_backoff_exponential: 1,
      },
      limited: '503 - via_upstream',
      exhausted: '503 URX via_upstream',
      budget: '503 UO via_upstream',
      within: '503 URX via_upstream',
      triesWithin: 3,
      without: '503 - via_upstream',
      triesWithout: 1,
      idle: '504 UT upstream_per_try_idle_timeout',
      timedOut: '504 URX,UT upstream_per_try_timeout',
      tries: 3,
      stats: {
        upstream_rq_per_try_idle_timeout: 1,
        upstream_rq_per_try_timeout: 2,
        upstream_rq_retry_limit_exceeded: 3,
      },
      overflow: { upstream_rq_retry_overflow: 1, upstream_rq_retry: 0 },
    },
  ],
  'copies go elsewhere': [
    async (side) => {
      side.one.take();
      side.two.take();
      side.two.answer = status(500);
      const answered = await side.get('/mirrored?x=1', {}, 'body');
      await until(
        'the copy',
        async () => (side.two.askedCount === 1 ? true : undefined),
        WAIT_MS,
        () => '',
      );
      const [copy] = side.two.take();
      const [own] = side.one.take();
      await side.get('/by-header', { 'x-to': 'two' });
      await until(
        'the other copy',
        async () => (side.two.askedCount === 1 ? true : undefined),
        WAIT_MS,
        () => '',
      );
      const [named] = side.two.take();
      await side.get('/by-header', { 'x-to': 'nowhere' });
      await side.get('/by-header');
      side.two.reset();
      return {
        answered: answered.status,
        own: [own?.method, own?.path, own?.headers.host, own?.body, own?.headers['x-envoy-internal']],
        copy: [copy?.method, copy?.path, copy?.headers.host, copy?.body, copy?.headers['x-envoy-internal']],
        same: own?.headers['x-request-id'] === copy?.headers['x-request-id'],
        names: Object.keys(copy?.headers ?? {})
          .filter((name) => name !== 'connection')
          .sort(),
        named: named?.headers.host,
      };
    },
    {
      answered: 200,
      own: ['POST', '/mirrored?x=1', 'shop.example', 'body', undefined],
      copy: ['POST', '/mirrored?x=1', 'shop.example-shadow', 'body', 'true'],
      same: true,
      names: [
        'content-length',
        'host',
        'x-envoy-expected-rq-timeout-ms',
        'x-envoy-internal',
        'x-forwarded-for',
        'x-forwarded-proto',
        'x-request-id',
      ],
      named: 'shop.example',
    },
  ],
  'redirects are followed within': [
    async (side) => {
      const { one, two } = side;
      const led = async (location: string, code = 302, body?: string) => {
        one.answer = status(code, { location, 'x-copy': 'c' });
        two.take();
        const got = await side.get('/redirected', {}, body);
        const [seen] = two.take();
        return [
          got.status,
          got.location,
          seen && [seen.method, seen.path, seen.headers.host, seen.headers['x-copy'], seen.body],
          seen?.headers['x-envoy-original-url']?.replace(/:\d+/, ''),
        ];
      };
      const prefix = 'http.http.passthrough_internal_redirect_';
      const led302 = await led('http://other.example/target?y=1');
      const led303 = await led('http://other.example/target', 303, 'body');
      const led307 = await led('http://other.example/target', 307, 'body');
      const relative = await led('/target');
      const secure = await led('https://other.example/target');
      const unlisted = await led('http://other.example/unlisted');
      const circle = await led('http://other.example/redirected');
      one.reset();
      const names = ['bad_location', 'unsafe_scheme', 'predicate', 'too_many_redirects', 'no_route'];
      const stats = await side.stats(prefix, ...names);
      const cluster = 'cluster.one.upstream_internal_redirect_';
      const counts = await side.stats(cluster, 'succeeded_total', 'failed_total');
      return { led302, led303, led307, relative, secure, unlisted, circle, stats, counts };
    },
    {
      led302: [200, undefined, ['GET', '/target?y=1', 'other.example', 'c', ''], 'http://shop.example/redirected'],
      led303: [200, undefined, ['GET', '/target', 'other.example', 'c', ''], 'http://shop.example/redirected'],
      led307: [200, undefined, ['POST', '/target', 'other.example', 'c', 'body'], 'http://shop.example/redirected'],
      relative: [302, '/target', undefined, undefined],
      secure: [302, 'https://other.example/target', undefined, undefined],
      unlisted: [302, 'http://other.example/unlisted', undefined, undefined],
      circle: [302, 'http://other.example/redirected', undefined, undefined],
      stats: { bad_location: 1, unsafe_scheme: 1, predicate: 1, too_many_redirects: 1, no_route: 0 },
      counts: { succeeded_total: 5, failed_total: 4 },
    },
  ],
  'a field chooses among weighted clusters': [
    async (side) => {
      const at = async (point: string) => {
        side.one.take();
        await side.get('/weighted', { 'x-point': point });
        return side.one.take().length === 1 ? 'one' : 'two';
      };
      return { points: [await at('0'), await at('29'), await at('30'), await at('99'), await at('100')] };
    },
    { points: ['one', 'one', 'two', 'two', 'one'] },
  ],
};

test('both data planes keep calls going alike', async (t) => {
  const sides = await startSides(t);
  for (const [name, [run, expected]] of Object.entries(SCENARIOS)) {
    await t.test(name, async () => {
      const seen = await Promise.all(sides.map(run));
      for (const [index, side] of sides.entries()) assert.deepEqual(seen[index], expected, side.plane.dataPlane);
    });
  }
});
