/**
 * Numbers by name in memory that several threads see. A name has a block of memory as long as anybody in any thread
 * holds its numbers; blocks are found by a hash of the name, with open addressing, under a lock that is held for a few
 * comparisons. Counting itself takes no lock.
 */
import { hash } from 'node:crypto';
import { CELLS, type Cells, type Counts, type Instant, OwnCells } from './cells.ts';

const BLOCK_BYTES = CELLS * 4;
/** Of an entry of the table, in 32-bit numbers: two for the hash, the block and 1, and how many hold it. */
const ENTRY = 4;
const HEADER = 4;
const LOCK = 0;
/** How many blocks were ever used. */
const USED = 1;
/** The first of the blocks that are free again, and 1; its first cell tells the next. */
const FREE = 2;
/** As many names as a large mesh has clusters and hosts with outlier detection. Memory that is not used costs nothing. */
const BLOCKS = 1 << 18;
/** A thread that was ended while it held the lock must not stop the others for ever. */
const LOCK_TRIES = 2000;
const LOCK_WAIT_MS = 1;

type Key = readonly [high: number, low: number];

function keyOf(name: string): Key {
  const digest = hash('sha256', name, 'buffer');
  return [digest.readInt32LE(0), digest.readInt32LE(4)];
}

class SharedCells implements Cells {
  readonly #values: Int32Array;

  constructor(values: Int32Array) {
    this.#values = values;
  }

  get(index: number): number {
    return Atomics.load(this.#values, index);
  }

  add(index: number, change: number): number {
    return Atomics.add(this.#values, index, change) + change;
  }

  swap(index: number, value: number): number {
    return Atomics.exchange(this.#values, index, value);
  }
}

class SharedInstant implements Instant {
  readonly #word: BigInt64Array;
  readonly #bits = new BigInt64Array(1);
  readonly #value = new Float64Array(this.#bits.buffer);

  constructor(word: BigInt64Array) {
    this.#word = word;
  }

  /** The clocks of threads begin with the threads; that of the machine does not. */
  nowMs(): number {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1000 + nanoseconds / 1e6;
  }

  get(): number {
    this.#bits[0] = Atomics.load(this.#word, 0);
    return this.#value[0] ?? 0;
  }

  #bitsOf(value: number): bigint {
    this.#value[0] = value;
    return this.#bits[0] ?? 0n;
  }

  replace(before: number, after: number): boolean {
    const expected = this.#bitsOf(before);
    return Atomics.compareExchange(this.#word, 0, expected, this.#bitsOf(after)) === expected;
  }
}

export class SharedCounts implements Counts {
  /** To be given to other threads. */
  readonly memory: SharedArrayBuffer;
  readonly #header: Int32Array;
  readonly #table: Int32Array;
  readonly #blocksAt: number;
  readonly #capacity: number;
  readonly #mask: number;
  /** Whoever held numbers holds them no longer. */
  readonly #registry = new FinalizationRegistry<Key>((key) => this.#release(key));

  private constructor(memory: SharedArrayBuffer, capacity: number) {
    this.memory = memory;
    this.#capacity = capacity;
    this.#mask = capacity * 2 - 1;
    this.#header = new Int32Array(memory, 0, HEADER);
    this.#table = new Int32Array(memory, BLOCK_BYTES, capacity * 2 * ENTRY);
    this.#blocksAt = BLOCK_BYTES + capacity * 2 * ENTRY * 4;
  }

  /** Memory for `capacity` names, a power of two. */
  static make(capacity = BLOCKS): SharedCounts {
    return new SharedCounts(new SharedArrayBuffer(BLOCK_BYTES + capacity * (2 * ENTRY * 4 + BLOCK_BYTES)), capacity);
  }

  /** What another thread has made. */
  static of(memory: SharedArrayBuffer): SharedCounts {
    return new SharedCounts(memory, (memory.byteLength - BLOCK_BYTES) / (2 * ENTRY * 4 + BLOCK_BYTES));
  }

  cells(name: string): Cells {
    const key = keyOf(name);
    const block = this.#hold(key);
    // More names than there is memory for: the limits of those that came last hold for a thread.
    if (block === undefined) return new OwnCells();
    const cells = new SharedCells(new Int32Array(this.memory, this.#byteOf(block), CELLS));
    this.#registry.register(cells, key);
    return cells;
  }

  instant(name: string): Instant | undefined {
    const key = keyOf(name);
    const block = this.#hold(key);
    if (block === undefined) return undefined;
    const instant = new SharedInstant(new BigInt64Array(this.memory, this.#byteOf(block), 1));
    this.#registry.register(instant, key);
    return instant;
  }

  /** How many names are held. */
  get size(): number {
    let size = 0;
    for (let entry = 0; entry <= this.#mask; entry++) if (this.#blockOf(entry) !== 0) size++;
    return size;
  }

  #byteOf(block: number): number {
    return this.#blocksAt + block * BLOCK_BYTES;
  }

  #lock(): boolean {
    for (let tries = 0; tries < LOCK_TRIES; tries++) {
      if (Atomics.compareExchange(this.#header, LOCK, 0, 1) === 0) return true;
      Atomics.wait(this.#header, LOCK, 1, LOCK_WAIT_MS);
    }
    return false;
  }

  #unlock(): void {
    Atomics.store(this.#header, LOCK, 0);
    Atomics.notify(this.#header, LOCK, 1);
  }

  // All below with the lock held.

  #read(entry: number, part: number): number {
    return this.#table[entry * ENTRY + part] ?? 0;
  }

  #blockOf(entry: number): number {
    return this.#read(entry, 2);
  }

  /** The entry of a name, or the empty one where it belongs. */
  #find([high, low]: Key): number {
    let entry = low & this.#mask;
    while (this.#blockOf(entry) !== 0 && (this.#read(entry, 0) !== high || this.#read(entry, 1) !== low)) {
      entry = (entry + 1) & this.#mask;
    }
    return entry;
  }

  #hold(key: Key): number | undefined {
    if (!this.#lock()) return undefined;
    try {
      const entry = this.#find(key);
      const known = this.#blockOf(entry);
      const block = known === 0 ? this.#take() : known - 1;
      if (block === undefined) return undefined;
      this.#table.set([...key, block + 1, this.#read(entry, 3) + 1], entry * ENTRY);
      return block;
    } finally {
      this.#unlock();
    }
  }

  /** A block that nobody holds, all 0. */
  #take(): number | undefined {
    const header = this.#header;
    const free = header[FREE] ?? 0;
    if (free === 0) {
      const used = header[USED] ?? 0;
      if (used === this.#capacity) return undefined;
      header[USED] = used + 1;
      return used;
    }
    const cells = new Int32Array(this.memory, this.#byteOf(free - 1), CELLS);
    header[FREE] = cells[0] ?? 0;
    cells[0] = 0;
    return free - 1;
  }

  #release(key: Key): void {
    if (!this.#lock()) return;
    try {
      const entry = this.#find(key);
      const block = this.#blockOf(entry);
      if (block === 0) return;
      const holders = this.#read(entry, 3) - 1;
      this.#table[entry * ENTRY + 3] = holders;
      if (holders > 0) return;
      const cells = new Int32Array(this.memory, this.#byteOf(block - 1), CELLS);
      cells.fill(0);
      cells[0] = this.#header[FREE] ?? 0;
      this.#header[FREE] = block;
      this.#empty(entry);
    } finally {
      this.#unlock();
    }
  }

  /** Empties an entry; those behind it that it stood in the way of move up, so that each is found from its own place. */
  #empty(emptied: number): void {
    const table = this.#table;
    let hole = emptied;
    for (let entry = (hole + 1) & this.#mask; this.#blockOf(entry) !== 0; entry = (entry + 1) & this.#mask) {
      const home = this.#read(entry, 1) & this.#mask;
      const fromHome = (entry - home) & this.#mask;
      const fromHole = (entry - hole) & this.#mask;
      if (fromHome < fromHole) continue;
      table.copyWithin(hole * ENTRY, entry * ENTRY, (entry + 1) * ENTRY);
      hole = entry;
    }
    table.fill(0, hole * ENTRY, (hole + 1) * ENTRY);
  }
}
