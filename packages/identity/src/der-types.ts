/** The primitive types of DER as values: integers, object identifiers, bit strings, times. X.690 and RFC 5280 4.1.2.5. */
import { type DerReader, encode, encodeSequence, malformed, TAG } from './der.ts';

/** The contents of an INTEGER, checked to be minimal: two's complement, most significant octet first. */
export function readInteger(reader: DerReader, what: string): Buffer {
  const { body } = reader.read(TAG.integer, what);
  const [first, second] = body;
  if (first === undefined) throw malformed(`${what} is an empty integer`);
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    throw malformed(`${what} is not a minimal integer`);
  }
  return body;
}

/** An INTEGER from 0 to 65,535: versions and path lengths. */
export function readSmallInteger(reader: DerReader, what: string): number {
  const body = readInteger(reader, what);
  if (body.length > 3 || (body[0] ?? 0) >= 0x80) throw malformed(`${what} is negative or too large`);
  return body.readUIntBE(0, body.length);
}

export function readBoolean(reader: DerReader, what: string): boolean {
  const { body } = reader.read(TAG.boolean, what);
  if (body.length !== 1 || (body[0] !== 0 && body[0] !== 0xff)) throw malformed(`${what} is not a boolean`);
  return body[0] === 0xff;
}

/** A BIT STRING with its count of unused bits, which must be zero bits. */
export function readBitString(reader: DerReader, what: string): { readonly unused: number; readonly bits: Buffer } {
  const { body } = reader.read(TAG.bitString, what);
  const unused = body[0];
  const last = body.at(-1) ?? 0;
  if (unused === undefined || unused > 7 || (body.length === 1 && unused !== 0)) {
    throw malformed(`${what} is not a bit string`);
  }
  if (body.length > 1 && (last & ((1 << unused) - 1)) !== 0) throw malformed(`${what} has bits set that are not used`);
  return { unused, bits: body.subarray(1) };
}

/** A BIT STRING of whole octets. */
export function readOctetBits(reader: DerReader, what: string): Buffer {
  const { unused, bits } = readBitString(reader, what);
  if (unused !== 0) throw malformed(`${what} does not end with a whole octet`);
  return bits;
}

/** An OBJECT IDENTIFIER in dotted form. */
export function readOid(reader: DerReader, what: string): string {
  const { body } = reader.read(TAG.oid, what);
  const arcs: number[] = [];
  let arc = 0;
  let started = false;
  for (const byte of body) {
    if (!started && byte === 0x80) throw malformed(`${what} is not a minimal object identifier`);
    if (arc > 0x0fffffff) throw malformed(`${what} is an object identifier with too large a number`);
    arc = arc * 128 + (byte & 0x7f);
    started = byte >= 0x80;
    if (started) continue;
    arcs.push(arc);
    arc = 0;
  }
  const [first] = arcs;
  if (first === undefined || started) throw malformed(`${what} is not an object identifier`);
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...arcs.slice(1)].join('.');
}

export function encodeOid(dotted: string): Buffer {
  const [root = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [root * 40 + second, ...rest]) {
    const groups = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift(0x80 | (left % 128));
    bytes.push(...groups);
  }
  return encode(TAG.oid, Buffer.from(bytes));
}

/** An INTEGER of unsigned octets, most significant first. */
export function encodeUnsigned(octets: Uint8Array): Buffer {
  const start = octets.findIndex((octet) => octet !== 0);
  const minimal = start < 0 ? Buffer.from([0]) : Buffer.from(octets.subarray(start));
  return (minimal[0] ?? 0) >= 0x80 ? encode(TAG.integer, Buffer.from([0]), minimal) : encode(TAG.integer, minimal);
}

export function encodeSmallInteger(value: number): Buffer {
  return encodeUnsigned(Buffer.from([value >> 8, value & 0xff]));
}

/** A BIT STRING of whole octets. */
export function encodeBitString(octets: Uint8Array, unused = 0): Buffer {
  return encode(TAG.bitString, Buffer.from([unused]), octets);
}

/** An algorithm without parameters, as ECDSA signatures have it (RFC 5758 3.2). */
export function encodeAlgorithm(oid: string): Buffer {
  return encodeSequence(encodeOid(oid));
}

const UTC_TIME = /^(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;
const GENERALIZED_TIME = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;

/** Milliseconds since 1970 of a UTCTime (1950 to 2049) or a GeneralizedTime (2050 and later). */
export function readTime(reader: DerReader, what: string): number {
  const { tag, body } = reader.any(what);
  const match = (tag === TAG.utcTime ? UTC_TIME : GENERALIZED_TIME).exec(body.toString('latin1'));
  if ((tag !== TAG.utcTime && tag !== TAG.generalizedTime) || !match) throw malformed(`${what} is not a time`);
  const [short = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const year = tag === TAG.utcTime ? short + (short < 50 ? 2000 : 1900) : short;
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  const written = tag === TAG.utcTime || year >= 2050 ? formatTime(ms) : '';
  if (written !== body.toString('latin1'))
    throw malformed(`${what} is not a time of the calendar in its shortest form`);
  return ms;
}

function formatTime(ms: number): string {
  const digits = new Date(ms)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '');
  const year = Number(digits.slice(0, 4));
  return year >= 1950 && year < 2050 ? digits.slice(2) : digits;
}

/** A time in whole seconds, in the form that RFC 5280 4.1.2.5 wants for its year. */
export function encodeTime(ms: number): Buffer {
  const text = formatTime(ms);
  return encode(text.length === 13 ? TAG.utcTime : TAG.generalizedTime, Buffer.from(text, 'latin1'));
}
