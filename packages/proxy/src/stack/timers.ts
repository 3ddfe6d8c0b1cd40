/** The deadlines of a stream; a connection that serves one stream after another lends the same ones to each. */
import { type Clock, Deadline } from '../clock.ts';

/** Who is told when a deadline passes. */
export interface TimerOwner {
  onStreamIdle(): void;
  onRequestTimeout(): void;
  onRouteTimeout(): void;
  onTryTimeout(): void;
  onDurationReached(): void;
}

export class StreamTimers {
  owner: TimerOwner | undefined;
  /** Told when a stream is over that had them, where several are lent out. */
  onFree: ((timers: StreamTimers) => void) | undefined;
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
    this.onFree?.(this);
  }

  dispose(): void {
    this.onFree = undefined;
    this.clear();
    this.idle.dispose();
    this.request.dispose();
    this.route.dispose();
    this.perTry.dispose();
    this.duration.dispose();
  }
}
