/**
 * Spans on their way to a collector: gathered, sent one batch after the other, and thrown away, and counted, where more
 * come than the collector takes. No request ever waits for a span.
 */
import type { Clock } from '../clock.ts';
import type { Span } from './span.ts';

/** So many are sent without waiting for more. */
const MIN_SPANS = 5;
const FLUSH_MS = 5000;

export interface BatchOptions {
  readonly clock: Clock;
  /** Spans that may wait, beside those that are being sent. */
  readonly maxWaiting: number;
  /** Sends a batch; the next one is sent when it is over. Must not reject. */
  readonly send: (spans: readonly Span[], signal: AbortSignal) => Promise<void>;
  readonly onDropped: () => void;
  /** Spans are sent because time passed, though they are few. */
  readonly onTimer: () => void;
}

export class Batch {
  #options: BatchOptions;
  readonly #abort = new AbortController();
  #spans: Span[] = [];
  #isSending = false;
  #isSoon = false;
  #cancelTimer: (() => void) | undefined;

  constructor(options: BatchOptions) {
    this.#options = options;
  }

  add(span: Span): void {
    if (this.#abort.signal.aborted || this.#spans.length >= this.#options.maxWaiting) {
      this.#options.onDropped();
      return;
    }
    this.#spans.push(span);
    this.#plan();
  }

  #plan(): void {
    if (this.#isSending || this.#spans.length === 0) return;
    if (this.#spans.length < MIN_SPANS) {
      this.#cancelTimer ??= this.#options.clock.after(FLUSH_MS, () => {
        this.#cancelTimer = undefined;
        if (this.#isSending || this.#spans.length === 0) return;
        this.#options.onTimer();
        void this.#send();
      });
      return;
    }
    if (this.#isSoon) return;
    // What this turn of the loop still brings goes along.
    this.#isSoon = true;
    setImmediate(() => {
      this.#isSoon = false;
      if (!this.#isSending && this.#spans.length > 0) void this.#send();
    });
  }

  async #send(): Promise<void> {
    const spans = this.#spans;
    this.#spans = [];
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#isSending = true;
    await this.#options.send(spans, this.#abort.signal);
    this.#isSending = false;
    if (!this.#abort.signal.aborted) this.#plan();
  }

  /** Sends what waits, if nothing is on its way, and takes no more. */
  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (!this.#isSending && this.#spans.length > 0) void this.#send();
    else this.#abort.abort();
    this.#spans = [];
    this.#options = { ...this.#options, maxWaiting: 0 };
  }
}
