/** PINGs that show that a peer is there (RFC 9113, 6.7). */
import { type Clock, Deadline } from '../clock.ts';

export class Keepalive {
  readonly #deadline: Deadline;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  readonly #ping: () => void;
  readonly #onSilence: () => void;
  #awaitsAnswer = false;

  /** `intervalMs`: 0: none are sent. */
  constructor(intervalMs: number, timeoutMs: number, clock: Clock, ping: () => void, onSilence: () => void) {
    this.#intervalMs = intervalMs;
    this.#timeoutMs = timeoutMs;
    this.#ping = ping;
    this.#onSilence = onSilence;
    this.#deadline = new Deadline(clock, () => this.#onDue());
    this.#deadline.set(intervalMs);
  }

  #onDue(): void {
    if (this.#awaitsAnswer) {
      this.#onSilence();
      return;
    }
    this.#awaitsAnswer = true;
    this.#ping();
    this.#deadline.set(this.#timeoutMs);
  }

  /** The peer answered. */
  answered(): void {
    if (!this.#awaitsAnswer) return;
    this.#awaitsAnswer = false;
    this.#deadline.set(this.#intervalMs);
  }

  dispose(): void {
    this.#deadline.dispose();
  }
}
