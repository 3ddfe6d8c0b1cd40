/** PINGs that show that a peer is there (RFC 9113, 6.7). */
import { type Clock, Deadline } from '../clock.ts';

export interface KeepaliveOptions {
  /** 0: none are sent. */
  readonly intervalMs: number;
  /** By how much more at most each waits, so that those of many connections do not come at once; 0 without interval. */
  readonly jitterMs: number;
  /** How long an answer may take. */
  readonly timeoutMs: number;
}

export class Keepalive {
  readonly #deadline: Deadline;
  readonly #intervalMs: number;
  readonly #jitterMs: number;
  readonly #random: () => number;
  readonly #timeoutMs: number;
  readonly #ping: () => void;
  readonly #onSilence: () => void;
  #awaitsAnswer = false;

  /** `random`: from 0 up to 1, 1 excluded. */
  constructor(
    { intervalMs, jitterMs, timeoutMs }: KeepaliveOptions,
    clock: Clock,
    ping: () => void,
    onSilence: () => void,
    random: () => number = Math.random,
  ) {
    this.#intervalMs = intervalMs;
    this.#jitterMs = jitterMs;
    this.#random = random;
    this.#timeoutMs = timeoutMs;
    this.#ping = ping;
    this.#onSilence = onSilence;
    this.#deadline = new Deadline(clock, () => this.#onDue());
    this.#await();
  }

  #await(): void {
    this.#deadline.set(this.#intervalMs + Math.floor(this.#random() * this.#jitterMs));
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
    this.#await();
  }

  dispose(): void {
    this.#deadline.dispose();
  }
}
