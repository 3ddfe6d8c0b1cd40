/** One connection in use: counts its calls, looks after its peer, and is let go of once retired and unused. */
import type { ClientHttp2Session } from 'node:http2';
import { WeftError } from '@weft/contracts/error';
import type { Address } from '../address.ts';

/** How long a PING may go unanswered, as a part of the time between two. */
const PING_TIMEOUT_PART = 0.8;
const MIN_PING_TIMEOUT_MS = 1000;
const MAX_PING_TIMEOUT_MS = 8000;

export class Session {
  readonly address: Address;
  readonly http2: ClientHttp2Session;
  readonly #keepaliveMs: number;
  #calls = 0;
  #isRetired = false;
  #heardAtMs = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #ending: WeftError | undefined;

  constructor(address: Address, http2: ClientHttp2Session, keepaliveMs: number) {
    this.address = address;
    this.http2 = http2;
    this.#keepaliveMs = keepaliveMs;
    // What goes wrong reaches the calls; without a listener it would end the process.
    http2.on('error', () => this.retire());
    http2.once('goaway', () => this.retire());
    http2.once('close', () => this.retire());
    http2.unref();
  }

  /** Whether new calls may be made on it. */
  get isUsable(): boolean {
    return !this.#isRetired && !this.http2.closed && !this.http2.destroyed;
  }

  /** Why this side ended it; undefined while it has not. */
  get ending(): WeftError | undefined {
    return this.#ending;
  }

  /** A call begins; the process lives as long as one runs. */
  begin(): void {
    this.#calls += 1;
    if (this.#calls > 1) return;
    this.http2.ref();
    this.#heardAtMs = performance.now();
    this.#schedule();
  }

  /** The peer has sent something. */
  heard(): void {
    this.#heardAtMs = performance.now();
  }

  end(): void {
    this.#calls -= 1;
    if (this.#calls > 0) return;
    clearTimeout(this.#timer);
    if (!this.http2.destroyed) this.http2.unref();
    if (this.#isRetired) this.http2.close();
  }

  /** Takes no more calls; those that run go on. */
  retire(): void {
    this.#isRetired = true;
    if (this.#calls === 0 && !this.http2.closed) this.http2.close();
  }

  /** Ends it with all of its calls, which fail with that error. */
  destroy(error: WeftError): void {
    this.#ending ??= error;
    this.#isRetired = true;
    clearTimeout(this.#timer);
    this.http2.destroy();
  }

  #schedule(): void {
    if (this.#keepaliveMs <= 0 || this.http2.destroyed) return;
    const quietMs = performance.now() - this.#heardAtMs;
    this.#timer = setTimeout(() => this.#check(), Math.max(10, this.#keepaliveMs - quietMs));
  }

  #check(): void {
    if (performance.now() - this.#heardAtMs < this.#keepaliveMs) {
      this.#schedule();
      return;
    }
    this.#timer = setTimeout(
      () => {
        const message = `${this.address.text} is gone: it answers no PING any more`;
        this.destroy(new WeftError('UNAVAILABLE', message, { source: 'upstream', retryable: false }));
      },
      Math.min(MAX_PING_TIMEOUT_MS, Math.max(MIN_PING_TIMEOUT_MS, this.#keepaliveMs * PING_TIMEOUT_PART)),
    );
    try {
      this.http2.ping((error) => {
        clearTimeout(this.#timer);
        if (error) return;
        this.heard();
        if (this.#calls > 0) this.#schedule();
      });
    } catch {
      // A connection that cannot be written to is over already, and its calls are told by its end.
      clearTimeout(this.#timer);
    }
  }
}
