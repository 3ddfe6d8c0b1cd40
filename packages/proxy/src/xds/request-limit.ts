/** How fast requests may follow one another on a stream to the control plane: a bucket of tokens, full at first. */
import type { Clock } from '../clock.ts';
import type { RequestLimitConfig } from '../config/config-source.ts';

export class RequestLimit {
  readonly #clock: Clock;
  readonly #config: RequestLimitConfig;
  #tokens: number;
  #filledMs: number;

  constructor(clock: Clock, config: RequestLimitConfig) {
    this.#clock = clock;
    this.#config = config;
    this.#tokens = config.maxTokens;
    this.#filledMs = clock.monotonicMs();
  }

  /** Takes a token; false: there is none yet. */
  take(): boolean {
    this.#fill();
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Milliseconds until there is a token. */
  waitMs(): number {
    this.#fill();
    return Math.max(0, Math.ceil(((1 - this.#tokens) * 1000) / this.#config.tokensPerSecond));
  }

  #fill(): void {
    const nowMs = this.#clock.monotonicMs();
    const gained = ((nowMs - this.#filledMs) * this.#config.tokensPerSecond) / 1000;
    this.#tokens = Math.min(this.#config.maxTokens, this.#tokens + gained);
    this.#filledMs = nowMs;
  }
}
