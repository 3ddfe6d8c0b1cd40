/**
 * Distinguished Encoding Rules (ITU-T X.690), the part that X.509 needs. The reader is strict: definite and minimal
 * lengths, tag numbers below 31, canonical integers and booleans, nothing left over. Whatever is not so is a
 * `WeftError` INVALID_ARGUMENT, never anything else.
 */
import { WeftError } from '@weft/contracts/error';

/** Identifier octets: the tag number with the bits of its class and of being constructed. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The identifier octet of a context-specific tag. */
export function contextTag(number: number, constructed = true): number {
  return (constructed ? 0xa0 : 0x80) | number;
}

/** The error of every parser of this package: what is wrong, in words. */
export function malformed(what: string): WeftError {
  return new WeftError('INVALID_ARGUMENT', `malformed DER: ${what}`);
}

/** One value: its tag, its contents, and the whole of it with tag and length. */
export interface DerValue {
  readonly tag: number;
  readonly body: Buffer;
  readonly whole: Buffer;
}

/** Reads values one after the other from a buffer; what it gives are views into that buffer. */
export class DerReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  /** The tag of the next value; undefined at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#offset];
  }

  /** The next value, of any tag. */
  any(what: string): DerValue {
    const start = this.#offset;
    const tag = this.#byte(what);
    if ((tag & 0x1f) === 0x1f) throw malformed(`the tag of ${what} is in the long form`);
    const length = this.#length(what);
    if (length > this.#bytes.length - this.#offset) throw malformed(`${what} is longer than what holds it`);
    const body = this.#bytes.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return { tag, body, whole: this.#bytes.subarray(start, this.#offset) };
  }

  /** The next value, which must have that tag. */
  read(tag: number, what: string): DerValue {
    const found = this.peek();
    if (found !== tag) {
      const found16 = found === undefined ? 'nothing' : `tag 0x${found.toString(16)}`;
      throw malformed(`${what} was expected with tag 0x${tag.toString(16)}, and ${found16} is there`);
    }
    return this.any(what);
  }

  /** The next value when it has that tag, else undefined. */
  optional(tag: number, what: string): DerValue | undefined {
    return this.peek() === tag ? this.any(what) : undefined;
  }

  /** A reader of the contents of the next value, which must have that tag. */
  enter(tag: number, what: string): DerReader {
    return new DerReader(this.read(tag, what).body);
  }

  sequence(what: string): DerReader {
    return this.enter(TAG.sequence, what);
  }

  end(what: string): void {
    if (!this.atEnd) throw malformed(`${this.#bytes.length - this.#offset} bytes are left over after ${what}`);
  }

  #byte(what: string): number {
    const byte = this.#bytes[this.#offset];
    if (byte === undefined) throw malformed(`${what} is cut off`);
    this.#offset += 1;
    return byte;
  }

  #length(what: string): number {
    const first = this.#byte(what);
    if (first < 0x80) return first;
    const octets = first & 0x7f;
    if (octets === 0 || octets > 4) throw malformed(`the length of ${what} is not definite or too large`);
    let length = 0;
    for (let i = 0; i < octets; i += 1) length = length * 256 + this.#byte(what);
    if (length < 0x80 || length < 256 ** (octets - 1)) throw malformed(`the length of ${what} is not minimal`);
    return length;
  }
}

/** A value with its tag and length around `contents`. */
export function encode(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  const head = length < 0x80 ? [tag, length] : [tag, 0x80 | octets.length, ...octets];
  return Buffer.concat([Buffer.from(head), ...contents]);
}

export function encodeSequence(...contents: readonly Uint8Array[]): Buffer {
  return encode(TAG.sequence, ...contents);
}
