/** How calls fail, in the same words on every bus. */
import { type StatusCode, WeftError } from '@weft/contracts/error';

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export const DEFAULT_TIMEOUT_MS = 5_000;

/** Nobody took the call until its time was up; nothing was done. */
export function nobodyServes(call: string, timeoutMs: number): WeftError {
  const message = `nobody served the call ${call} within ${timeoutMs} ms: does the service that answers it run?`;
  return new WeftError('UNAVAILABLE', message, { source: 'control-plane' });
}

/** Somebody may have taken the call, and did not answer until its time was up. */
export function notInTime(call: string, timeoutMs: number): WeftError {
  const message = `the call ${call} was not answered within ${timeoutMs} ms; it may have been carried out`;
  return new WeftError('DEADLINE_EXCEEDED', message, { source: 'control-plane' });
}

export function calledOff(call: string): WeftError {
  return new WeftError('CANCELLED', `the call ${call} was called off by its caller`);
}

/** What the handler threw, as the caller sees it. */
export function notAnswered(code: StatusCode, message: string, retryable: boolean): WeftError {
  return new WeftError(code, message, { source: 'control-plane', retryable });
}

/** The answer of a server whose bus ends while its handler runs. */
export function stopping(call: string): WeftError {
  const message = `the service that was answering the call ${call} stopped before it was done`;
  return new WeftError('UNAVAILABLE', message, { retryable: false });
}
