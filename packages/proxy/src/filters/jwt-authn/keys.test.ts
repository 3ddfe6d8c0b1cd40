import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderList } from '../../http/header-list.ts';
import { ResponseHead } from '../../http/message.ts';
import { type KeysContext, RemoteKeys } from './keys.ts';
import type { RemoteJwksConfig } from './schema.ts';
import { JwtStats } from './stats.ts';
import { Issuer } from './testing/issuer.ts';

const jwks = new Issuer().jwks;

function config(change: Partial<RemoteJwksConfig>): RemoteJwksConfig {
  return {
    http_uri: { uri: 'https://keys.test/all?x', cluster: 'c', timeout: 1000 },
    cache_duration: 60_000,
    async_fetch: undefined,
    retry_policy: undefined,
    ...change,
  };
}

/** An address that is asked for keys, and time that passes when the test says so. */
class Ground {
  nowMs = 0;
  fetches = 0;
  answer: { readonly status: number; readonly body: string } = { status: 200, body: jwks };
  readonly stats = new JwtStats();
  readonly waiting = new Set<string>();
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];

  get context(): KeysContext {
    const { waiting } = this;
    return {
      clock: {
        monotonicMs: () => this.nowMs,
        wallMs: () => this.nowMs,
        after: (delayMs, run) => {
          const timer = { atMs: this.nowMs + delayMs, run };
          this.#timers.push(timer);
          return () => void this.#timers.splice(this.#timers.indexOf(timer), 1);
        },
      },
      random: () => 0,
      log: { warn: () => undefined },
      warming: {
        waitFor: (what) => void waiting.add(what),
        arrived: (what) => void waiting.delete(what),
      },
      calls: {
        request: async ({ head }) => {
          assert.equal(`${head.authority}${head.path}`, 'keys.test/all?x');
          this.fetches++;
          const { status, body } = this.answer;
          return { head: new ResponseHead(status, new HeaderList()), body: Buffer.from(body), trailers: undefined };
        },
      },
    };
  }

  /** Lets time pass, and what waits for that moment run to its end. */
  async pass(ms: number): Promise<void> {
    this.nowMs += ms;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.nowMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.nowMs);
    for (const { run } of due) run();
    await this.settle();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  get timers(): number {
    return this.#timers.length;
  }
}

test('keys hold as long as the configuration says', async () => {
  const ground = new Ground();
  const keys = new RemoteKeys(config({ cache_duration: 1000 }), ground.context, ground.stats);
  assert.equal(keys.current, undefined);
  const [first, second] = await Promise.all([keys.fetch(), keys.fetch()]);
  assert.equal(ground.fetches, 1);
  assert.equal(first, second);
  assert.equal(keys.current, first);
  ground.nowMs += 999;
  assert.equal(keys.current, first);
  ground.nowMs += 1;
  assert.equal(keys.current, undefined);
});

test('what is no set of keys is a failure, and is not asked for again', async () => {
  for (const answer of [
    { status: 404, body: jwks },
    { status: 200, body: 'ok' },
    { status: 200, body: '{"keys":[]}' },
  ]) {
    const ground = new Ground();
    ground.answer = answer;
    const retry_policy = { num_retries: 3, retry_back_off: undefined };
    const keys = new RemoteKeys(config({ retry_policy }), ground.context, ground.stats);
    assert.equal(await keys.fetch(), undefined);
    assert.equal(ground.fetches, 1);
    assert.equal(ground.stats.jwks_fetch_failed, 1);
  }
});

test('a listener waits for the first keys, or for the failure to get them', async () => {
  for (const status of [200, 500]) {
    const ground = new Ground();
    ground.answer = { status, body: jwks };
    const async_fetch = { fast_listener: false, failed_refetch_duration: 1000 };
    new RemoteKeys(config({ async_fetch }), ground.context, ground.stats);
    assert.equal(ground.waiting.size, 1);
    await ground.settle();
    assert.equal(ground.waiting.size, 0);
  }
});

test('keys that are fetched ahead are fetched again before they are old, and soon after a failure', async () => {
  const ground = new Ground();
  const async_fetch = { fast_listener: true, failed_refetch_duration: 1000 };
  const keys = new RemoteKeys(config({ async_fetch }), ground.context, ground.stats);
  assert.equal(ground.waiting.size, 0);
  await ground.settle();
  const first = keys.current;
  assert.ok(first);
  ground.answer = { status: 500, body: '' };
  await ground.pass(54_000);
  assert.equal(ground.fetches, 1);
  await ground.pass(1000);
  assert.equal(ground.fetches, 2);
  // Old keys are better than none.
  assert.equal(keys.current, first);
  ground.answer = { status: 200, body: jwks };
  await ground.pass(1000);
  assert.equal(ground.fetches, 3);
  assert.notEqual(keys.current, first);
  keys.close();
  assert.equal(ground.timers, 0);
});
