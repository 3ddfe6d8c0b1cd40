/** What outlier detection knows of one host: what came of the requests and connections to it. */

/** Whether hosts failed, and came back. */
export interface MonitorOwner {
  onConsecutive(monitor: HostMonitor, type: ConsecutiveFailure): void;
  onCheckPassed(monitor: HostMonitor): void;
}

/** Detectors that count failures in a row. */
export type ConsecutiveFailure = 'consecutive_5xx' | 'consecutive_gateway_failure' | 'consecutive_local_origin_failure';

/** How many in a row are too many. */
export type ConsecutiveLimits = { readonly [K in ConsecutiveFailure]: number };

/** Requests of the interval that runs, and of the one before it, which is judged. */
export class SuccessRate {
  #total = 0;
  #successes = 0;
  /** Of the last whole interval. */
  volume = 0;
  #lastSuccesses = 0;
  /** From 0 to 100, where the last interval had enough requests to tell; else -1. */
  shown = -1;

  add(isSuccess: boolean): void {
    this.#total++;
    if (isSuccess) this.#successes++;
  }

  /** An interval is over. */
  turn(): void {
    this.volume = this.#total;
    this.#lastSuccesses = this.#successes;
    this.#total = 0;
    this.#successes = 0;
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
  readonly external = new SuccessRate();
  readonly local = new SuccessRate();
  #failures: Record<ConsecutiveFailure, number>;
  /** How many times the shortest ejection the next one takes, less one; it goes down again while nothing happens. */
  backOff = 0;
  jitterMs = 0;
  ejections = 0;
  ejectedMs = 0;
  /** When it last came back; undefined: never. */
  returnedMs: number | undefined;

  constructor(owner: MonitorOwner, limits: ConsecutiveLimits, isSplit: boolean) {
    this.#owner = owner;
    this.#limits = limits;
    this.#isSplit = isSplit;
    this.#failures = noFailures();
  }

  /** The host answered with a status; that of gRPC as the HTTP status that stands for it. */
  answered(status: number): void {
    const isSuccess = status < 500;
    this.external.add(isSuccess);
    if (isSuccess) {
      this.#failures.consecutive_5xx = 0;
      this.#failures.consecutive_gateway_failure = 0;
      return;
    }
    if (status >= 502 && status <= 504) this.#failed('consecutive_gateway_failure');
    else this.#failures.consecutive_gateway_failure = 0;
    this.#failed('consecutive_5xx');
  }

  /** A connection is there. `isAll`: nothing is asked of the host beyond that. */
  connected(isAll: boolean): void {
    if (this.#isSplit) {
      this.local.add(true);
      this.#failures.consecutive_local_origin_failure = 0;
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
    if (++this.#failures[type] === this.#limits[type]) this.#owner.onConsecutive(this, type);
  }

  /** Failures of that kind are counted from the start again. */
  forget(type: ConsecutiveFailure): void {
    this.#failures[type] = 0;
  }

  forgetAll(): void {
    this.#failures = noFailures();
  }
}

function noFailures(): Record<ConsecutiveFailure, number> {
  return { consecutive_5xx: 0, consecutive_gateway_failure: 0, consecutive_local_origin_failure: 0 };
}
