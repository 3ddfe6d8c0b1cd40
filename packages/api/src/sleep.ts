import { setTimeout as delay } from 'node:timers/promises';

/** Resolves after `ms`, or when `signal` aborts; never rejects. */
export async function sleepUntil(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
