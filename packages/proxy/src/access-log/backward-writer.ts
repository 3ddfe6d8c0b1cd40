/**
 * Writes a protobuf message from its end to its beginning (https://protobuf.dev/programming-guides/encoding): a nested
 * message is whole when its length has to be written before it, so that nothing is measured first or moved later.
 * Fields are therefore written last field first.
 */

const FIRST_BYTES = 2048;
/** What is kept for the next message, however large one was. */
const KEPT_BYTES = 65_536;
const MAX_VARINT_BYTES = 10;

const VARINT = 0;
const LENGTH_DELIMITED = 2;

export class BackwardWriter {
  #buffer = Buffer.allocUnsafe(FIRST_BYTES);
  /** Where what is written begins. */
  #start = FIRST_BYTES;

  /** How much is written; given to {@link message} later, as the end of what comes now. */
  get mark(): number {
    return this.#buffer.length - this.#start;
  }

  #room(bytes: number): void {
    if (this.#start >= bytes) return;
    const written = this.mark;
    const next = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, written + bytes));
    this.#buffer.copy(next, next.length - written, this.#start);
    this.#buffer = next;
    this.#start = next.length - written;
  }

  /** A whole number, 0 to 2^53 - 1. */
  #number(value: number): void {
    this.#room(MAX_VARINT_BYTES);
    let length = 1;
    for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) length++;
    this.#start -= length;
    let rest = value;
    for (let i = 0; i < length - 1; i++) {
      this.#buffer[this.#start + i] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[this.#start + length - 1] = rest;
  }

  #tag(field: number, wireType: number): void {
    this.#number(field * 8 + wireType);
  }

  /** 0 is not written: it is what an absent field says. */
  uint(field: number, value: number): void {
    if (value <= 0) return;
    this.#number(value);
    this.#tag(field, VARINT);
  }

  /** '' and undefined are not written. */
  text(field: number, value: string | undefined): void {
    if (value === undefined || value === '') return;
    const length = Buffer.byteLength(value);
    this.#room(length);
    this.#start -= length;
    this.#buffer.write(value, this.#start);
    this.#number(length);
    this.#tag(field, LENGTH_DELIMITED);
  }

  bytes(field: number, value: Uint8Array): void {
    this.#room(value.length);
    this.#start -= value.length;
    this.#buffer.set(value, this.#start);
    this.#number(value.length);
    this.#tag(field, LENGTH_DELIMITED);
  }

  /** Makes what was written since `mark` a nested message. */
  message(field: number, mark: number): void {
    this.#number(this.mark - mark);
    this.#tag(field, LENGTH_DELIMITED);
  }

  /** What was written since the last call, in a buffer of its own. */
  finish(): Buffer {
    const message = Buffer.from(this.#buffer.subarray(this.#start));
    if (this.#buffer.length > KEPT_BYTES) this.#buffer = Buffer.allocUnsafe(FIRST_BYTES);
    this.#start = this.#buffer.length;
    return message;
  }
}
