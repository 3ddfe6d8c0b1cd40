/** Time, as everything in the proxy that measures or waits takes it. */
export interface Clock {
  /** Milliseconds with a fraction, from some fixed point, never going back. */
  monotonicMs(): number;
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** Calls `run` after that many milliseconds; gives what ends the wait. A process does not stay alive for it. */
  after(delayMs: number, run: () => void): Cancel;
}

export type Cancel = () => void;

const MAX_DELAY_MS = 0x7fff_ffff;

/** The machine's clock. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(delayMs, MAX_DELAY_MS)).unref();
    return () => clearTimeout(timer);
  },
};

/**
 * A deadline that is set and taken back far more often than it passes, such as that of each request on a connection:
 * both cost a comparison. The timer below it is set once, and looks at the deadline again when it rings.
 */
export class Deadline {
  readonly #clock: Clock;
  readonly #onPassed: () => void;
  #at = Number.POSITIVE_INFINITY;
  #ringsAt = Number.POSITIVE_INFINITY;
  #cancel: Cancel | undefined;

  constructor(clock: Clock, onPassed: () => void) {
    this.#clock = clock;
    this.#onPassed = onPassed;
  }

  /** Sets the deadline `delayMs` from now, in place of an earlier one. 0 or less: none. */
  set(delayMs: number): void {
    if (delayMs <= 0) {
      this.clear();
      return;
    }
    this.#at = this.#clock.monotonicMs() + delayMs;
    if (this.#ringsAt <= this.#at) return;
    this.#cancel?.();
    this.#ring(delayMs);
  }

  /** There is no deadline any more. */
  clear(): void {
    this.#at = Number.POSITIVE_INFINITY;
  }

  /** Takes the timer back too, for an owner that goes away. */
  dispose(): void {
    this.clear();
    this.#cancel?.();
    this.#cancel = undefined;
    this.#ringsAt = Number.POSITIVE_INFINITY;
  }

  #ring(delayMs: number): void {
    this.#ringsAt = this.#clock.monotonicMs() + delayMs;
    this.#cancel = this.#clock.after(Math.ceil(delayMs), this.#onRing);
  }

  readonly #onRing = (): void => {
    this.#ringsAt = Number.POSITIVE_INFINITY;
    this.#cancel = undefined;
    if (this.#at === Number.POSITIVE_INFINITY) return;
    const left = this.#at - this.#clock.monotonicMs();
    if (left > 0.5) this.#ring(left);
    else {
      this.#at = Number.POSITIVE_INFINITY;
      this.#onPassed();
    }
  };
}
