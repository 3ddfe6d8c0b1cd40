/**
 * What a cluster or listener waits for before it is used: its endpoints, routes and secrets. Whoever does not come in
 * time is waited for no longer (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/operations/init).
 */
import type { Cancel, Clock } from './clock.ts';

export class Warming {
  readonly #clock: Clock;
  readonly #onWarm: () => void;
  readonly #waiting = new Map<string, Cancel>();
  #isStarted = false;
  #isWarm = false;

  constructor(clock: Clock, onWarm: () => void) {
    this.#clock = clock;
    this.#onWarm = onWarm;
  }

  get isWarm(): boolean {
    return this.#isWarm;
  }

  /** What is still waited for. */
  get missing(): readonly string[] {
    return [...this.#waiting.keys()];
  }

  /** Waits for something; for ever where `timeoutMs` is 0. `onTimeout` is told when it did not come. */
  waitFor(what: string, timeoutMs: number, onTimeout: () => void = () => undefined): void {
    if (this.#isWarm || this.#waiting.has(what)) return;
    const giveUp = () => {
      onTimeout();
      this.arrived(what);
    };
    this.#waiting.set(what, timeoutMs > 0 ? this.#clock.after(timeoutMs, giveUp) : () => undefined);
  }

  arrived(what: string): void {
    this.#waiting.get(what)?.();
    this.#waiting.delete(what);
    this.#check();
  }

  /** Everything to wait for was named: from now on nothing missing means warm. */
  start(): void {
    this.#isStarted = true;
    this.#check();
  }

  /** Waits no more; nobody is told. */
  cancel(): void {
    this.#isWarm = true;
    for (const cancel of this.#waiting.values()) cancel();
    this.#waiting.clear();
  }

  #check(): void {
    if (!this.#isStarted || this.#isWarm || this.#waiting.size > 0) return;
    this.#isWarm = true;
    this.#onWarm();
  }
}
