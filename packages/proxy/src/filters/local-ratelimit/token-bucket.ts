/** Token buckets that fill as time goes by, without a timer: how much is in them is worked out when it is asked for. */
import { built, durationMs, message, number, required } from '../../config/schema.ts';

const MAX_UINT32 = 0xffff_ffff;
/** Envoy refuses buckets that are filled more often. */
const MIN_FILL_MS = 50;
const NANOSECOND_MS = 1e-6;

export interface BucketSize {
  /** 0: nothing ever passes. */
  readonly maxTokens: number;
  readonly tokensPerMs: number;
}

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

export class TokenBucket {
  readonly #size: BucketSize;
  #tokens: number;
  #atMs: number;

  /** Full at the start. */
  constructor(size: BucketSize, nowMs: number) {
    this.#size = size;
    this.#tokens = size.maxTokens;
    this.#atMs = nowMs;
  }

  get maxTokens(): number {
    return this.#size.maxTokens;
  }

  get tokensPerMs(): number {
    return this.#size.tokensPerMs;
  }

  #fill(nowMs: number): void {
    if (nowMs <= this.#atMs) return;
    const { maxTokens, tokensPerMs } = this.#size;
    this.#tokens = Math.min(maxTokens, this.#tokens + (nowMs - this.#atMs) * tokensPerMs);
    this.#atMs = nowMs;
  }

  /** Takes tokens; false, and none is taken, where there are not so many. */
  take(nowMs: number, tokens = 1): boolean {
    if (this.#size.maxTokens === 0) return false;
    this.#fill(nowMs);
    if (this.#tokens < tokens) return false;
    this.#tokens -= tokens;
    return true;
  }

  /** Gives tokens back; those that do not fit are lost. */
  giveBack(nowMs: number, tokens: number): void {
    this.#fill(nowMs);
    this.#tokens = Math.min(this.#size.maxTokens, this.#tokens + tokens);
  }

  /** Whole tokens. */
  remaining(nowMs: number): number {
    this.#fill(nowMs);
    return Math.floor(this.#tokens);
  }

  /** Whole seconds that one token takes, where there is none; 0 where there is one. */
  resetSeconds(nowMs: number): number {
    return this.remaining(nowMs) >= 1 ? 0 : Math.floor(Math.ceil(1 / this.#size.tokensPerMs) / 1000);
  }
}
