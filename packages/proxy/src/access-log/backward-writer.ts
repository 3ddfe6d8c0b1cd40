/**
 * Writes a protobuf message from its end to its beginning (https://protobuf.dev/programming-guides/encoding): a nested
 * message is whole when its length has to be written before it, so that nothing is measured first or moved later.
 * Fields are therefore written last field first.
 */

import { textOf } from '../http/field-text.ts';

const FIRST_BYTES = 2048;
/** What is kept for the next message, however large one was. */
const KEPT_BYTES = 65_536;
const MAX_VARINT_BYTES = 10;
/** Room for a tag, and for a length or a number after it. */
const HEAD_BYTES = 2 * MAX_VARINT_BYTES;
/** Up to here bytes are written one by one: to call for it takes longer. */
const SHORT = 64;
const ASCII = 0x7f;
/** Numbers below this are taken apart as 32-bit integers. */
const MAX_INT32 = 0x7fff_ffff;

const VARINT = 0;
const LENGTH_DELIMITED = 2;

export class BackwardWriter {
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  /** Where what is written begins. */
  #start = FIRST_BYTES;

  /** How much is written; given to {@link message} later, as the end of what comes now. */
  get mark(): number {
    return this.#buffer.length - this.#start;
  }

  /** Forgets what was written since `mark`. */
  rewind(mark: number): void {
    this.#start = this.#buffer.length - mark;
  }

  /** Makes sure that so many bytes fit before what is written. */
  #room(bytes: number): Buffer {
    if (this.#start >= bytes) return this.#buffer;
    const written = this.mark;
    const next = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, written + bytes));
    this.#buffer.copy(next, next.length - written, this.#start);
    this.#buffer = next;
    this.#start = next.length - written;
    return next;
  }

  /** A whole number, 0 to 2^53 - 1, for which there is room. */
  #number(value: number): void {
    const buffer = this.#buffer;
    if (value <= ASCII) {
      buffer[--this.#start] = value;
      return;
    }
    let length = 1;
    for (let rest = value; rest > ASCII; rest = rest <= MAX_INT32 ? rest >>> 7 : Math.floor(rest / 128)) length++;
    this.#start -= length;
    let at = this.#start;
    let rest = value;
    for (; rest > MAX_INT32; rest = Math.floor(rest / 128)) buffer[at++] = (rest % 128) | 0x80;
    for (; rest > ASCII; rest >>>= 7) buffer[at++] = (rest & 0x7f) | 0x80;
    buffer[at] = rest;
  }

  #tag(field: number, wireType: number): void {
    this.#number(field * 8 + wireType);
  }

  /** 0 is not written: it is what an absent field says. */
  uint(field: number, value: number): void {
    if (value <= 0) return;
    this.#room(HEAD_BYTES);
    this.#number(value);
    this.#tag(field, VARINT);
  }

  /** '' and undefined are not written. */
  text(field: number, value: string | undefined): void {
    if (value === undefined || value === '') return;
    const { length } = value;
    if (length > SHORT) {
      this.#longText(field, value);
      return;
    }
    const buffer = this.#room(length + HEAD_BYTES);
    let at = this.#start;
    for (let i = length - 1; i >= 0; i--) {
      const code = value.charCodeAt(i);
      if (code > ASCII) {
        this.#longText(field, value);
        return;
      }
      buffer[--at] = code;
    }
    this.#start = at;
    this.#number(length);
    this.#tag(field, LENGTH_DELIMITED);
  }

  /** The same of bytes, a character for each: what is no UTF-8 is written as `!`, which protobuf takes for a text. */
  fieldText(field: number, value: string | undefined): void {
    this.text(field, value && textOf(value));
  }

  #longText(field: number, value: string): void {
    const length = Buffer.byteLength(value);
    const buffer = this.#room(length + HEAD_BYTES);
    this.#start -= length;
    buffer.write(value, this.#start);
    this.#number(length);
    this.#tag(field, LENGTH_DELIMITED);
  }

  bytes(field: number, value: Uint8Array): void {
    const { length } = value;
    const buffer = this.#room(length + HEAD_BYTES);
    this.#start -= length;
    if (length > SHORT) buffer.set(value, this.#start);
    else for (let i = 0; i < length; i++) buffer[this.#start + i] = value[i] as number;
    this.#number(length);
    this.#tag(field, LENGTH_DELIMITED);
  }

  /** Makes what was written since `mark` a nested message. */
  message(field: number, mark: number): void {
    this.#room(HEAD_BYTES);
    this.#number(this.mark - mark);
    this.#tag(field, LENGTH_DELIMITED);
  }

  /** What was written since the last call, in a buffer of its own. */
  finish(): Buffer {
    const message = Buffer.from(this.#buffer.subarray(this.#start));
    if (this.#buffer.length > KEPT_BYTES) this.#buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
    this.#start = this.#buffer.length;
    return message;
  }
}
