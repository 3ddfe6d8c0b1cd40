/**
 * The bus: how the control plane's services talk. Two implementations pass one contract suite: `embedded` (one process,
 * durable in SQLite) and `nats` (JetStream). Both encode and decode every message, so nothing works on one alone.
 */
import type { CallContract, EventContract, LogContract, StateContract } from '@weft/contracts/bus';

export interface Bus {
  /** `embedded` or `nats`. */
  readonly kind: string;
  /**
   * Asks the instances that serve the call; one of them answers. Waits for a server to appear until `timeoutMs`
   * (default 5,000) has passed. Throws `WeftError`: UNAVAILABLE when nobody serves it, DEADLINE_EXCEEDED, CANCELLED,
   * RESOURCE_EXHAUSTED for a message over the bus's limit, or the code that the server's handler threw.
   */
  call<Request, Response>(
    contract: CallContract<Request, Response>,
    request: Request,
    options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal },
  ): Promise<Response>;
  /**
   * Serves a call until `signal` aborts; calls that run then are finished. Resolves once calls can arrive. What the
   * handler throws reaches the caller as a `WeftError` of the same code and message; of other errors than `WeftError`,
   * code INTERNAL. The handler's signal aborts when the caller's time is up or the bus is closed.
   */
  serve<Request, Response>(
    contract: CallContract<Request, Response>,
    handler: (request: Request, signal: AbortSignal) => Promise<Response>,
    signal: AbortSignal,
  ): Promise<void>;
  /** Says something to whoever listens now. Never throws for want of a connection: an event may be lost. */
  publish<T>(contract: EventContract<T>, value: T): void;
  /** Calls `listener` with each event until `signal` aborts. Resolves once events can arrive. */
  subscribe<T>(contract: EventContract<T>, listener: (value: T) => void, signal: AbortSignal): Promise<void>;
  state<T>(contract: StateContract<T>): State<T>;
  log<T>(contract: LogContract<T>): Log<T>;
  /** Whether the bus can be reached now; undefined when it can, else why not. For readiness. */
  trouble(): string | undefined;
  /**
   * Ends what runs on the bus and lets go of its files and connections: watches end without an error, handlers get a
   * second to finish, everything else is UNAVAILABLE from then on.
   */
  close(): Promise<void>;
}

export interface Entry<T> {
  readonly key: string;
  readonly value: T;
  readonly revision: number;
}

/** What a watch tells. Before `synced` stand the entries that there were; after it come changes, in order. */
export type StateEvent<T> =
  | { readonly type: 'put'; readonly key: string; readonly value: T; readonly revision: number }
  | { readonly type: 'delete'; readonly key: string; readonly revision: number }
  /** Told once. `revision` is the newest of the state, 0 of an empty one. */
  | { readonly type: 'synced'; readonly revision: number };

/**
 * Values by key. Keys are words of 1 to 1,024 of `A-Z a-z 0-9 - _ . = /`, without `..` and without `/` at an end; others
 * are INVALID_ARGUMENT. Values over the bus's limit are RESOURCE_EXHAUSTED.
 */
export interface State<T> {
  get(key: string): Promise<Entry<T> | undefined>;
  /** In no order that can be relied on. */
  list(): Promise<readonly Entry<T>[]>;
  /**
   * Stores a value and gives its revision. With `expectedRevision`, only over that revision of the key; 0 means that
   * the key must not exist. Throws `WeftError` ABORTED when it is another.
   */
  put(key: string, value: T, options?: { readonly expectedRevision?: number }): Promise<number>;
  /** Gives the revision of the deletion; that of the newest entry when there was nothing. ABORTED as `put`. */
  delete(key: string, options?: { readonly expectedRevision?: number }): Promise<number>;
  /**
   * What stands, then `synced`, then every change, until `signal` aborts, when it ends without an error. It goes on by
   * itself when a connection, or the node that serves it, is lost: nothing is lost; an entry may be told again, and of
   * several changes to one key made meanwhile, or made faster than the watcher takes them, only the last may be told.
   * The end of the bus ends it too. Throws `WeftError` DATA_LOSS only for values that cannot be read.
   */
  watch(signal: AbortSignal): AsyncIterable<StateEvent<T>>;
}

export interface LogEntry<T> {
  /** From 1, without gaps. */
  readonly sequence: number;
  readonly value: T;
}

export type LogEvent<T> =
  | { readonly type: 'entry'; readonly sequence: number; readonly value: T }
  /** Told once, after the entries that there were. */
  | { readonly type: 'synced'; readonly sequence: number };

export interface Log<T> {
  /**
   * Appends durably and gives the sequence. With `expectedSequence`, only when that is the newest (0: the log is
   * empty). Throws `WeftError` ABORTED when it is not. After DEADLINE_EXCEEDED or UNAVAILABLE the entry may or may not
   * be there: read before appending again.
   */
  append(value: T, options?: { readonly expectedSequence?: number }): Promise<number>;
  /** The newest sequence, 0 of an empty log. */
  last(): Promise<number>;
  /** The entries from `from` (default 1) to `to` (default the newest now), inclusive, in order. */
  read(options?: { readonly from?: number; readonly to?: number }): AsyncIterable<LogEntry<T>>;
  /** Entries from `from` (default 1), `synced`, then each new one as it comes: every entry once, in order, until aborted. */
  watch(signal: AbortSignal, options?: { readonly from?: number }): AsyncIterable<LogEvent<T>>;
}
