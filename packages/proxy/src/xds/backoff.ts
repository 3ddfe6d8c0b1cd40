/** How long to wait before the next attempt to reach a server. */
import type { Random } from '../cluster/balancer.ts';

const FIRST_MS = 250;
const MAX_MS = 30_000;

/** Waits that double from 250 ms to 30 s, each shortened at random by up to a half, so that many do not come at once. */
export class Backoff {
  readonly #random: Random;
  #nextMs = FIRST_MS;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Milliseconds to wait now. */
  next(): number {
    const waitMs = this.#nextMs * (0.5 + this.#random() / 2);
    this.#nextMs = Math.min(this.#nextMs * 2, MAX_MS);
    return waitMs;
  }

  /** The server answers: the next wait is a short one again. */
  reset(): void {
    this.#nextMs = FIRST_MS;
  }
}
