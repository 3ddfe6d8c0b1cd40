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

/** Calls `listener` once, when the first of the signals aborts; gives what takes the listener off all of them. */
export function onAnyAbort(signals: readonly (AbortSignal | undefined)[], listener: () => void): () => void {
  let isOver = false;
  const forgets: (() => void)[] = [];
  const forget = (): void => {
    isOver = true;
    for (const one of forgets) one();
  };
  const once = (): void => {
    if (isOver) return;
    forget();
    listener();
  };
  for (const signal of signals) if (signal && !isOver) forgets.push(onAbort(signal, once));
  return forget;
}

/** A signal that aborts with `over`, or after a time; `end` lets go of both. */
export function timeLimit(timeoutMs: number, over: AbortSignal): { readonly signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  const forget = onAbort(over, () => controller.abort());
  return {
    signal: controller.signal,
    end() {
      clearTimeout(timer);
      forget();
    },
  };
}
