/** The SQLite file of an embedded bus: opened by one process at a time, checked, and of one format. */
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { WeftError } from '@weft/contracts/error';
import { closedError } from '../checks.ts';

/** `PRAGMA application_id` of the files, "weft" in ASCII. */
const APPLICATION_ID = 0x7765_6674;
/** `PRAGMA user_version`: changes when older programs could not read the file. */
const FORMAT = 1;
const MEMORY = ':memory:';
/** How long to wait for a process that is just ending. */
const LOCK_WAIT_MS = 1_000;
const LOCK_POLL_MS = 50;

const TABLES = `
  CREATE TABLE log_entry (log TEXT NOT NULL, sequence INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (log, sequence));
  CREATE TABLE state_revision (state TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE state_entry (
    state TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (state, key));
  CREATE INDEX state_entry_by_revision ON state_entry (state, revision);
`;

/** Result codes: https://www.sqlite.org/rescode.html. */
const SQLITE = { busy: 5, corrupt: 11, full: 13, cantOpen: 14, notADatabase: 26 } as const;

function resultCode(thrown: unknown): number | undefined {
  const code = (thrown as { errcode?: unknown }).errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}

/** The error in plain words, naming the file. */
function fileError(path: string, thrown: unknown): WeftError {
  if (thrown instanceof WeftError) return thrown;
  const code = resultCode(thrown);
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  if (code === SQLITE.corrupt || code === SQLITE.notADatabase) {
    const message = `${path} is damaged, or not a file of the bus (${reason}): put back a copy of it, or move it away to start anew`;
    return new WeftError('DATA_LOSS', message, { cause: thrown });
  }
  if (code === SQLITE.full) {
    const message = `${path} cannot grow, because its disk is full: free some space`;
    return new WeftError('RESOURCE_EXHAUSTED', message, { cause: thrown });
  }
  const message = `${path} cannot be opened or written: ${reason}`;
  return new WeftError('UNAVAILABLE', message, { cause: thrown, retryable: false });
}

function holder(path: string): string {
  try {
    const text = readFileSync(`${path}.pid`, 'utf8').trim();
    if (/^\d+ \S+$/.test(text)) return `process ${text.replace(' ', ' on ')}`;
  } catch {
    return 'another process';
  }
  return 'another process';
}

function createFile(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    closeSync(openSync(path, 'a', 0o600));
    chmodSync(path, 0o600);
  } catch (cause) {
    throw fileError(path, cause);
  }
}

function numberOf(database: DatabaseSync, pragma: string): number {
  return Number(Object.values(database.prepare(`PRAGMA ${pragma}`).get() ?? {})[0]);
}

function checkFormat(database: DatabaseSync, path: string): void {
  const format = numberOf(database, 'user_version');
  const isEmpty = numberOf(database, 'schema_version') === 0;
  if (isEmpty) {
    database.exec(`BEGIN; ${TABLES} PRAGMA application_id=${APPLICATION_ID}; PRAGMA user_version=${FORMAT}; COMMIT`);
  } else if (numberOf(database, 'application_id') !== APPLICATION_ID) {
    throw new WeftError(
      'FAILED_PRECONDITION',
      `${path} is the SQLite file of another program: give the bus a file of its own`,
    );
  } else if (format > FORMAT) {
    const message = `${path} was written by a newer Weft, in format ${format}, and this one reads ${FORMAT}: use that Weft`;
    throw new WeftError('FAILED_PRECONDITION', message);
  }
  const state = database.prepare('PRAGMA quick_check(1)').get() as { quick_check: string } | undefined;
  if (state?.quick_check !== 'ok') {
    throw Object.assign(new Error(state?.quick_check ?? 'it cannot be checked'), { errcode: SQLITE.corrupt });
  }
}

/** Opens and locks; undefined when another holds the lock. SQLite's own lock ends with the process, however it ends. */
function tryOpen(path: string): DatabaseSync | undefined {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec(
      'PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; BEGIN EXCLUSIVE; COMMIT',
    );
    checkFormat(database, path);
    return database;
  } catch (thrown) {
    database.close();
    if (resultCode(thrown) === SQLITE.busy) return undefined;
    throw thrown;
  }
}

/** An open file that this process alone holds. */
export interface BusFile {
  readonly path: string;
  /** Runs a statement and gives its rows; throws `WeftError`. Statements are kept, so give values apart from the text. */
  all<Row extends object>(sql: string, ...values: SQLInputValue[]): readonly Row[];
  /** Runs `work` as one durable transaction, or none of it. */
  transaction<T>(work: () => T): T;
  close(): void;
}

/**
 * Opens the file, creating it (mode 0600) and its folder (0700) where missing. Throws `WeftError`: FAILED_PRECONDITION
 * when another process holds it or it is not of this format, DATA_LOSS when it is damaged.
 */
export async function openFile(path: string): Promise<BusFile> {
  if (path !== MEMORY) createFile(path);
  const until = performance.now() + LOCK_WAIT_MS;
  for (;;) {
    let database: DatabaseSync | undefined;
    try {
      database = tryOpen(path);
      if (database && path !== MEMORY) writeFileSync(`${path}.pid`, `${process.pid} ${hostname()}\n`, { mode: 0o600 });
    } catch (thrown) {
      database?.close();
      throw fileError(path, thrown);
    }
    if (database) return busFile(path, database);
    if (performance.now() > until) {
      const message = `${path} is in use by ${holder(path)}: stop that one first, or choose another folder`;
      throw new WeftError('FAILED_PRECONDITION', message);
    }
    await delay(LOCK_POLL_MS);
  }
}

function transaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (thrown) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw thrown;
  }
}

function busFile(path: string, database: DatabaseSync): BusFile {
  const statements = new Map<string, StatementSync>();
  let isOpen = true;
  const attempt = <T>(work: () => T): T => {
    if (!isOpen) throw closedError();
    try {
      return work();
    } catch (thrown) {
      throw fileError(path, thrown);
    }
  };
  return {
    path,
    all: <Row extends object>(sql: string, ...values: SQLInputValue[]) =>
      attempt(() => {
        const statement = statements.get(sql) ?? database.prepare(sql);
        statements.set(sql, statement);
        const rows: readonly object[] = statement.all(...values);
        return rows as readonly Row[];
      }),
    transaction: (work) => attempt(() => transaction(database, work)),
    close() {
      isOpen = false;
      if (path !== MEMORY) rmSync(`${path}.pid`, { force: true });
      database.close();
    },
  };
}
