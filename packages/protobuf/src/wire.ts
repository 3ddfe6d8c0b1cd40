/**
 * The protobuf wire format: https://protobuf.dev/programming-guides/encoding/.
 *
 * 64-bit integers travel as two unsigned 32-bit halves, so that no BigInt is made for the small numbers that fields
 * hold nearly always.
 */

import { isUtf8 } from 'node:buffer';

export type WireType = 0 | 1 | 2 | 5;

/** Thrown by {@link Reader} when bytes are not a protobuf message. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** Thrown by {@link Reader} when a string is not UTF-8. */
export class TextError extends WireError {
  constructor() {
    super('a string is not UTF-8');
  }
}

const MAX_GROUPS = 100;
/** What stands for bytes that are not UTF-8 once they are read; it may also be meant. */
const REPLACEMENT = '\ufffd';

/** A cursor over one message's bytes. */
export class Reader {
  readonly bytes: Buffer;
  position: number;
  readonly end: number;
  /** The halves that the last call of `varint64` or `fixed64` read. */
  low = 0;
  high = 0;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
  }

  get done(): boolean {
    return this.position >= this.end;
  }

  #byte(): number {
    if (this.position >= this.end) throw new WireError('the message ends inside a field');
    return this.bytes[this.position++] as number;
  }

  /** A field's number, shifted left by 3, with its wire type. */
  tag(): number {
    const tag = this.#uint32();
    if (tag >>> 3 === 0) throw new WireError('a field has the number 0');
    return tag;
  }

  /** A varint cut to 32 bits, as the format asks of readers of 32-bit fields. */
  varint32(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new WireError('a varint is longer than 10 bytes');
  }

  /** A tag or a length: one that 32 bits do not hold is refused, not cut, as what follows would be read as another's. */
  #uint32(): number {
    const first = this.bytes[this.position] as number;
    if (first < 0x80 && this.position < this.end) {
      this.position++;
      return first;
    }
    this.varint64();
    if (this.high !== 0) throw new WireError("a field's number or length is beyond 32 bits");
    return this.low;
  }

  /** Reads a varint into `low` and `high`. */
  varint64(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw new WireError('a varint is longer than 10 bytes');
  }

  #advance(length: number): number {
    const start = this.position;
    if (length > this.end - start) throw new WireError('the message ends inside a field');
    this.position = start + length;
    return start;
  }

  fixed32(): number {
    return this.bytes.readUInt32LE(this.#advance(4));
  }

  /** Reads 8 bytes into `low` and `high`. */
  fixed64(): void {
    const start = this.#advance(8);
    this.low = this.bytes.readUInt32LE(start);
    this.high = this.bytes.readUInt32LE(start + 4);
  }

  float(): number {
    return this.bytes.readFloatLE(this.#advance(4));
  }

  double(): number {
    return this.bytes.readDoubleLE(this.#advance(8));
  }

  /** The bytes of a length-delimited field, without a copy. */
  chunk(): Buffer {
    const length = this.#uint32();
    const start = this.#advance(length);
    return this.bytes.subarray(start, start + length);
  }

  /** Throws {@link TextError} when the bytes are not UTF-8. */
  string(): string {
    const length = this.#uint32();
    const start = this.#advance(length);
    const text = this.bytes.toString('utf8', start, start + length);
    if (text.includes(REPLACEMENT) && !isUtf8(this.bytes.subarray(start, start + length))) throw new TextError();
    return text;
  }

  /** A reader of the message in a length-delimited field. */
  message(): Reader {
    const length = this.#uint32();
    const start = this.#advance(length);
    return new Reader(this.bytes, start, start + length);
  }

  /** Passes over the value of the field that `tag` begins; groups, which proto3 has not, whole. */
  skip(tag: number): void {
    const wireType = tag & 7;
    if (wireType === 0) this.varint64();
    else if (wireType === 1) this.#advance(8);
    else if (wireType === 2) this.#advance(this.#uint32());
    else if (wireType === 3) this.#skipGroup(tag);
    else if (wireType === 5) this.#advance(4);
    else throw new WireError(`wire type ${wireType} is not one that can begin a field`);
  }

  #skipGroup(tag: number): void {
    const open = [tag >>> 3];
    while (open.length > 0) {
      const inner = this.tag();
      if ((inner & 7) === 3) open.push(inner >>> 3);
      else if ((inner & 7) !== 4) this.skip(inner);
      else if (open.pop() !== inner >>> 3) throw new WireError('a group ends that was not begun');
      if (open.length > MAX_GROUPS) throw new WireError(`groups are nested more than ${MAX_GROUPS} deep`);
    }
  }
}

/** Collects one message's bytes; grows by doubling. */
export class Writer {
  #buffer = Buffer.allocUnsafe(512);
  position = 0;

  #reserve(length: number): void {
    const needed = this.position + length;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.position);
    this.#buffer = grown;
  }

  finish(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.position));
  }

  tag(number: number, wireType: WireType): void {
    this.varint32(((number << 3) | wireType) >>> 0);
  }

  varint32(value: number): void {
    this.#reserve(5);
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.#buffer[this.position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.position++] = rest;
  }

  varint64(low: number, high: number): void {
    this.#reserve(10);
    let lo = low >>> 0;
    let hi = high >>> 0;
    while (hi > 0 || lo > 0x7f) {
      this.#buffer[this.position++] = (lo & 0x7f) | 0x80;
      lo = ((lo >>> 7) | (hi << 25)) >>> 0;
      hi >>>= 7;
    }
    this.#buffer[this.position++] = lo;
  }

  fixed32(value: number): void {
    this.#reserve(4);
    this.position = this.#buffer.writeUInt32LE(value >>> 0, this.position);
  }

  fixed64(low: number, high: number): void {
    this.fixed32(low);
    this.fixed32(high);
  }

  float(value: number): void {
    this.#reserve(4);
    this.position = this.#buffer.writeFloatLE(value, this.position);
  }

  double(value: number): void {
    this.#reserve(8);
    this.position = this.#buffer.writeDoubleLE(value, this.position);
  }

  chunk(bytes: Uint8Array): void {
    this.varint32(bytes.length);
    this.raw(bytes);
  }

  /** Bytes without a length before them. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.position);
    this.position += bytes.length;
  }

  string(text: string): void {
    const length = Buffer.byteLength(text);
    this.varint32(length);
    this.#reserve(length);
    this.#buffer.write(text, this.position, 'utf8');
    this.position += length;
  }

  /** Starts a length-delimited message; give what it returns to {@link end}. */
  begin(): number {
    this.#reserve(1);
    return this.position++;
  }

  /** Ends the message begun at `mark`: writes its length before it and moves it when that takes more than a byte. */
  end(mark: number): void {
    const length = this.position - mark - 1;
    if (length <= 0x7f) {
      this.#buffer[mark] = length;
      return;
    }
    const size = length < 1 << 14 ? 2 : length < 1 << 21 ? 3 : length < 1 << 28 ? 4 : 5;
    this.#reserve(size - 1);
    this.#buffer.copy(this.#buffer, mark + size, mark + 1, this.position);
    const end = this.position + size - 1;
    this.position = mark;
    this.varint32(length);
    this.position = end;
  }
}
