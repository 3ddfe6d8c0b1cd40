/** Where the keys of a provider come from: the configuration, or an address that is asked again from time to time. */
import type { Cancel, Clock } from '../../clock.ts';
import type { Random } from '../../cluster/balancer.ts';
import { HeaderList } from '../../http/header-list.ts';
import { RequestHead } from '../../http/message.ts';
import type { Log } from '../../log.ts';
import type { UpstreamCalls } from '../../upstream/calls.ts';
import type { Warming } from '../../warming.ts';
import { type KeySet, parseJwks } from './jwks.ts';
import type { RemoteJwksConfig } from './schema.ts';
import type { JwtStats } from './stats.ts';

/** What keys are fetched with. */
export interface KeysContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Pick<Log, 'warn'>;
  readonly calls: Pick<UpstreamCalls, 'request'>;
  readonly warming?: Pick<Warming, 'waitFor' | 'arrived'>;
}

export interface KeySource {
  /** The keys that hold now; undefined where they must be fetched. */
  readonly current: KeySet | undefined;
  /** Fetches them; undefined where that fails. One fetch serves all who wait. */
  fetch(): Promise<KeySet | undefined>;
  close(): void;
}

/** Keys that never change. */
export function localKeys(keys: KeySet): KeySource {
  return { current: keys, fetch: () => Promise.resolve(keys), close: () => undefined };
}

/** How long before the keys are old new ones are fetched, where that is not left to requests. */
const REFETCH_BEFORE_MS = 5000;

/** An answer that may be another one when asked for again. */
class Retriable extends Error {}

export class RemoteKeys implements KeySource {
  readonly #config: RemoteJwksConfig;
  readonly #context: KeysContext;
  readonly #stats: JwtStats;
  readonly #ended = new AbortController();
  #keys: KeySet | undefined;
  /** On the monotonic clock. */
  #oldMs = 0;
  #pending: Promise<KeySet | undefined> | undefined;
  #cancelRefetch: Cancel = () => undefined;

  constructor(config: RemoteJwksConfig, context: KeysContext, stats: JwtStats) {
    this.#config = config;
    this.#context = context;
    this.#stats = stats;
    const { async_fetch: ahead, http_uri } = config;
    if (!ahead) return;
    const what = `jwks ${http_uri.uri}`;
    if (!ahead.fast_listener) context.warming?.waitFor(what, 0);
    void this.#keepFetching(ahead.failed_refetch_duration).then(() => context.warming?.arrived(what));
  }

  get current(): KeySet | undefined {
    return this.#context.clock.monotonicMs() < this.#oldMs ? this.#keys : undefined;
  }

  fetch(): Promise<KeySet | undefined> {
    this.#pending ??= this.#fetch().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  close(): void {
    this.#cancelRefetch();
    this.#ended.abort();
  }

  /** Fetches now, and again before the keys are old, or soon after it failed. */
  async #keepFetching(failedMs: number): Promise<void> {
    const keys = await this.fetch();
    if (this.#ended.signal.aborted) return;
    const { cache_duration: heldMs } = this.#config;
    const againMs = heldMs > REFETCH_BEFORE_MS ? heldMs - REFETCH_BEFORE_MS : heldMs;
    this.#cancelRefetch = this.#context.clock.after(keys ? againMs : failedMs, () => void this.#keepFetching(failedMs));
  }

  async #fetch(): Promise<KeySet | undefined> {
    const { num_retries: retries = 0 } = this.#config.retry_policy ?? {};
    for (let attempt = 0; ; attempt++) {
      try {
        return this.#took(await this.#ask());
      } catch (error) {
        if (this.#ended.signal.aborted) return undefined;
        if (error instanceof Retriable && attempt < retries) {
          await this.#backOff(attempt);
          continue;
        }
        this.#stats.jwks_fetch_failed++;
        const { uri } = this.#config.http_uri;
        this.#context.log.warn({ uri }, `the keys of ${uri} could not be fetched: ${(error as Error).message}`);
        return undefined;
      }
    }
  }

  #took(keys: KeySet): KeySet {
    this.#stats.jwks_fetch_success++;
    this.#keys = keys;
    // Keys that are fetched ahead hold until others come.
    const heldMs = this.#config.async_fetch ? Number.POSITIVE_INFINITY : this.#config.cache_duration;
    this.#oldMs = this.#context.clock.monotonicMs() + heldMs;
    return keys;
  }

  async #ask(): Promise<KeySet> {
    const { uri, cluster, timeout: timeoutMs } = this.#config.http_uri;
    const { pathname, search, host, protocol } = new URL(uri);
    const head = new RequestHead('GET', pathname + search, host, protocol.slice(0, -1), new HeaderList());
    const request = { cluster, head, body: Buffer.alloc(0), timeoutMs };
    const answer = await this.#context.calls.request(request, this.#ended.signal).catch((error: Error) => {
      throw new Retriable(error.message, { cause: error });
    });
    const { status } = answer.head;
    if (status >= 500) throw new Retriable(`the answer has the status ${status}`);
    if (status !== 200) throw new Error(`the answer has the status ${status}`);
    const keys = parseJwks(answer.body);
    if (typeof keys === 'string') throw new Error(keys);
    return keys;
  }

  /** A random time below one that doubles with each attempt. */
  async #backOff(attempt: number): Promise<void> {
    const { base_interval: baseMs = 1000, max_interval } = this.#config.retry_policy?.retry_back_off ?? {};
    const limitMs = Math.min(max_interval ?? baseMs * 10, baseMs * 2 ** attempt);
    const { clock, random } = this.#context;
    await new Promise<void>((resolve) => clock.after(random() * limitMs, resolve));
  }
}
