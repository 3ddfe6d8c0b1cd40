/** A bell that one waits for and many can ring. A ring that nobody waits for is kept for the next wait. */
export class Wakeup {
  #rung = false;
  #waiting: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#waiting?.();
    this.#waiting = undefined;
  }

  /** Resolves at the next ring, or at once after one that came since the last wait. */
  async wait(): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    this.#rung = false;
  }
}

/** Calls `listener` when `signal` aborts, also when it has; gives what takes the listener off again. */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  if (signal.aborted) listener();
  else signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}
