/** A log in SQLite. Watchers read from the file at their own pace, so a slow one costs no memory. */
import type { LogContract } from '@weft/contracts/bus';
import { checkSize, decodeStored, sequenceConflict } from '../checks.ts';
import type { Log, LogEntry, LogEvent } from '../index.ts';
import { onAbort, Wakeup } from '../wakeup.ts';
import type { BusFile } from './file.ts';
import { LIMIT_BYTES } from './limit.ts';
import type { Writer } from './writer.ts';

interface Row {
  readonly sequence: number;
  readonly value: Uint8Array;
}

/** How many entries are read from the file at once. */
const BATCH = 16;

/** What the file holds of one log, shared by everyone who uses it. */
export class LogStore {
  readonly name: string;
  readonly #writer: Writer;
  readonly #file: BusFile;
  readonly #watchers = new Set<Wakeup>();
  #isClosed = false;

  constructor(name: string, file: BusFile, writer: Writer) {
    this.name = name;
    this.#file = file;
    this.#writer = writer;
  }

  last(): number {
    const sql = 'SELECT coalesce(max(sequence), 0) AS sequence FROM log_entry WHERE log = ?';
    return this.#file.all<{ sequence: number }>(sql, this.name)[0]?.sequence ?? 0;
  }

  /** The entries from `from` to `to`, the first of them. */
  batch(from: number, to: number): readonly Row[] {
    const sql = `SELECT sequence, value FROM log_entry WHERE log = ? AND sequence BETWEEN ? AND ? ORDER BY sequence LIMIT ${BATCH}`;
    return this.#file.all<Row>(sql, this.name, from, to);
  }

  append(value: Uint8Array, expected: number | undefined): Promise<number> {
    const apply = (): number => {
      const last = this.last();
      if (expected !== undefined && expected !== last) throw sequenceConflict(this.name, expected, last);
      this.#file.all('INSERT INTO log_entry VALUES (?, ?, ?)', this.name, last + 1, value);
      return last + 1;
    };
    return this.#writer.write(apply, () => {
      for (const watcher of this.#watchers) watcher.ring();
    });
  }

  /** A bell that rings when the log has grown, or is closed; `end` lets go of it. */
  listen(): { readonly wakeup: Wakeup; end(): void } {
    const wakeup = new Wakeup();
    this.#watchers.add(wakeup);
    return { wakeup, end: () => this.#watchers.delete(wakeup) };
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#isClosed = true;
    for (const watcher of this.#watchers) watcher.ring();
  }
}

/** A log of one contract over its store. */
export class EmbeddedLog<T> implements Log<T> {
  readonly #contract: LogContract<T>;
  readonly #store: LogStore;

  constructor(contract: LogContract<T>, store: LogStore) {
    this.#contract = contract;
    this.#store = store;
  }

  #decode(sequence: number, bytes: Uint8Array): T {
    return decodeStored(this.#contract.value, bytes, `entry ${sequence} of the log ${this.#store.name}`);
  }

  async append(value: T, options: { readonly expectedSequence?: number } = {}): Promise<number> {
    const bytes = this.#contract.value.encode(value);
    checkSize(`the log ${this.#store.name}`, bytes.length, LIMIT_BYTES, 'the embedded bus');
    return this.#store.append(bytes, options.expectedSequence);
  }

  async last(): Promise<number> {
    return this.#store.last();
  }

  async *read(options: { readonly from?: number; readonly to?: number } = {}): AsyncIterable<LogEntry<T>> {
    const to = Math.min(options.to ?? Number.MAX_SAFE_INTEGER, this.#store.last());
    let next = Math.max(1, options.from ?? 1);
    while (next <= to) {
      const rows = this.#store.batch(next, to);
      if (rows.length === 0) return;
      for (const { sequence, value } of rows) {
        yield { sequence, value: this.#decode(sequence, value) };
        next = sequence + 1;
      }
    }
  }

  async *watch(signal: AbortSignal, options: { readonly from?: number } = {}): AsyncIterable<LogEvent<T>> {
    if (signal.aborted) return;
    const { wakeup, end } = this.#store.listen();
    const forget = onAbort(signal, () => {
      end();
      wakeup.ring();
    });
    const isOver = (): boolean => signal.aborted || this.#store.isClosed;
    const stood = this.#store.last();
    let next = Math.max(1, options.from ?? 1);
    let isSynced = false;
    try {
      while (!isOver()) {
        const to = isSynced ? Number.MAX_SAFE_INTEGER : stood;
        const rows = next <= to ? this.#store.batch(next, to) : [];
        for (const { sequence, value } of rows) {
          if (isOver()) return;
          yield { type: 'entry', sequence, value: this.#decode(sequence, value) };
          next = sequence + 1;
        }
        if (rows.length > 0) continue;
        if (isSynced) await wakeup.wait();
        else yield { type: 'synced', sequence: stood };
        isSynced = true;
      }
    } finally {
      forget();
      end();
    }
  }
}
