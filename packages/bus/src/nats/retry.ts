/** Trying again while servers elect leaders and connections come back. */
import { setTimeout as delay } from 'node:timers/promises';
import { WeftError } from '@weft/contracts/error';
import { closedError } from '../checks.ts';
import { API_CODES, ApiError, isTransient, RequestFailure } from './failure.ts';

const FIRST_PAUSE_MS = 25;
const LONGEST_PAUSE_MS = 250;

export interface Retry {
  /** What is tried, for error texts: `the state workloads`. */
  readonly what: string;
  /** After this long, the last failure is thrown. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Whether a caller may try again what failed in the end; it may have been done. */
  readonly retryable: boolean;
}

/** The pause before attempt number `attempt`, from 1: longer each time, never the same for two. */
export function pauseMs(attempt: number): number {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1));
  return longest * (0.5 + Math.random() / 2);
}

/** A failure in the words of the bus. */
export function toBusError(thrown: unknown, retry: Retry): WeftError {
  if (thrown instanceof WeftError) return thrown;
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  if (thrown instanceof RequestFailure) {
    if (thrown.kind === 'closed') return closedError();
    if (thrown.kind === 'aborted') return new WeftError('CANCELLED', `${retry.what}: called off`, { cause: thrown });
    if (thrown.kind === 'denied')
      return new WeftError('PERMISSION_DENIED', `${retry.what}: ${reason}`, { cause: thrown });
  }
  if (thrown instanceof ApiError && thrown.code === API_CODES.messageTooLarge) {
    const message = `a message of ${retry.what} is over the limit that its stream is configured with`;
    return new WeftError('RESOURCE_EXHAUSTED', message, { cause: thrown });
  }
  const { retryable } = retry;
  if (thrown instanceof ApiError && thrown.code === API_CODES.noSuitablePeers) {
    const message = `${retry.what} cannot be kept in as many copies as asked for: start more servers of the NATS cluster, or ask for fewer copies`;
    return new WeftError('UNAVAILABLE', message, { cause: thrown });
  }
  if (isTransient(thrown)) {
    const message = `${retry.what}: NATS did not do it within ${retry.timeoutMs} ms (${reason})`;
    return new WeftError('UNAVAILABLE', message, { cause: thrown, retryable });
  }
  return new WeftError('INTERNAL', `${retry.what}: NATS refused it: ${reason}`, { cause: thrown });
}

/** Runs `attempt` until it succeeds, fails for good, or the time is up. It is told its number, from 1. */
export async function retrying<T>(retry: Retry, attempt: (number: number) => Promise<T>): Promise<T> {
  const until = performance.now() + retry.timeoutMs;
  for (let number = 1; ; number++) {
    try {
      return await attempt(number);
    } catch (thrown) {
      const pause = pauseMs(number);
      if (!isTransient(thrown) || performance.now() + pause > until || retry.signal?.aborted)
        throw toBusError(thrown, retry);
      await delay(pause);
    }
  }
}
