/** Waiting in tests: for a condition, with a deadline. */
import { setTimeout as delay } from 'node:timers/promises';

/** Resolves with the first value that is neither undefined, false nor thrown; rejects with the last error after the deadline. */
export async function eventually<T>(
  look: () => T | Promise<T>,
  timeoutMs = 20_000,
): Promise<Exclude<T, undefined | false>> {
  const endAt = performance.now() + timeoutMs;
  let last: unknown = new Error('the condition did not hold');
  while (performance.now() < endAt) {
    try {
      const value = await look();
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
    } catch (thrown) {
      last = thrown;
    }
    await delay(10);
  }
  throw new Error(`not within ${timeoutMs} ms`, { cause: last });
}
