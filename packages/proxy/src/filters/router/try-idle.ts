/** How long an attempt may stand still, where the retry policy says. */
import { type Clock, Deadline } from '../../clock.ts';

export class TryIdle {
  readonly #deadline: Deadline;
  readonly #idleMs: number;

  constructor(clock: Clock, idleMs: number, onIdle: () => void) {
    this.#deadline = new Deadline(clock, onIdle);
    this.#idleMs = idleMs;
  }

  /** Something came, or went. */
  moved(): void {
    this.#deadline.set(this.#idleMs);
  }

  /** Nothing is waited for. */
  stop(): void {
    this.#deadline.dispose();
  }
}
