/**
 * Encodes header blocks (RFC 7541), straight into the buffer that is sent. What repeats is put into the table when it is
 * seen for the second time: a value that comes once only, such as an identifier of a request, pushes nothing out.
 */
import { DEFAULT_TABLE_BYTES, ENTRY_OVERHEAD } from './decoder.ts';
import { huffmanEncode, huffmanLength } from './huffman.ts';
import { STATIC_NAMES, STATIC_TABLE, type StaticName } from './static-table.ts';

interface Entry {
  readonly name: Name;
  readonly value: string;
  readonly bytes: number;
  /** How many entries were ever added before it. */
  readonly serial: number;
}

/** What the encoder knows of one name. */
interface Name {
  readonly text: string;
  readonly fixed: StaticName | undefined;
  readonly isDropped: boolean;
  readonly isSecret: boolean;
  /** By value, what the table has. */
  readonly entries: Map<string, Entry>;
  /** The entry that was used last: most fields repeat. */
  last: Entry | undefined;
  /** Values that were seen lately and are not in the table. */
  readonly seen: [string, string, string, string];
  nextSeen: number;
  /** How many values came one after another that were not seen before. */
  misses: number;
}

const STATIC_SIZE = STATIC_TABLE.length;
/** Of names that have nothing in the table so many are remembered at most. */
const MAX_NAMES = 256;
/** Longer values are not remembered, and stay out of the table. */
const MAX_VALUE = 1024;
/** Short cookies could be guessed from what tables make of them (RFC 7541, 7.1.3). */
const MAX_SECRET_COOKIE = 20;
const SHORT = 64;
/** After so many values that were never seen before, a name is taken for one whose values differ each time... */
const MAX_MISSES = 32;
/** ...and looked at again after so many more. */
const BLIND_USES = 1000;
/** So many names of a block are expected again in the next one. */
const MAX_ORDER = 64;

/** Fields that speak of a connection, and what stands in pseudo-header fields: they are not sent (RFC 9113, 8.2.2). */
const DROPPED: ReadonlySet<string> = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);
const SECRET: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization', 'set-cookie']);

export class HpackEncoder {
  /** Where a block is written; another, larger one where it did not fit. */
  buffer: Buffer = Buffer.alloc(0);
  at = 0;
  #start = 0;
  readonly #names = new Map<string, Name>();
  readonly #entries: Entry[] = [];
  /** The names of the last block, in order, and which of them is expected next. */
  readonly #order: Name[] = [];
  #place = 0;
  /** Of `#entries`, the first that is still in the table. */
  #first = 0;
  #added = 0;
  #bytes = 0;
  #tableBytes = DEFAULT_TABLE_BYTES;
  /** The smallest size since the last block, where it changed. */
  #smallest = -1;

  /** The far side's table may have so many bytes; told with the next block (RFC 7541, 4.2). */
  limit(bytes: number): void {
    if (bytes === this.#tableBytes) return;
    this.#smallest = this.#smallest === -1 ? bytes : Math.min(this.#smallest, bytes);
    this.#tableBytes = bytes;
    this.#evict(bytes);
  }

  /** Begins a block at a place of a buffer; {@link buffer} and {@link at} tell, in the end, where it is and ends. */
  begin(buffer: Buffer, at: number): void {
    this.buffer = buffer;
    this.at = at;
    this.#start = at;
    this.#place = 0;
    if (this.#smallest === -1) return;
    this.#room(16);
    if (this.#smallest < this.#tableBytes) this.#integer(0x20, 0x1f, this.#smallest);
    this.#integer(0x20, 0x1f, this.#tableBytes);
    this.#smallest = -1;
  }

  /** Where the block begins in {@link buffer}. */
  get start(): number {
    return this.#start;
  }

  /** Adds one field; `isSecret`: it must not enter a table. */
  field(text: string, value: string, isSecret = false): void {
    const name = this.#nameOf(text);
    const { last } = name;
    if (last !== undefined && last.value === value) {
      this.#indexed(STATIC_SIZE + this.#added - last.serial);
      return;
    }
    if (name.isDropped || (text === 'te' && value !== 'trailers')) return;
    if (name.misses > MAX_MISSES && !isSecret && name.entries.size <= 1) {
      this.#blind(name, value);
      return;
    }
    this.#lookUp(name, value, isSecret);
  }

  /** One message of a connection has mostly the same names, in the same order, as the one before. */
  #nameOf(text: string): Name {
    const expected = this.#order[this.#place];
    if (expected !== undefined && expected.text === text) {
      this.#place++;
      return expected;
    }
    const name = this.#names.get(text) ?? this.#learn(text);
    if (this.#place < MAX_ORDER) this.#order[this.#place++] = name;
    return name;
  }

  /** Of values that differ each time none goes into the table but one, for the sake of the name. */
  #blind(name: Name, value: string): void {
    if (++name.misses > BLIND_USES) name.misses = 0;
    const isNamed = name.fixed !== undefined || name.last !== undefined || !this.#fits(name, value);
    this.#literal(isNamed ? 0 : 0x40, isNamed ? 0x0f : 0x3f, name, value, false);
    if (!isNamed) this.#add(name, value);
  }

  #lookUp(name: Name, value: string, isSecret: boolean): void {
    const entry = name.entries.size > 0 ? name.entries.get(value) : undefined;
    if (entry) {
      name.last = entry;
      this.#indexed(STATIC_SIZE + this.#added - entry.serial);
      return;
    }
    const fixed = name.fixed?.values.get(value);
    if (fixed !== undefined) {
      this.#indexed(fixed);
      return;
    }
    if (isSecret || name.isSecret || (name.text === 'cookie' && value.length < MAX_SECRET_COOKIE)) {
      this.#literal(0x10, 0x0f, name, value, false);
    } else if (this.#repeats(name, value)) {
      name.misses = 0;
      this.#literal(0x40, 0x3f, name, value, true);
      this.#add(name, value);
    } else {
      if (name.text !== 'cookie') name.misses++;
      this.#literal(0, 0x0f, name, value, false);
    }
  }

  #learn(text: string): Name {
    if (this.#names.size >= MAX_NAMES) {
      for (const [known, { entries }] of this.#names) if (entries.size === 0) this.#names.delete(known);
      this.#order.length = 0;
    }
    const name: Name = {
      text,
      fixed: STATIC_NAMES.get(text),
      isDropped: DROPPED.has(text),
      isSecret: SECRET.has(text),
      entries: new Map(),
      last: undefined,
      seen: ['', '', '', ''],
      nextSeen: 0,
      misses: 0,
    };
    this.#names.set(text, name);
    return name;
  }

  /** Whether the value was seen before and is worth a place in the table; remembers it. */
  #repeats(name: Name, value: string): boolean {
    const { seen } = name;
    if (value.length > MAX_VALUE || value.length === 0) return false;
    if (seen[0] === value || seen[1] === value || seen[2] === value || seen[3] === value) {
      return this.#fits(name, value);
    }
    seen[name.nextSeen] = value;
    name.nextSeen = (name.nextSeen + 1) & 3;
    return false;
  }

  #fits(name: Name, value: string): boolean {
    return name.text.length + value.length + ENTRY_OVERHEAD <= this.#tableBytes >> 1;
  }

  #add(name: Name, value: string): void {
    const bytes = name.text.length + value.length + ENTRY_OVERHEAD;
    this.#evict(this.#tableBytes - bytes);
    const entry: Entry = { name, value, bytes, serial: this.#added++ };
    this.#entries.push(entry);
    this.#bytes += bytes;
    name.entries.set(value, entry);
    name.last = entry;
  }

  #evict(limit: number): void {
    const entries = this.#entries;
    while (this.#bytes > limit && this.#first < entries.length) {
      const entry = entries[this.#first++] as Entry;
      this.#bytes -= entry.bytes;
      entry.name.entries.delete(entry.value);
      if (entry.name.last === entry) entry.name.last = undefined;
    }
    if (this.#first < 64) return;
    entries.splice(0, this.#first);
    this.#first = 0;
  }

  #indexed(index: number): void {
    if (this.at + 8 > this.buffer.length) this.#room(8);
    if (index < 0x7f) this.buffer[this.at++] = 0x80 | index;
    else this.#integer(0x80, 0x7f, index);
  }

  #literal(pattern: number, mask: number, name: Name, value: string, isCoded: boolean): void {
    this.#room(name.text.length + value.length + 24);
    if (name.fixed) this.#integer(pattern, mask, name.fixed.index);
    else if (name.last) this.#integer(pattern, mask, STATIC_SIZE + this.#added - name.last.serial);
    else {
      this.buffer[this.at++] = pattern;
      this.#string(name.text, false);
    }
    this.#string(value, isCoded);
  }

  /** Coded, where that is shorter and worth the time: of what is put into the table. */
  #string(text: string, isCoded: boolean): void {
    const { length } = text;
    if (isCoded) {
      const coded = huffmanLength(text);
      if (coded < length) {
        this.#integer(0x80, 0x7f, coded);
        this.at = huffmanEncode(text, this.buffer, this.at);
        return;
      }
    }
    this.#integer(0, 0x7f, length);
    const { buffer } = this;
    if (length > SHORT) {
      buffer.write(text, this.at, length, 'latin1');
      this.at += length;
      return;
    }
    let { at } = this;
    for (let i = 0; i < length; i++) buffer[at++] = text.charCodeAt(i);
    this.at = at;
  }

  #integer(pattern: number, mask: number, value: number): void {
    const { buffer } = this;
    if (value < mask) {
      buffer[this.at++] = pattern | value;
      return;
    }
    buffer[this.at++] = pattern | mask;
    let rest = value - mask;
    while (rest >= 0x80) {
      buffer[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[this.at++] = rest;
  }

  /** Makes sure that so many bytes fit; moves the block where they do not. */
  #room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    const written = this.at - this.#start;
    const larger = Buffer.allocUnsafeSlow((written + bytes) * 2);
    larger.set(this.buffer.subarray(this.#start, this.at));
    this.buffer = larger;
    this.#start = 0;
    this.at = written;
  }
}
