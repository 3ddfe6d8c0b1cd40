/**
 * Decodes header blocks (RFC 7541). Strings of table entries are made once; what a literal says is looked at once, byte
 * by byte, while it is read.
 */
import type { DecodingRoom } from '../../net/slabs.ts';
import { isValueBytes, type Kind, kindOf } from '../field-kind.ts';
import { huffmanDecode, maxDecodedBytes } from './huffman.ts';
import { type Field, STATIC_TABLE } from './static-table.ts';

/** Takes the fields of a block, in order. */
export interface FieldSink {
  /**
   * @param isValid whether the value is one that a field may have; names are told by `kind`.
   * @param isSecret the field must not enter a table of HPACK further on (RFC 7541, 6.2.3).
   */
  onField(kind: Kind, name: string, value: string, isValid: boolean, isSecret: boolean): void;
}

/** What an entry of a table counts for beside its characters (RFC 7541, 4.1). */
export const ENTRY_OVERHEAD = 32;
/** What tables have until something else is agreed (RFC 9113, 6.5.2). */
export const DEFAULT_TABLE_BYTES = 4096;
const STATIC_SIZE = STATIC_TABLE.length;
/** Numbers beyond this say nothing that could be true. */
const MAX_INTEGER = 0x0fff_ffff;

/** Thrown where a block cannot be decoded; the connection is lost with it (RFC 9113, 4.3). */
export class HpackError extends Error {}

export class HpackDecoder {
  readonly #room: DecodingRoom;
  /** A ring of a power of two; the newest entry stands before `#next`. */
  #ring: Field[] = [];
  #next = 0;
  #count = 0;
  #bytes = 0;
  /** What the encoder chose. */
  #tableBytes = DEFAULT_TABLE_BYTES;
  /** What it may choose at most. */
  #limitBytes = DEFAULT_TABLE_BYTES;
  /** The limit went below what the encoder uses: its next block must begin with an update. */
  #awaitsUpdate = false;

  #from: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  /** Whether the string that was read last is one that a value may be. */
  #isValid = true;

  constructor(room: DecodingRoom) {
    this.#room = room;
  }

  /** Sets what the table may have at most, once the far side has taken note of it, or before that where it is more. */
  limit(bytes: number): void {
    this.#limitBytes = bytes;
    if (this.#tableBytes > bytes) this.#awaitsUpdate = true;
  }

  /** Decodes a whole block, the bytes of `from` between `start` and `end`. Throws {@link HpackError}. */
  decode(from: Buffer, start: number, end: number, sink: FieldSink): void {
    this.#from = from;
    this.#at = start;
    this.#end = end;
    this.#updates();
    while (this.#at < end) {
      const first = from[this.#at] as number;
      if (first >= 0x80) {
        const { kind, name, value, isValid } = this.#entry(this.#integer(0x7f));
        sink.onField(kind, name, value, isValid, false);
      } else if (first >= 0x40) this.#literal(0x3f, true, false, sink);
      else if (first >= 0x20) throw new HpackError('a change of the table size inside a header block');
      else this.#literal(0x0f, false, first >= 0x10, sink);
    }
  }

  /** Changes of the table's size, which stand at the start of a block. */
  #updates(): void {
    while (this.#at < this.#end && ((this.#from[this.#at] as number) & 0xe0) === 0x20) {
      const bytes = this.#integer(0x1f);
      if (bytes > this.#limitBytes) throw new HpackError(`a table of ${bytes} bytes, ${this.#limitBytes} are allowed`);
      this.#tableBytes = bytes;
      this.#awaitsUpdate = false;
      this.#evict(bytes);
    }
    if (this.#awaitsUpdate) throw new HpackError('the table was not made smaller');
  }

  #literal(mask: number, isIndexed: boolean, isSecret: boolean, sink: FieldSink): void {
    const index = this.#integer(mask);
    let kind: Kind;
    let name: string;
    if (index === 0) {
      name = this.#string();
      kind = kindOf(name);
    } else ({ kind, name } = this.#entry(index));
    const value = this.#string();
    const isValid = this.#isValid;
    if (isIndexed) this.#add({ name, value, kind, isValid });
    sink.onField(kind, name, value, isValid, isSecret);
  }

  #entry(index: number): Field {
    if (index === 0) throw new HpackError('the index 0');
    if (index <= STATIC_SIZE) return STATIC_TABLE[index - 1] as Field;
    const age = index - STATIC_SIZE;
    if (age > this.#count) throw new HpackError(`the index ${index}, where the table has ${this.#count} entries`);
    return this.#ring[(this.#next - age) & (this.#ring.length - 1)] as Field;
  }

  /** An integer whose prefix is `mask` wide (RFC 7541, 5.1). */
  #integer(mask: number): number {
    const from = this.#from;
    let value = (from[this.#at++] as number) & mask;
    if (value < mask) return value;
    let shift = 0;
    for (;;) {
      if (this.#at >= this.#end) throw new HpackError('an integer that does not end');
      const byte = from[this.#at++] as number;
      value += (byte & 0x7f) << shift;
      if (value > MAX_INTEGER || shift > 21) throw new HpackError('an integer that is too large');
      if (byte < 0x80) return value;
      shift += 7;
    }
  }

  /** A string literal (RFC 7541, 5.2). */
  #string(): string {
    if (this.#at >= this.#end) throw new HpackError('a string is missing');
    const isCoded = (this.#from[this.#at] as number) >= 0x80;
    const length = this.#integer(0x7f);
    const start = this.#at;
    const end = start + length;
    if (end > this.#end) throw new HpackError('a string that does not end');
    this.#at = end;
    if (!isCoded) {
      this.#isValid = isValueBytes(this.#from, start, end);
      return this.#from.toString('latin1', start, end);
    }
    const room = this.#room.atLeast(maxDecodedBytes(length));
    const decoded = huffmanDecode(this.#from, start, end, room);
    if (decoded < 0) throw new HpackError('a string that is not well coded');
    this.#isValid = isValueBytes(room, 0, decoded);
    return room.toString('latin1', 0, decoded);
  }

  #add(field: Field): void {
    const bytes = field.name.length + field.value.length + ENTRY_OVERHEAD;
    this.#evict(this.#tableBytes - bytes);
    // An entry larger than the table empties it, and that is all (RFC 7541, 4.4).
    if (bytes > this.#tableBytes) return;
    if (this.#count === this.#ring.length) this.#grow();
    this.#ring[this.#next] = field;
    this.#next = (this.#next + 1) & (this.#ring.length - 1);
    this.#count++;
    this.#bytes += bytes;
  }

  #grow(): void {
    const ring = this.#ring;
    const size = ring.length;
    const grown: Field[] = [];
    for (let age = this.#count; age > 0; age--) grown.push(ring[(this.#next - age) & (size - 1)] as Field);
    const empty = STATIC_TABLE[0] as Field;
    while (grown.length < Math.max(16, size * 2)) grown.push(empty);
    this.#ring = grown;
    this.#next = this.#count;
  }

  /** Drops the oldest entries until `limit` bytes are left at most. */
  #evict(limit: number): void {
    const mask = this.#ring.length - 1;
    while (this.#count > 0 && this.#bytes > limit) {
      const at = (this.#next - this.#count) & mask;
      const { name, value } = this.#ring[at] as Field;
      this.#bytes -= name.length + value.length + ENTRY_OVERHEAD;
      this.#ring[at] = STATIC_TABLE[0] as Field;
      this.#count--;
    }
  }
}
