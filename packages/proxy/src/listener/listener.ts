/** A listener: from a connection that was accepted to the filter chain that serves it. */
import type { Socket } from 'node:net';
import type { WriteLog } from '../access-log/logger.ts';
import { type Clock, Deadline } from '../clock.ts';
import type { ListenerConfig } from '../config/listener.ts';
import { setKeepalive } from '../net/connect.ts';
import type { DownstreamInfo, TlsInfo } from '../stack/stream-info.ts';
import type { ListenerStats } from '../stats/groups.ts';
import type { Warming } from '../warming.ts';
import type { Chain } from './chain.ts';
import { ConnectionLog } from './connection-log.ts';
import { FilterChains } from './filter-chains.ts';
import { Passage, type Pipeline } from './filters/pipeline.ts';
import { Opening } from './opening.ts';

/** Counts and limits connections over all listeners. */
export interface ConnectionBudget {
  /** Takes a connection's place, and gives its number; undefined where there is none left. */
  take(ignoresLimit?: boolean): number | undefined;
  release(): void;
}

export interface ListenerOptions {
  readonly config: ListenerConfig;
  readonly resource: unknown;
  readonly version: string;
  readonly isStatic: boolean;
  /** By what makes a chain what it is, so that one which stays the same can be kept. */
  readonly chains: ReadonlyMap<string, Chain>;
  readonly defaultChain: Chain | undefined;
  readonly pipeline: Pipeline;
  /** The listener of an address, for connections that were going there before they came here. */
  readonly findListener: (host: string, port: number) => Listener | undefined;
  readonly stats: ListenerStats;
  readonly budget: ConnectionBudget;
  /** Where connections are logged, whatever serves them. */
  readonly logs: readonly WriteLog[];
  readonly warming: Warming;
  readonly clock: Clock;
}

export class Listener {
  readonly config: ListenerConfig;
  readonly resource: unknown;
  readonly version: string;
  readonly isStatic: boolean;
  readonly updatedMs: number;
  readonly chains: ReadonlyMap<string, Chain>;
  readonly warming: Warming;
  readonly #defaultChain: Chain | undefined;
  readonly #matched = new FilterChains<Chain>();
  readonly #pipeline: Pipeline;
  readonly #findListener: ListenerOptions['findListener'];
  readonly #stats: ListenerStats;
  readonly #budget: ConnectionBudget;
  readonly #clock: Clock;
  readonly #logs: readonly WriteLog[];
  /** Connections whose chain is not chosen yet, or that shake hands. */
  readonly #opening = new Set<Socket>();
  /** Called once none is left of them. */
  #onAllOpened: (() => void) | undefined;

  constructor(options: ListenerOptions) {
    this.config = options.config;
    this.resource = options.resource;
    this.version = options.version;
    this.isStatic = options.isStatic;
    this.chains = options.chains;
    this.warming = options.warming;
    this.updatedMs = options.clock.wallMs();
    this.#defaultChain = options.defaultChain;
    this.#pipeline = options.pipeline;
    this.#findListener = options.findListener;
    for (const chain of options.chains.values()) {
      if (chain !== options.defaultChain) this.#matched.add(chain.match, chain);
    }
    this.#stats = options.stats;
    this.#budget = options.budget;
    this.#clock = options.clock;
    this.#logs = options.logs;
  }

  accept(socket: Socket): void {
    const { ignore_global_conn_limit: ignoresLimit, bypass_overload_manager: bypasses } = this.config;
    const id = this.#budget.take(ignoresLimit || bypasses);
    if (id === undefined) {
      this.#stats.downstream_global_cx_overflow++;
      socket.destroy();
      return;
    }
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#budget.release());
    this.#take(socket, id, this.config.use_original_dst);
  }

  /** `handsOn`: to the listener of the address where the connection was going. */
  #take(socket: Socket, id: number, handsOn: boolean): void {
    const over = () => this.#opened(socket);
    socket.on('close', over);
    setKeepalive(socket, this.config.tcp_keepalive);
    const opening = new Opening(socket);
    if (this.#logs.length > 0) this.#log(socket, id, opening);
    this.#inspect(socket, opening, () => {
      const other = handsOn && opening.originalDestination !== undefined && this.#listenerFor(opening);
      if (!other) {
        this.#serve(socket, id, opening);
        return;
      }
      socket.off('close', over);
      over();
      opening.log = undefined;
      other.#take(socket, id, false);
    });
  }

  /** Has the connection logged at its end, unless another listener takes it. */
  #log(socket: Socket, id: number, opening: Opening): void {
    const log = new ConnectionLog(this.#logs, this.#clock);
    opening.log = log;
    socket.on('close', () => {
      if (opening.log === log) log.end(() => this.#downstreamOf(id, opening));
    });
  }

  #listenerFor({ localHost, localPort }: Opening): Listener | undefined {
    const found = this.#findListener(localHost, localPort);
    return found === this ? undefined : found;
  }

  /** Has listener filters look at a connection; a client that does not say what they want to see is not waited for long. */
  #inspect(socket: Socket, opening: Opening, onPassed: () => void): void {
    if (this.#pipeline.length === 0) {
      onPassed();
      return;
    }
    const stats = this.#stats;
    stats.downstream_pre_cx_active++;
    this.#opening.add(socket);
    const deadline = new Deadline(this.#clock, () => {
      stats.downstream_pre_cx_timeout++;
      done();
      passage.stop();
      if (this.config.continue_on_listener_filters_timeout) onPassed();
      else socket.destroy();
    });
    const done = () => {
      deadline.dispose();
      stats.downstream_pre_cx_active--;
    };
    const passage = new Passage(socket, opening, this.#pipeline, {
      onPassed: () => {
        done();
        onPassed();
      },
      onRefused: () => {
        done();
        socket.destroy();
      },
      onGone: () => {
        done();
        stats.downstream_listener_filter_remote_close++;
        socket.destroy();
      },
    });
    deadline.set(this.config.listener_filters_timeout);
    passage.start();
  }

  /** A connection has its chain, or has come to nothing. */
  #opened(socket: Socket): void {
    this.#opening.delete(socket);
    // What is done with it now may be another step of its opening.
    if (this.#onAllOpened) process.nextTick(() => this.#checkOpened());
  }

  #checkOpened(): void {
    if (this.#opening.size > 0) return;
    this.#onAllOpened?.();
    this.#onAllOpened = undefined;
  }

  #serve(socket: Socket, id: number, opening: Opening): void {
    this.#opened(socket);
    const chain = this.#matched.choose(opening) ?? this.#defaultChain;
    if (!chain) {
      this.#stats.no_filter_chain_match++;
      opening.log?.matchedNone(this.#downstreamOf(id, opening));
      socket.destroy();
      return;
    }
    this.#count(socket);
    if (!chain.tls) {
      this.#begin(chain, socket, id, opening, undefined);
      return;
    }
    this.#opening.add(socket);
    chain.tls.handshake(socket, {
      onSecure: (secure, tls) => {
        this.#opened(socket);
        this.#begin(chain, secure, id, opening, tls);
      },
      onFailed: (reason) => {
        opening.transportFailure = reason;
        socket.destroy();
      },
    });
  }

  /** What no chain is for is no connection to Envoy's statistics, but what comes before one. */
  #count(socket: Socket): void {
    const stats = this.#stats;
    const openedMs = this.#clock.monotonicMs();
    stats.downstream_cx_total++;
    stats.downstream_cx_active++;
    socket.on('close', () => {
      stats.downstream_cx_active--;
      stats.downstream_cx_destroy++;
      stats.downstream_cx_length_ms.record(this.#clock.monotonicMs() - openedMs);
    });
  }

  #begin(chain: Chain, stream: Socket, id: number, opening: Opening, tls: TlsInfo | undefined): void {
    const downstream = this.#downstreamOf(id, opening, chain.name, tls);
    stream.on('close', () => process.nextTick(() => chain.onConnectionEnd()));
    chain.accept(stream, downstream, opening.log?.begin(downstream, stream));
  }

  #downstreamOf(id: number, opening: Opening, filterChainName = '', tls?: TlsInfo): DownstreamInfo {
    const { remoteHost, remotePort, localHost, localPort, directRemoteHost, directRemotePort } = opening;
    const { directLocalHost, directLocalPort } = opening;
    const { originalDestination, serverName: requestedServerName, metadata, transportFailure } = opening;
    return {
      id,
      remoteHost,
      remotePort,
      localHost,
      localPort,
      directRemoteHost,
      directRemotePort,
      directLocalHost,
      directLocalPort,
      filterChainName,
      listenerMetadata: this.config.metadata?.filter_metadata,
      originalDestination,
      requestedServerName,
      metadata,
      transportFailure,
      tls,
    };
  }

  /** How many connections have no chain yet, or shake hands. */
  get opening(): number {
    return this.#opening.size;
  }

  /**
   * Lets go of the chains; `onGone` is called when the last connection on those that nobody else has is over, and on
   * those that it may still come to.
   */
  release(drainMs: number, onGone: () => void): void {
    this.warming.cancel();
    let left = this.chains.size;
    if (left === 0) onGone();
    if (this.#opening.size > 0) this.#holdChains();
    for (const chain of this.chains.values()) {
      chain.release(drainMs, this.#clock, () => {
        if (--left === 0) onGone();
      });
    }
  }

  #holdChains(): void {
    const held = [...this.chains.values()];
    for (const chain of held) chain.hold();
    this.#onAllOpened = () => {
      for (const chain of held) chain.letGo();
    };
  }

  /** Ends connections that no chain serves yet. */
  dropOpening(): void {
    for (const socket of this.#opening) socket.destroy();
  }

  /** Ends everything now. */
  destroy(): void {
    this.warming.cancel();
    this.dropOpening();
    for (const chain of this.chains.values()) chain.destroy();
  }
}
