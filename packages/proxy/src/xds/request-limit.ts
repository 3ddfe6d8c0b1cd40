/** How fast requests may follow one another on a stream to the control plane: a bucket of tokens, full at first. */
import type { Clock } from '../clock.ts';
import type { RequestLimitConfig } from '../config/config-source.ts';
import { TokenBucket } from '../token-bucket.ts';

export class RequestLimit {
  readonly #clock: Clock;
  readonly #bucket: TokenBucket;

  constructor(clock: Clock, { maxTokens, tokensPerSecond }: RequestLimitConfig) {
    this.#clock = clock;
    this.#bucket = new TokenBucket({ maxTokens, tokensPerMs: tokensPerSecond / 1000 }, clock.monotonicMs());
  }

  /** Takes a token; false: there is none yet. */
  take(): boolean {
    return this.#bucket.take(this.#clock.monotonicMs());
  }

  /** Milliseconds until there is a token. */
  waitMs(): number {
    return this.#bucket.waitMs(this.#clock.monotonicMs());
  }
}
