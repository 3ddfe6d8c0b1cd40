/** One way to ask a host whether it is well. */

export type ProbeOutcome =
  | { readonly type: 'passed'; readonly isDegraded: boolean }
  | {
      readonly type: 'failed';
      /** `active`: it answered, and not as it should. `network`: there was no answer. */
      readonly cause: 'active' | 'network';
      /** Whether it takes more than one such answer to take the host out. */
      readonly isRetriable: boolean;
      /** Whether the host asks to be left out of what hosts are counted for. */
      readonly isExcluding: boolean;
      /** Of the answer over HTTP; absent where there is none. */
      readonly status?: number;
    };

export const PASSED: ProbeOutcome = { type: 'passed', isDegraded: false };
export const DEGRADED: ProbeOutcome = { type: 'passed', isDegraded: true };
export const NO_ANSWER: ProbeOutcome = { type: 'failed', cause: 'network', isRetriable: false, isExcluding: false };
export const WRONG_ANSWER: ProbeOutcome = { type: 'failed', cause: 'active', isRetriable: false, isExcluding: false };

/** Who hears what came of probes. */
export interface ProbeOwner {
  onOutcome(outcome: ProbeOutcome): void;
}

export interface Probe {
  /** Asks once; the owner hears of it, unless {@link Probe.giveUp} comes first. */
  start(): void;
  /** No answer came in time: the owner is not told of this one any more. */
  giveUp(): void;
  /** The host is not checked any more. */
  close(): void;
}

/** Whether all of `segments` stand in the bytes, one after another, with anything between them. */
export function holdsInOrder(bytes: Buffer, segments: readonly Buffer[]): boolean {
  let at = 0;
  for (const segment of segments) {
    const found = bytes.indexOf(segment, at);
    if (found === -1) return false;
    at = found + segment.length;
  }
  return true;
}
