/** Token buckets that fill as time goes by, without a timer: how much is in them is worked out when it is asked for. */

export interface BucketSize {
  /** 0: nothing ever passes. */
  readonly maxTokens: number;
  readonly tokensPerMs: number;
}

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

  take(nowMs: number, tokens = 1): boolean {
    if (this.#size.maxTokens === 0) return false;
    this.#fill(nowMs);
    if (this.#tokens < tokens) return false;
    this.#tokens -= tokens;
    return true;
  }

  giveBack(nowMs: number, tokens: number): void {
    this.#fill(nowMs);
    this.#tokens = Math.min(this.#size.maxTokens, this.#tokens + tokens);
  }

  remaining(nowMs: number): number {
    this.#fill(nowMs);
    return Math.floor(this.#tokens);
  }

  resetSeconds(nowMs: number): number {
    return resetSeconds(this.remaining(nowMs), this.#size.tokensPerMs);
  }

  /** Milliseconds until there is a token. */
  waitMs(nowMs: number): number {
    this.#fill(nowMs);
    return Math.max(0, Math.ceil((1 - this.#tokens) / this.#size.tokensPerMs));
  }
}

/** Whole seconds that one token takes, where there is none; 0 where there is one. */
export function resetSeconds(remaining: number, tokensPerMs: number): number {
  return remaining >= 1 ? 0 : Math.floor(Math.ceil(1 / tokensPerMs) / 1000);
}
