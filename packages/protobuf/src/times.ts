/** google.protobuf.Duration and google.protobuf.Timestamp, within the limits that their .proto files set. */
import type { DecodeContext } from './decode.ts';
import { type EncodeContext, report } from './encode.ts';
import { halves, signed64 } from './numbers.ts';
import type { WellKnown } from './well-known-form.ts';
import { type Reader, WireError } from './wire.ts';

const MAX_DURATION_SECONDS = 315_576_000_000;
/** 0001-01-01 and the last second of 9999. */
const FIRST_SECOND = -62_135_596_800;
const LAST_SECOND = 253_402_300_799;
const LAST_NANO = 999_999_999;

/** Passes over a field that a message with a form of its own does not know, and tells of it. */
export function passOver(reader: Reader, tag: number, typeName: string, context: DecodeContext): void {
  reader.skip(tag);
  context.unknownField?.(context.path.toString(), typeName, tag >>> 3);
}

interface Time {
  readonly seconds: number;
  readonly nanos: number;
}

function readTime(reader: Reader, typeName: string, context: DecodeContext): Time {
  let seconds = 0;
  let nanos = 0;
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === 8) {
      reader.varint64();
      seconds = Number(signed64(reader.low, reader.high));
    } else if (tag === 16) nanos = reader.varint32() | 0;
    else passOver(reader, tag, typeName, context);
  }
  return { seconds, nanos };
}

function writeTime({ seconds, nanos }: Time, context: EncodeContext): void {
  if (seconds !== 0) {
    const { low, high } = halves(seconds);
    context.writer.tag(1, 0);
    context.writer.varint64(low, high);
  }
  if (nanos !== 0) {
    context.writer.tag(2, 0);
    context.writer.varint64(nanos >>> 0, nanos < 0 ? 0xffff_ffff : 0);
  }
}

/** Of a second, with 0, 3, 6 or 9 digits. */
function fraction(nanos: number): string {
  const digits = String(Math.abs(nanos)).padStart(9, '0');
  if (nanos === 0) return '';
  if (digits.endsWith('000000')) return `.${digits.slice(0, 3)}`;
  return digits.endsWith('000') ? `.${digits.slice(0, 6)}` : `.${digits}`;
}

function isDuration({ seconds, nanos }: Time): boolean {
  const isSigned = seconds === 0 || nanos === 0 || seconds < 0 === nanos < 0;
  return isSigned && Math.abs(seconds) <= MAX_DURATION_SECONDS && Math.abs(nanos) <= LAST_NANO;
}

export const duration: WellKnown = {
  read(reader, context) {
    const time = readTime(reader, 'google.protobuf.Duration', context);
    const { seconds, nanos } = time;
    if (!isDuration(time)) throw new WireError(`a duration of ${seconds} s and ${nanos} ns is out of range`);
    const sign = seconds < 0 || nanos < 0 ? '-' : '';
    return `${sign}${Math.abs(seconds)}${fraction(nanos)}s`;
  },
  write(value, context) {
    const match = typeof value === 'string' ? /^(-?)(\d+)(?:\.(\d{1,9}))?s$/.exec(value) : null;
    const sign = match?.[1] === '-' ? -1 : 1;
    const time = { seconds: sign * Number(match?.[2]), nanos: sign * Number((match?.[3] ?? '').padEnd(9, '0')) };
    if (match && isDuration(time)) writeTime(time, context);
    else report(context, 'a duration such as "0.250s"', value);
  },
};

const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** The time that a text of RFC 3339 names; undefined when there is no such day or hour. */
function parseTimestamp(text: string): Time | undefined {
  const match = TIMESTAMP.exec(text);
  if (!match) return undefined;
  const part = (index: number): number => Number(match[index] ?? 0);
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const isDay = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!isDay || hour > 23 || minute > 59 || second > 59 || part(9) > 23 || part(10) > 59) return undefined;
  const offset = (part(9) * 60 + part(10)) * 60 * (match[8] === '-' ? -1 : 1);
  const seconds = date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offset;
  if (seconds < FIRST_SECOND || seconds > LAST_SECOND) return undefined;
  return { seconds, nanos: Number((match[7] ?? '').padEnd(9, '0')) };
}

export const timestamp: WellKnown = {
  read(reader, context) {
    const { seconds, nanos } = readTime(reader, 'google.protobuf.Timestamp', context);
    if (seconds < FIRST_SECOND || seconds > LAST_SECOND || nanos < 0 || nanos > LAST_NANO) {
      throw new WireError(`a time of ${seconds} s and ${nanos} ns is out of range`);
    }
    return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, `${fraction(nanos)}Z`);
  },
  write(value, context) {
    const time = typeof value === 'string' ? parseTimestamp(value) : undefined;
    if (time) writeTime(time, context);
    else report(context, 'a time such as "2026-01-02T03:04:05Z"', value);
  },
};
