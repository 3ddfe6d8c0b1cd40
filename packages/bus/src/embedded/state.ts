/** A state in SQLite, and the backlogs of those who watch it. */
import type { StateContract } from '@weft/contracts/bus';
import { checkKey, checkSize, decodeStored, revisionConflict } from '../checks.ts';
import type { Entry, State, StateEvent } from '../index.ts';
import { onAbort, Wakeup } from '../wakeup.ts';
import type { BusFile } from './file.ts';
import { LIMIT_BYTES } from './limit.ts';
import type { Writer } from './writer.ts';

interface Row {
  readonly key: string;
  readonly revision: number;
  readonly value: Uint8Array;
}

/** A change that a watcher has not taken yet; without a value, a deletion. */
interface Change {
  readonly key: string;
  readonly revision: number;
  readonly value: Uint8Array | undefined;
}

/** What one watcher has yet to be told: the newest change of each key, in order. */
class Backlog {
  readonly #changes = new Map<string, Change>();
  readonly wakeup = new Wakeup();

  add(change: Change): void {
    // A newer change of a key takes the place of the older, at the end: so a slow watcher costs one change a key.
    this.#changes.delete(change.key);
    this.#changes.set(change.key, change);
    this.wakeup.ring();
  }

  take(): Change | undefined {
    const [first] = this.#changes.values();
    if (first) this.#changes.delete(first.key);
    return first;
  }
}

const SELECT_NEWEST = 'SELECT revision FROM state_revision WHERE state = ?';
const NEXT_REVISION =
  'INSERT INTO state_revision VALUES (?, 1) ON CONFLICT DO UPDATE SET revision = revision + 1 RETURNING revision';
const SELECT_KEY = 'SELECT key, revision, value FROM state_entry WHERE state = ? AND key = ?';
const SELECT_ALL = 'SELECT key, revision, value FROM state_entry WHERE state = ? ORDER BY revision';
const STORE = 'INSERT OR REPLACE INTO state_entry VALUES (?, ?, ?, ?)';
const REMOVE = 'DELETE FROM state_entry WHERE state = ? AND key = ?';

/** What the file holds of one state, shared by everyone who uses it. */
export class StateStore {
  readonly name: string;
  readonly #writer: Writer;
  readonly #file: BusFile;
  readonly #backlogs = new Set<Backlog>();
  #isClosed = false;

  constructor(name: string, file: BusFile, writer: Writer) {
    this.name = name;
    this.#file = file;
    this.#writer = writer;
  }

  newest(): number {
    return this.#file.all<{ revision: number }>(SELECT_NEWEST, this.name)[0]?.revision ?? 0;
  }

  row(key: string): Row | undefined {
    return this.#file.all<Row>(SELECT_KEY, this.name, key)[0];
  }

  rows(): readonly Row[] {
    return this.#file.all<Row>(SELECT_ALL, this.name);
  }

  #check(key: string, expected: number | undefined): number {
    const found = this.row(key)?.revision ?? 0;
    if (expected !== undefined && found !== expected) throw revisionConflict(this.name, key, expected, found);
    return found;
  }

  #nextRevision(): number {
    return this.#file.all<{ revision: number }>(NEXT_REVISION, this.name)[0]?.revision as number;
  }

  put(key: string, value: Uint8Array, expected: number | undefined): Promise<number> {
    const apply = (): number => {
      this.#check(key, expected);
      const revision = this.#nextRevision();
      this.#file.all(STORE, this.name, key, revision, value);
      return revision;
    };
    return this.#writer.write(apply, (revision) => this.#tell({ key, revision, value }));
  }

  delete(key: string, expected: number | undefined): Promise<number> {
    let isThere = false;
    const apply = (): number => {
      isThere = this.#check(key, expected) !== 0;
      if (!isThere) return this.newest();
      this.#file.all(REMOVE, this.name, key);
      return this.#nextRevision();
    };
    return this.#writer.write(apply, (revision) => {
      if (isThere) this.#tell({ key, revision, value: undefined });
    });
  }

  #tell(change: Change): void {
    for (const backlog of this.#backlogs) backlog.add(change);
  }

  /** What stands, its newest revision, and the changes from then on; `end` lets go of the backlog. */
  open(): { readonly rows: readonly Row[]; readonly revision: number; readonly backlog: Backlog; end(): void } {
    const [rows, revision] = [this.rows(), this.newest()];
    const backlog = new Backlog();
    this.#backlogs.add(backlog);
    return { rows, revision, backlog, end: () => this.#backlogs.delete(backlog) };
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#isClosed = true;
    for (const backlog of this.#backlogs) backlog.wakeup.ring();
  }
}

/** A state of one contract over its store. */
export class EmbeddedState<T> implements State<T> {
  readonly #contract: StateContract<T>;
  readonly #store: StateStore;

  constructor(contract: StateContract<T>, store: StateStore) {
    this.#contract = contract;
    this.#store = store;
  }

  #decode(key: string, bytes: Uint8Array): T {
    return decodeStored(this.#contract.value, bytes, `${key} of the state ${this.#store.name}`);
  }

  #entry({ key, revision, value }: Row): Entry<T> {
    return { key, revision, value: this.#decode(key, value) };
  }

  async get(key: string): Promise<Entry<T> | undefined> {
    checkKey(this.#store.name, key);
    const row = this.#store.row(key);
    return row && this.#entry(row);
  }

  async list(): Promise<readonly Entry<T>[]> {
    return this.#store.rows().map((row) => this.#entry(row));
  }

  async put(key: string, value: T, options: { readonly expectedRevision?: number } = {}): Promise<number> {
    checkKey(this.#store.name, key);
    const bytes = this.#contract.value.encode(value);
    checkSize(`the state ${this.#store.name}`, bytes.length, LIMIT_BYTES, 'the embedded bus');
    return this.#store.put(key, bytes, options.expectedRevision);
  }

  async delete(key: string, options: { readonly expectedRevision?: number } = {}): Promise<number> {
    checkKey(this.#store.name, key);
    return this.#store.delete(key, options.expectedRevision);
  }

  #event({ key, revision, value }: Change): StateEvent<T> {
    if (!value) return { type: 'delete', key, revision };
    return { type: 'put', key, revision, value: this.#decode(key, value) };
  }

  async *watch(signal: AbortSignal): AsyncIterable<StateEvent<T>> {
    if (signal.aborted) return;
    const { rows, revision, backlog, end } = this.#store.open();
    const forget = onAbort(signal, () => {
      // Whoever takes from the watch may never ask again after that.
      end();
      backlog.wakeup.ring();
    });
    const isOver = (): boolean => signal.aborted || this.#store.isClosed;
    try {
      for (const row of rows) {
        if (isOver()) return;
        yield this.#event(row);
      }
      if (isOver()) return;
      yield { type: 'synced', revision };
      while (!isOver()) {
        const change = backlog.take();
        if (change) yield this.#event(change);
        else await backlog.wakeup.wait();
      }
    } finally {
      forget();
      end();
    }
  }
}
