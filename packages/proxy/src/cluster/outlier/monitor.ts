/** What outlier detection knows of one host: what came of the requests and connections to it, in all threads. */
import { type Cells, OwnCells } from '../../counts/cells.ts';

/** Whether hosts failed, and came back. */
export interface MonitorOwner {
  onConsecutive(monitor: HostMonitor, type: ConsecutiveFailure): void;
  onCheckPassed(monitor: HostMonitor): void;
}

/** Detectors that count failures in a row. */
export type ConsecutiveFailure = 'consecutive_5xx' | 'consecutive_gateway_failure' | 'consecutive_local_origin_failure';

/** How many in a row are too many. */
export type ConsecutiveLimits = { readonly [K in ConsecutiveFailure]: number };

/** Where what is counted stands among the cells of a host. */
const FAILURES = {
  consecutive_5xx: 0,
  consecutive_gateway_failure: 1,
  consecutive_local_origin_failure: 2,
} as const satisfies Readonly<Record<ConsecutiveFailure, number>>;
const EXTERNAL = 3;
const LOCAL = 5;

/** Requests of the interval that runs, and of the one before it, which is judged. */
export class SuccessRate {
  readonly #cells: Cells;
  /** Of all requests; that of those which succeeded is the next one. */
  readonly #total: number;
  /** Of the last whole interval. */
  volume = 0;
  #lastSuccesses = 0;
  /** From 0 to 100, where the last interval had enough requests to tell; else -1. */
  shown = -1;

  constructor(cells: Cells, base: number) {
    this.#cells = cells;
    this.#total = base;
  }

  add(isSuccess: boolean): void {
    this.#cells.add(this.#total, 1);
    if (isSuccess) this.#cells.add(this.#total + 1, 1);
  }

  /** An interval is over. */
  turn(): void {
    this.volume = this.#cells.swap(this.#total, 0);
    // Another thread may be between counting a request and counting that it succeeded.
    this.#lastSuccesses = Math.min(this.volume, this.#cells.swap(this.#total + 1, 0));
    this.shown = -1;
  }

  /** From 0 to 100; of an interval with no request it says nothing. */
  get percent(): number {
    return (this.#lastSuccesses * 100) / this.volume;
  }
}

export class HostMonitor {
  readonly #owner: MonitorOwner;
  readonly #limits: ConsecutiveLimits;
  /** Whether failures to reach the host count apart from what it answers. */
  readonly #isSplit: boolean;
  /** Answers of the host; and, where they do not count apart, failures to reach it. */
  readonly external: SuccessRate;
  readonly local: SuccessRate;
  readonly #cells: Cells;
  /** How many times the shortest ejection the next one takes, less one; it goes down again while nothing happens. */
  backOff = 0;
  jitterMs = 0;
  ejections = 0;
  ejectedMs = 0;
  /** When it last came back; undefined: never. */
  returnedMs: number | undefined;

  /** `cells`: of the host, in all threads. */
  constructor(owner: MonitorOwner, limits: ConsecutiveLimits, isSplit: boolean, cells: Cells = new OwnCells()) {
    this.#owner = owner;
    this.#limits = limits;
    this.#isSplit = isSplit;
    this.#cells = cells;
    this.external = new SuccessRate(cells, EXTERNAL);
    this.local = new SuccessRate(cells, LOCAL);
  }

  /** The host answered with a status; that of gRPC as the HTTP status that stands for it. */
  answered(status: number): void {
    const isSuccess = status < 500;
    this.external.add(isSuccess);
    if (isSuccess) {
      this.forget('consecutive_5xx');
      this.forget('consecutive_gateway_failure');
      return;
    }
    if (status >= 502 && status <= 504) this.#failed('consecutive_gateway_failure');
    else this.forget('consecutive_gateway_failure');
    this.#failed('consecutive_5xx');
  }

  /** A connection is there. `isAll`: nothing is asked of the host beyond that. */
  connected(isAll: boolean): void {
    if (this.#isSplit) {
      this.local.add(true);
      this.forget('consecutive_local_origin_failure');
    } else if (isAll) this.answered(200);
  }

  /** There was no connection, or it ended before the answer did. */
  unreachable(): void {
    if (this.#isSplit) this.#localFailure();
    else this.answered(503);
  }

  timedOut(): void {
    if (this.#isSplit) this.#localFailure();
    else this.answered(504);
  }

  /** An active health check of the host passed. */
  checkPassed(): void {
    this.#owner.onCheckPassed(this);
  }

  #localFailure(): void {
    this.local.add(false);
    this.#failed('consecutive_local_origin_failure');
  }

  #failed(type: ConsecutiveFailure): void {
    if (this.#cells.add(FAILURES[type], 1) === this.#limits[type]) this.exceeded(type);
  }

  /** The host failed so many times in a row, in this thread or in another. */
  exceeded(type: ConsecutiveFailure): void {
    this.#owner.onConsecutive(this, type);
  }

  /** Failures of that kind are counted from the start again. */
  forget(type: ConsecutiveFailure): void {
    const cell = FAILURES[type];
    if (this.#cells.get(cell) !== 0) this.#cells.swap(cell, 0);
  }

  forgetAll(): void {
    for (const cell of Object.values(FAILURES)) this.#cells.swap(cell, 0);
  }
}
