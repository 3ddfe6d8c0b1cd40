/** The connections of one connection manager, and what is counted of them (`http.<prefix>.downstream_cx_*`). */
import type { Socket } from 'node:net';
import type { HttpStats } from '../stats/groups.ts';
import type { StatsRegistry } from '../stats/registry.ts';
import type { HttpConnection } from './http-connection.ts';
import type { DownstreamInfo } from './stream-info.ts';

export type SpokenProtocol = 'http1' | 'http2';

export class HttpConnections {
  readonly #stats: HttpStats;
  readonly #registry: StatsRegistry;
  readonly #open = new Set<HttpConnection>();
  /** Ends the count of bytes whenever statistics are read, which goes on while there are connections. */
  #stopCounting: (() => void) | undefined;

  constructor(stats: HttpStats, registry: StatsRegistry) {
    this.#stats = stats;
    this.#registry = registry;
  }

  get size(): number {
    return this.#open.size;
  }

  begun(connection: HttpConnection, { tls }: DownstreamInfo): void {
    this.#open.add(connection);
    this.#stopCounting ??= this.#registry.onRead(this.#countBytes);
    this.#stats.downstream_cx_total++;
    this.#stats.downstream_cx_active++;
    if (!tls) return;
    this.#stats.downstream_cx_ssl_total++;
    this.#stats.downstream_cx_ssl_active++;
  }

  readonly #countBytes = (): void => {
    for (const connection of this.#open) connection.countBytes();
  };

  /** A network filter closed a connection before it came here. */
  refused(): void {
    this.#stats.downstream_cx_total++;
    this.#stats.downstream_cx_destroy++;
    this.#stats.downstream_cx_destroy_local++;
  }

  /** A connection turned out to speak that version. */
  spoken(protocol: SpokenProtocol): void {
    this.#stats[`downstream_cx_${protocol}_total`]++;
    this.#stats[`downstream_cx_${protocol}_active`]++;
  }

  /**
   * Counts who ended a connection, and whether a request was being served on it. As Envoy has it, a client that ends it
   * after it was asked to ended it, too: what is closed here alone is what nobody there closes in time.
   */
  destroyed(socket: Socket, wasBusy: boolean): void {
    const stats = this.#stats;
    // A reset is an error that the socket tells of; what is destroyed here has none.
    const isRemote = socket.readableEnded || socket.errored !== null;
    if (isRemote) stats.downstream_cx_destroy_remote++;
    else stats.downstream_cx_destroy_local++;
    if (!wasBusy) return;
    stats.downstream_cx_destroy_active_rq++;
    if (isRemote) stats.downstream_cx_destroy_remote_active_rq++;
    else stats.downstream_cx_destroy_local_active_rq++;
  }

  /** `protocol`: what it came to speak. */
  closed(
    connection: HttpConnection,
    { tls }: DownstreamInfo,
    openMs: number,
    protocol: SpokenProtocol | undefined,
  ): void {
    if (!this.#open.delete(connection)) return;
    if (this.#open.size === 0) {
      this.#stopCounting?.();
      this.#stopCounting = undefined;
    }
    this.#stats.downstream_cx_active--;
    if (protocol) this.#stats[`downstream_cx_${protocol}_active`]--;
    this.#stats.downstream_cx_destroy++;
    if (tls) this.#stats.downstream_cx_ssl_active--;
    this.#stats.downstream_cx_length_ms.record(openMs);
  }

  /** Asks every connection to leave: idle ones now, the others after what they serve. */
  drain(): void {
    for (const connection of this.#open) connection.drain();
  }

  destroy(): void {
    for (const connection of this.#open) connection.destroy();
  }
}
