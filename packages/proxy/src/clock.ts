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

/** What one look at the clock is good for: as long as the turn has not changed. */
export interface Turns {
  readonly turn: number;
  /** Makes sure that the turn changes before anything is waited for. */
  endSoon(): void;
}

/**
 * A clock that is looked at once in a turn, however often it is asked: for a request it is asked a dozen times, and what is
 * done between two of them takes less time than to look.
 */
export class TurnClock implements Clock {
  readonly #clock: Clock;
  readonly #turns: Turns;
  #turn = -1;
  #monotonicMs = 0;
  #wallTurn = -1;
  #wallMs = 0;

  constructor(clock: Clock, turns: Turns) {
    this.#clock = clock;
    this.#turns = turns;
  }

  monotonicMs(): number {
    if (this.#turn !== this.#turns.turn) this.#look();
    return this.#monotonicMs;
  }

  wallMs(): number {
    if (this.#wallTurn !== this.#turns.turn) {
      this.#wallTurn = this.#turns.turn;
      this.#wallMs = this.#clock.wallMs();
      this.#turns.endSoon();
    }
    return this.#wallMs;
  }

  after(delayMs: number, run: () => void): Cancel {
    return this.#clock.after(delayMs, run);
  }

  #look(): void {
    this.#turn = this.#turns.turn;
    this.#monotonicMs = this.#clock.monotonicMs();
    this.#turns.endSoon();
  }
}

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
    // Made here, and not once: most deadlines are never set, and of those that are, few ring.
    this.#cancel = this.#clock.after(Math.ceil(delayMs), () => this.#onRing());
  }

  #onRing(): void {
    this.#ringsAt = Number.POSITIVE_INFINITY;
    this.#cancel = undefined;
    if (this.#at === Number.POSITIVE_INFINITY) return;
    const left = this.#at - this.#clock.monotonicMs();
    if (left > 0.5) this.#ring(left);
    else {
      this.#at = Number.POSITIVE_INFINITY;
      this.#onPassed();
    }
  }
}
