/** The connection of a channel: made when it is needed, to the first address that can be reached. */
import { setTimeout as sleep } from 'node:timers/promises';
import { toWeftError, WeftError } from '@weft/contracts/error';
import { type Address, parseAddress } from '../address.ts';
import type { ConnectOptions } from '../types.ts';
import { dial } from './dial.ts';
import { unreachable } from './explain.ts';
import { Session } from './session.ts';

const KEEPALIVE_MS = 10_000;
/** Rounds over the addresses that fail follow one another no faster than this, growing to the second. */
const FIRST_PAUSE_MS = 25;
const MAX_PAUSE_MS = 500;

export class SessionPool {
  readonly #options: ConnectOptions;
  readonly #addresses: readonly Address[];
  readonly #closed = new AbortController();
  readonly #sessions = new Set<Session>();
  #current: Session | undefined;
  #connecting: Promise<Session> | undefined;
  #failures = 0;
  #nextRoundAtMs = 0;

  constructor(options: ConnectOptions) {
    this.#options = options;
    this.#addresses = options.addresses.map(parseAddress);
    options.tls?.source.onChange(() => this.#retire(), this.#closed.signal);
  }

  /** A connection for a call that is made now. Throws `WeftError` UNAVAILABLE or UNAUTHENTICATED. */
  session(): Promise<Session> {
    if (this.#closed.signal.aborted) return Promise.reject(this.#closed.signal.reason);
    if (this.#current?.isUsable) return Promise.resolve(this.#current);
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  close(): void {
    const error = new WeftError('CANCELLED', 'the channel was closed');
    this.#closed.abort(error);
    for (const session of [...this.#sessions]) session.destroy(error);
  }

  /** With a renewed certificate new calls show it; those that run keep the connection that they have. */
  #retire(): void {
    this.#current?.retire();
    this.#current = undefined;
  }

  async #connect(): Promise<Session> {
    const { signal } = this.#closed;
    const pauseMs = this.#nextRoundAtMs - performance.now();
    if (pauseMs > 0) await sleep(pauseMs, undefined, { signal, ref: true });
    const errors: WeftError[] = [];
    for (const address of this.#addresses) {
      try {
        return await this.#open(address);
      } catch (thrown) {
        if (signal.aborted) throw signal.reason;
        errors.push(toWeftError(thrown));
      }
    }
    this.#nextRoundAtMs = performance.now() + Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 10);
    throw unreachable(errors);
  }

  async #open(address: Address): Promise<Session> {
    const { tls, keepaliveMs = KEEPALIVE_MS, now = Date.now } = this.#options;
    const material = tls?.source.current();
    const http2 = await dial(address, { tls, now }, this.#closed.signal);
    if (tls?.source.current() !== material) {
      // Renewed while the handshake ran: what is new counts.
      http2.destroy();
      return this.#open(address);
    }
    const session = new Session(address, http2, keepaliveMs);
    this.#failures = 0;
    this.#sessions.add(session);
    http2.once('close', () => this.#sessions.delete(session));
    this.#current = session;
    return session;
  }
}
