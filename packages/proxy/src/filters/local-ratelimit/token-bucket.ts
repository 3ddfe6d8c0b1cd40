/** The buckets of local rate limits: their schema, and those that threads share. */
import { built, durationMs, message, number, required } from '../../config/schema.ts';
import type { Counts, Instant } from '../../counts/cells.ts';
import { type BucketSize, resetSeconds, TokenBucket } from '../../token-bucket.ts';

const MAX_UINT32 = 0xffff_ffff;
/** Envoy refuses buckets that are filled more often. */
const MIN_FILL_MS = 50;
const NANOSECOND_MS = 1e-6;

/** `envoy.type.v3.TokenBucket`; tokens come continuously, not a fill at a time. */
export const tokenBucket = built(
  message(
    'envoy.type.v3.TokenBucket',
    {
      max_tokens: number(0, { max: MAX_UINT32 }),
      tokens_per_fill: number(1, { min: 1, max: MAX_UINT32 }),
      fill_interval: required(durationMs(1000, { min: NANOSECOND_MS })),
    },
    ({ max_tokens, fill_interval }, place) => {
      if (max_tokens > 0 && fill_interval < MIN_FILL_MS) {
        place.within('fill_interval', () => place.refuse(`must be at least ${MIN_FILL_MS / 1000}s`));
      }
    },
  ),
  ({ max_tokens: maxTokens, tokens_per_fill, fill_interval }): BucketSize => ({
    maxTokens,
    tokensPerMs: tokens_per_fill / fill_interval,
  }),
);

/** What may still pass. Times are milliseconds on the clock of the thread. */
export interface Bucket {
  readonly maxTokens: number;
  readonly tokensPerMs: number;
  /** Takes tokens; false, and none is taken, where there are not so many. */
  take(nowMs: number, tokens?: number): boolean;
  /** Gives tokens back; those that do not fit are lost. */
  giveBack(nowMs: number, tokens: number): void;
  /** Whole tokens. */
  remaining(nowMs: number): number;
  /** Whole seconds that one token takes, where there is none; 0 where there is one. */
  resetSeconds(nowMs: number): number;
}

/** What rounding may take from a token. */
const ROUNDING = 1e-6;

/**
 * A bucket that threads share. All that is kept of it is when it will be full: what is in it follows from that, and one
 * number can be changed by several threads without a lock. Time is that of the machine, not that which callers have.
 */
export class SharedTokenBucket implements Bucket {
  readonly #size: BucketSize;
  readonly #fullAt: Instant;

  /** Full at the start, unless it is in use already. */
  constructor(size: BucketSize, fullAt: Instant) {
    this.#size = size;
    this.#fullAt = fullAt;
  }

  get maxTokens(): number {
    return this.#size.maxTokens;
  }

  get tokensPerMs(): number {
    return this.#size.tokensPerMs;
  }

  #tokens(fullAtMs: number, nowMs: number): number {
    const { maxTokens, tokensPerMs } = this.#size;
    return maxTokens - Math.max(0, fullAtMs - nowMs) * tokensPerMs;
  }

  take(_: number, tokens = 1): boolean {
    const { maxTokens, tokensPerMs } = this.#size;
    if (maxTokens === 0) return false;
    const nowMs = this.#fullAt.nowMs();
    for (;;) {
      const fullAtMs = this.#fullAt.get();
      if (this.#tokens(fullAtMs, nowMs) + ROUNDING < tokens) return false;
      if (this.#fullAt.replace(fullAtMs, Math.max(nowMs, fullAtMs) + tokens / tokensPerMs)) return true;
    }
  }

  giveBack(_: number, tokens: number): void {
    const nowMs = this.#fullAt.nowMs();
    for (;;) {
      const fullAtMs = this.#fullAt.get();
      const after = Math.max(nowMs, fullAtMs) - tokens / this.#size.tokensPerMs;
      if (this.#fullAt.replace(fullAtMs, Math.max(nowMs, after))) return;
    }
  }

  remaining(_: number): number {
    return Math.max(0, Math.floor(this.#tokens(this.#fullAt.get(), this.#fullAt.nowMs()) + ROUNDING));
  }

  resetSeconds(nowMs: number): number {
    return resetSeconds(this.remaining(nowMs), this.#size.tokensPerMs);
  }
}

/** The bucket of that name: one for all threads, where there are several. */
export function makeBucket(size: BucketSize, name: string, counts: Counts | undefined, nowMs: number): Bucket {
  const fullAt = counts?.instant(`bucket/${size.maxTokens}/${size.tokensPerMs}/${name}`);
  return fullAt ? new SharedTokenBucket(size, fullAt) : new TokenBucket(size, nowMs);
}
