/** Connections of one version of HTTP to a host, as its pool keeps them. */
import type { Socket } from 'node:net';
import type { Cancel } from '../clock.ts';
import type { ClosedCause } from '../http1/client-connection.ts';
import type { ClusterStats } from '../stats/groups.ts';
import type { PoolConnection, PoolContext } from './pool.ts';

export interface Shelf {
  /** A connection that takes one more request now; undefined where there is none. */
  take(): PoolConnection | undefined;
  /** Whether {@link take} would give one. */
  readonly hasReady: boolean;
  /** Keeps a connection that was made. */
  add(socket: Socket): void;
  /** All of them, busy or not. */
  readonly size: number;
  /** How many more requests are likely to be taken by connections that have not said how many they take. */
  readonly expected: number;
  /** How many requests a new connection is likely to take at once. */
  readonly streamsPerConnection: number;
  /** Adds what was sent since this was called last to what is counted. */
  countBytes(): void;
  /** Those that are unused end now, the others after what they serve. */
  drain(): void;
  destroy(): void;
}

/** The pool, as its shelves see it. */
export interface ShelfOwner {
  /** A connection takes requests (again). */
  onRoom(): void;
  /** A connection takes no more requests, or fewer than it was likely to. */
  onShortage(): void;
  /** A connection ended, or was told to leave, before it could take a request. */
  onUnopened(): void;
  /** A connection is gone. `openedMs`: when it was made, on the monotonic clock. */
  onGone(cause: ClosedCause, wasBusy: boolean, openedMs: number): void;
  onBytes(received: number): void;
}

/** How long a connection of a shelf has been there, and what it sent. */
export class Lasting {
  readonly openedMs: number;
  readonly #socket: Socket;
  readonly #stats: ClusterStats;
  readonly #stopAging: Cancel | undefined;
  #countedBytes = 0;

  /** Has the connection drain once it is as old as it may become. */
  constructor(socket: Socket, connection: { drain(): void }, { maxDurationMs, stats, clock }: PoolContext) {
    this.openedMs = clock.monotonicMs();
    this.#socket = socket;
    this.#stats = stats;
    if (maxDurationMs === 0) return;
    this.#stopAging = clock.after(maxDurationMs, () => {
      stats.upstream_cx_max_duration_reached++;
      connection.drain();
    });
  }

  /** Adds what was sent since this was called last to what is counted. */
  countBytes(): void {
    const { bytesWritten = 0 } = this.#socket;
    this.#stats.upstream_cx_tx_bytes_total += bytesWritten - this.#countedBytes;
    this.#countedBytes = bytesWritten;
  }

  /** The connection is closed. */
  end(): void {
    this.#stopAging?.();
    this.countBytes();
  }
}
