import { setTimeout as delay } from 'node:timers/promises';
import { WeftError } from '@weft/contracts/error';

export interface RetryOptions {
  readonly signal: AbortSignal;
  /** Told of each failure. */
  readonly onFailure: (error: unknown) => void;
  /** The first pause; each next is twice as long, up to `maxMs`. Default 100. */
  readonly firstMs?: number;
  /** Default 5,000. */
  readonly maxMs?: number;
}

/** Runs `work` until it succeeds. Throws `WeftError` CANCELLED when `signal` aborts first. */
export async function retryForever<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, onFailure, firstMs = 100, maxMs = 5000 } = options;
  for (let pauseMs = firstMs; ; pauseMs = Math.min(maxMs, pauseMs * 2)) {
    if (signal.aborted) throw new WeftError('CANCELLED', 'the service is stopping');
    try {
      return await work();
    } catch (thrown) {
      if (!signal.aborted) onFailure(thrown);
    }
    // Between half and the whole of the pause, so that many who failed together do not try again together.
    await pause(pauseMs * (0.5 + Math.random() / 2), signal);
  }
}

/** Waits; ends early, without an error, when `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  }
}
