import type { Clock } from './types.ts';

/** The machine's own time. */
export const systemClock: Clock = { now: () => Date.now() };
