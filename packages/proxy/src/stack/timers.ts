/** The deadlines of a stream; those of one that is over are lent to the next, of whatever connection. */
import { type Clock, Deadline } from '../clock.ts';

/** Who is told when a deadline passes. */
export interface TimerOwner {
  onStreamIdle(): void;
  onRequestTimeout(): void;
  onRouteTimeout(): void;
  onTryTimeout(): void;
  onDurationReached(): void;
}

/** Whoever lends deadlines to streams. */
export interface TimerLender {
  /** The stream that had them is over. */
  returned(timers: StreamTimers): void;
}

export class StreamTimers {
  owner: TimerOwner | undefined;
  lender: TimerLender | undefined;
  /** Nothing moved on the stream. */
  readonly idle: Deadline;
  /** The request did not come whole. */
  readonly request: Deadline;
  /** No answer, all attempts together. */
  readonly route: Deadline;
  /** No answer to one attempt. */
  readonly perTry: Deadline;
  /** The stream as a whole. */
  readonly duration: Deadline;

  constructor(clock: Clock) {
    this.idle = new Deadline(clock, () => this.owner?.onStreamIdle());
    this.request = new Deadline(clock, () => this.owner?.onRequestTimeout());
    this.route = new Deadline(clock, () => this.owner?.onRouteTimeout());
    this.perTry = new Deadline(clock, () => this.owner?.onTryTimeout());
    this.duration = new Deadline(clock, () => this.owner?.onDurationReached());
  }

  /** The stream is over. */
  clear(): void {
    this.owner = undefined;
    this.idle.clear();
    this.request.clear();
    this.route.clear();
    this.perTry.clear();
    this.duration.clear();
    this.lender?.returned(this);
  }

  dispose(): void {
    this.lender = undefined;
    this.clear();
    this.idle.dispose();
    this.request.dispose();
    this.route.dispose();
    this.perTry.dispose();
    this.duration.dispose();
  }
}

/** So many streams at once find deadlines that were used before. */
const MAX_FREE_TIMERS = 1024;

/** Deadlines that no stream has: connections that rest keep none. */
export class TimerPool {
  readonly #clock: Clock;
  readonly #free: StreamTimers[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  take(lender: TimerLender): StreamTimers {
    const timers = this.#free.pop() ?? new StreamTimers(this.#clock);
    timers.lender = lender;
    return timers;
  }

  /** Gives back those of a stream that is over. */
  give(timers: StreamTimers): void {
    if (this.#free.length < MAX_FREE_TIMERS) this.#free.push(timers);
    else timers.dispose();
  }
}
