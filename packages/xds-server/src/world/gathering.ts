/** Gathers what asks for the same work to be done: some of it is urgent, the rest can wait for more of its kind. */
export class Gathering {
  readonly #work: () => void;
  readonly #gatherMs: number;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  /** The work takes at most half of the time, however much there is. */
  #notBeforeMs = 0;
  #ended = false;

  /** `work` is done at most `gatherMs` after it was asked for; `now` gives milliseconds. */
  constructor(work: () => void, gatherMs: number, now: () => number) {
    this.#work = work;
    this.#gatherMs = gatherMs;
    this.#now = now;
  }

  /** Asks for the work: with what else comes in the same tick, or with what comes in a while. */
  ask(urgency: 'now' | 'gather'): void {
    if (this.#ended) return;
    const nowMs = this.#now();
    const dueMs = Math.max(urgency === 'now' ? nowMs : nowMs + this.#gatherMs, this.#notBeforeMs);
    if (dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#run(), dueMs - nowMs);
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  #run(): void {
    this.#dueMs = Number.POSITIVE_INFINITY;
    const startMs = this.#now();
    this.#work();
    const endMs = this.#now();
    this.#notBeforeMs = endMs + (endMs - startMs);
  }
}
