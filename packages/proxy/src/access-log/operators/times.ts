/** Operators that tell when something happened, and how long it took. */
import type { StreamInfo } from '../../stack/stream-info.ts';
import { compileTimeFormat } from '../time-format.ts';
import type { Command, Commands, Operator, Operators } from './operator.ts';

function whole(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : Math.floor(milliseconds);
}

export const DURATIONS: Operators = {
  /** Of what has not ended: up to now. */
  DURATION: (info) => (info.endMs === 0 ? Math.max(0, Date.now() - info.startWallMs) : whole(info.since(info.endMs))),
  REQUEST_DURATION: (info) => whole(info.since(info.lastRequestByteMs)),
  REQUEST_TX_DURATION: (info) => whole(info.since(info.lastUpstreamSentMs)),
  RESPONSE_DURATION: (info) => whole(info.since(info.firstUpstreamReceivedMs)),
  RESPONSE_TX_DURATION: (info) =>
    info.firstUpstreamReceivedMs === 0 || info.lastResponseSentMs === 0
      ? undefined
      : whole(info.lastResponseSentMs - info.firstUpstreamReceivedMs),
  /** Of QUIC alone. */
  ROUNDTRIP_DURATION: () => undefined,
};

/** On the monotonic clock; 0: not yet. */
const POINTS: Readonly<Record<string, (info: StreamInfo) => number>> = {
  DS_RX_BEG: (info) => info.startMs,
  DS_RX_END: (info) => info.lastRequestByteMs,
  US_TX_BEG: (info) => info.firstUpstreamSentMs,
  US_TX_END: (info) => info.lastUpstreamSentMs,
  US_RX_BEG: (info) => info.firstUpstreamReceivedMs,
  US_RX_END: (info) => info.lastUpstreamReceivedMs,
  DS_TX_BEG: (info) => info.firstResponseSentMs,
  DS_TX_END: (info) => info.lastResponseSentMs,
};

const UNITS: Readonly<Record<string, number>> = { ms: 1, us: 1000, ns: 1_000_000 };

/** `DS_RX_BEG:DS_TX_END:us`; without a unit it is milliseconds. */
function compileDuration(argument: string): Operator | string {
  const [from = '', to = '', unit = 'ms', ...rest] = argument.split(':');
  const [begin, end] = [POINTS[from], POINTS[to]];
  const factor = UNITS[unit];
  if (!begin || !end || rest.length > 0) {
    return `%COMMON_DURATION(${argument})%: expected two of ${Object.keys(POINTS).join(', ')} and perhaps a unit, parted by colons`;
  }
  if (factor === undefined) return `%COMMON_DURATION(${argument})%: expected ms, us or ns as the unit`;
  return (info) => {
    const [beginMs, endMs] = [begin(info), end(info)];
    return beginMs === 0 || endMs === 0 ? undefined : Math.floor((endMs - beginMs) * factor);
  };
}

/** A time of each request, written as the argument says, or as ISO 8601 has it. */
export function timeCommand(time: (info: StreamInfo) => Date | undefined, isLocal = false): Command {
  const compile = (format: string): Operator | string => {
    const write = compileTimeFormat(format, isLocal);
    if (typeof write === 'string') return write;
    return (info) => {
      const date = time(info);
      return date && write(date);
    };
  };
  return { isArgumentNeeded: false, canBeCut: false, compile };
}

const started = (info: StreamInfo): Date => new Date(info.startWallMs);
const now = (): Date => new Date();

export const TIMES: Commands = {
  START_TIME: timeCommand(started),
  START_TIME_LOCAL: timeCommand(started, true),
  EMIT_TIME: timeCommand(now),
  EMIT_TIME_LOCAL: timeCommand(now, true),
  COMMON_DURATION: { isArgumentNeeded: true, canBeCut: false, compile: compileDuration },
};
