/** What both implementations refuse, in the same words. */
import type { StateContract } from '@weft/contracts/bus';
import { WeftError } from '@weft/contracts/error';

const KEY = /^[A-Za-z0-9_.=/-]+$/;
/** NATS puts keys into subjects, which must fit on its control line of 4 KiB. */
const MAX_KEY_LENGTH = 1024;

/** Throws INVALID_ARGUMENT unless the text can be the key of a state. */
export function checkKey(state: string, key: string): void {
  const isGood =
    KEY.test(key) && key.length <= MAX_KEY_LENGTH && !key.includes('..') && !key.startsWith('/') && !key.endsWith('/');
  if (isGood) return;
  const shown = JSON.stringify(key.length > 80 ? `${key.slice(0, 80)}…` : key);
  const expected = `1 to ${MAX_KEY_LENGTH} of A-Z a-z 0-9 - _ . = /, without ".." and without "/" at an end`;
  throw new WeftError('INVALID_ARGUMENT', `the state ${state} cannot have the key ${shown}: a key is ${expected}`);
}

/** Throws RESOURCE_EXHAUSTED when a message is larger than the bus takes. `what` names it: `the log config`. */
export function checkSize(what: string, sizeBytes: number, limitBytes: number, limitIsOf: string): void {
  if (sizeBytes <= limitBytes) return;
  const message = `a message of ${what} is ${sizeBytes} bytes, and the limit of ${limitIsOf} is ${limitBytes} bytes`;
  throw new WeftError('RESOURCE_EXHAUSTED', message);
}

/** The error of an append that lost a race. */
export function sequenceConflict(log: string, expected: number, newest: number | undefined): WeftError {
  const found = newest === undefined ? 'another' : String(newest);
  const message = `the log ${log} was expected to end at ${expected} and ends at ${found}: read it and decide again`;
  return new WeftError('ABORTED', message);
}

/** The error of a put or delete that lost a race; `found` 0 means that there is no such key. */
export function revisionConflict(state: string, key: string, expected: number, found: number | undefined): WeftError {
  const name = (revision: number): string => (revision === 0 ? 'absent' : `at revision ${revision}`);
  const is = found === undefined ? 'at another' : name(found);
  const message = `${key} of the state ${state} was expected ${name(expected)} and is ${is}: read it and decide again`;
  return new WeftError('ABORTED', message);
}

/** The error of everything that is asked of a bus after its end. */
export function closedError(): WeftError {
  return new WeftError('UNAVAILABLE', 'the bus is closed', { retryable: false });
}

/** The value in stored bytes; throws DATA_LOSS, naming where they are, when they are not of that type. */
export function decodeStored<T>(type: StateContract<T>['value'], bytes: Uint8Array, where: string): T {
  try {
    return type.decode(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new WeftError('DATA_LOSS', `${where} cannot be read as ${type.typeName}: ${reason}`, { cause });
  }
}
