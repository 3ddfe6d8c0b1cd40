/**
 * Network filters: what stands between a connection that is ready (accepted, its TLS handshake done) and what serves it.
 * They are built once for a filter chain, and see each connection in the order of `filters`, before anything is read
 * from it: a protocol in which the server speaks first is served without a delay.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import type { Random } from '../cluster/balancer.ts';
import type { FilterChainConfig } from '../config/listener.ts';
import { makeNetworkLocalRateLimit } from '../filters/local-ratelimit/network.ts';
import { makeNetworkRbac } from '../filters/rbac/network.ts';
import type { Log } from '../log.ts';
import { linger } from '../net/linger.ts';
import type { ServerContext } from '../runtime/server-context.ts';
import type { StreamInfo } from '../stack/stream-info.ts';
import type { StatsRegistry } from '../stats/registry.ts';

/** Why a connection is not served. */
export interface Refusal {
  /** For `%CONNECTION_TERMINATION_DETAILS%`; without spaces. */
  readonly details: string;
  /** Bits of the response flags; none where it is not said. */
  readonly flags?: number;
  /** How long the client is kept waiting for the end; 0: not at all. Nothing of what it sends is read meanwhile. */
  readonly delayMs?: number;
}

/** A connection, as network filters see it. */
export interface NetworkConnection {
  /** With what is known of the connection in `downstream`; the access log of a TCP proxy tells what filters add. */
  readonly info: StreamInfo;
  /** Closes the connection. A filter that calls it says `stop`. */
  readonly refuse: (refusal: Refusal) => void;
}

export interface NetworkFilter {
  /** `pass`: the next filter sees the connection at once, and then it is served. `stop`: it was refused. */
  onConnection(connection: NetworkConnection): 'pass' | 'stop';
  /** The configuration is not used any more. */
  close?(): void;
}

/** What network filters are built with. */
export interface NetworkFilterContext extends Pick<ServerContext, 'runtime' | 'counts'> {
  readonly stats: StatsRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

type TypedConfig = FilterChainConfig['filters'][number]['typed_config'];
type FilterType = Exclude<TypedConfig['type'], 'http' | 'tcp'>;
type ConfigOf<K extends FilterType> = Extract<TypedConfig, { type: K }>['value'];
type Makers = { readonly [K in FilterType]: (config: ConfigOf<K>, context: NetworkFilterContext) => NetworkFilter };

const MAKERS: Makers = {
  'local-ratelimit': makeNetworkLocalRateLimit,
  rbac: makeNetworkRbac,
};

function make<K extends FilterType>(type: K, config: ConfigOf<K>, context: NetworkFilterContext): NetworkFilter {
  return MAKERS[type](config, context);
}

/** How long the client may take to see the end. */
const CLOSING_MS = 1000;

/**
 * Ends a connection so that the client sees an end rather than a reset, whatever it has sent: that is thrown away.
 */
function close(socket: Socket): void {
  socket.on('data', () => undefined);
  socket.resume();
  socket.end();
  linger(socket, CLOSING_MS);
}

export class NetworkFilters {
  readonly #filters: readonly NetworkFilter[];
  readonly #clock: Clock;
  /** Connections that were refused and are kept waiting. */
  readonly #waiting = new Set<Socket>();

  constructor(filters: FilterChainConfig['filters'], context: NetworkFilterContext) {
    this.#clock = context.clock;
    this.#filters = filters.flatMap(({ typed_config: given }) =>
      given.type === 'http' || given.type === 'tcp' ? [] : [make(given.type, given.value, context)],
    );
  }

  get isEmpty(): boolean {
    return this.#filters.length === 0;
  }

  /** Connections that were refused and are not closed yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether the connection is to be served. One that is not is closed, now or later; `info` says why. */
  admit(socket: Socket, info: StreamInfo): boolean {
    const refuse = ({ details, flags = 0, delayMs = 0 }: Refusal): void => {
      info.terminationDetails = details;
      info.flags |= flags;
      if (delayMs > 0) this.#closeLater(socket, delayMs);
      else close(socket);
    };
    return this.#filters.every((filter) => filter.onConnection({ info, refuse }) === 'pass');
  }

  #closeLater(socket: Socket, delayMs: number): void {
    this.#waiting.add(socket);
    socket.pause();
    const cancel = this.#clock.after(delayMs, () => {
      this.#waiting.delete(socket);
      close(socket);
    });
    socket.once('close', () => {
      this.#waiting.delete(socket);
      cancel();
    });
  }

  /** The chain is not used any more. */
  destroy(): void {
    for (const socket of this.#waiting) socket.destroy();
    for (const filter of this.#filters) filter.close?.();
  }
}
