/** A listener: from a connection that was accepted to the filter chain that serves it. */
import type { Socket } from 'node:net';
import { type Clock, Deadline } from '../clock.ts';
import type { ListenerConfig } from '../config/listener.ts';
import { setKeepalive } from '../net/connect.ts';
import { addressesOf } from '../net/peer.ts';
import type { DownstreamInfo, TlsInfo } from '../stack/stream-info.ts';
import type { ListenerStats } from '../stats/groups.ts';
import { readClientHello } from '../tls/client-hello.ts';
import type { Warming } from '../warming.ts';
import type { Chain } from './chain.ts';
import { chooseChain, type Opening } from './filter-chains.ts';

/** Counts and limits connections over all listeners. */
export interface ConnectionBudget {
  /** Takes a connection's place; undefined where there is none left. */
  take(): number | undefined;
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
  readonly stats: ListenerStats;
  readonly budget: ConnectionBudget;
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
  readonly #candidates: readonly Chain[];
  readonly #inspects: boolean;
  readonly #stats: ListenerStats;
  readonly #budget: ConnectionBudget;
  readonly #clock: Clock;
  /** Connections whose chain is not chosen yet, or that shake hands. */
  readonly #opening = new Set<Socket>();

  constructor(options: ListenerOptions) {
    this.config = options.config;
    this.resource = options.resource;
    this.version = options.version;
    this.isStatic = options.isStatic;
    this.chains = options.chains;
    this.warming = options.warming;
    this.updatedMs = options.clock.wallMs();
    this.#defaultChain = options.defaultChain;
    this.#candidates = [...options.chains.values()].filter((chain) => chain !== options.defaultChain);
    this.#inspects = options.config.listener_filters.some(({ typed_config }) => typed_config.type === 'tls-inspector');
    this.#stats = options.stats;
    this.#budget = options.budget;
    this.#clock = options.clock;
  }

  accept(socket: Socket): void {
    const id = this.#budget.take();
    if (id === undefined) {
      this.#stats.downstream_cx_overflow++;
      socket.destroy();
      return;
    }
    const openedMs = this.#clock.monotonicMs();
    this.#stats.downstream_cx_total++;
    this.#stats.downstream_cx_active++;
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.#budget.release();
      this.#opening.delete(socket);
      this.#stats.downstream_cx_active--;
      this.#stats.downstream_cx_destroy++;
      this.#stats.downstream_cx_length_ms.record(this.#clock.monotonicMs() - openedMs);
    });
    setKeepalive(socket, this.config.tcp_keepalive);
    if (this.#inspects) this.#inspect(socket, id);
    else this.#serve(socket, id, undefined);
  }

  /** Waits for what the client says first, which tells the chain; a client that says nothing is not waited for long. */
  #inspect(socket: Socket, id: number): void {
    const stats = this.#stats;
    let seen: Buffer = Buffer.alloc(0);
    stats.downstream_pre_cx_active++;
    this.#opening.add(socket);
    const deadline = new Deadline(this.#clock, () => {
      stats.downstream_pre_cx_timeout++;
      socket.destroy();
    });
    const done = () => {
      deadline.dispose();
      stats.downstream_pre_cx_active--;
      socket.off('data', onData);
      socket.off('end', onEnd);
      socket.off('close', done);
    };
    const choose = (opening: Opening) => {
      done();
      socket.pause();
      if (seen.length > 0) socket.unshift(seen);
      this.#serve(socket, id, opening);
    };
    const onData = (chunk: Buffer) => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const hello = readClientHello(seen);
      if (hello !== 'more') choose(hello === 'not-tls' ? undefined : hello);
    };
    const onEnd = () => choose(undefined);
    socket.on('data', onData);
    socket.on('end', onEnd);
    socket.on('close', done);
    deadline.set(this.config.listener_filters_timeout);
  }

  #serve(socket: Socket, id: number, opening: Opening): void {
    this.#opening.delete(socket);
    const chain = chooseChain(this.#candidates, opening) ?? this.#defaultChain;
    if (!chain) {
      this.#stats.no_filter_chain_match++;
      socket.destroy();
      return;
    }
    if (!chain.tls) {
      this.#begin(chain, socket, socket, id, opening, undefined);
      return;
    }
    this.#opening.add(socket);
    chain.tls.handshake(socket, {
      onSecure: (secure, tls) => {
        this.#opening.delete(socket);
        this.#begin(chain, secure, socket, id, opening, tls);
      },
      onFailed: () => socket.destroy(),
    });
  }

  #begin(chain: Chain, stream: Socket, socket: Socket, id: number, opening: Opening, tls: TlsInfo | undefined): void {
    const requestedServerName = opening?.serverName;
    const downstream: DownstreamInfo = { id, ...addressesOf(socket), requestedServerName, tls };
    stream.once('close', () => process.nextTick(() => chain.onConnectionEnd()));
    chain.accept(stream, downstream);
  }

  /** Lets go of the chains; `onGone` is called when the last connection on those that nobody else has is over. */
  release(drainMs: number, onGone: () => void): void {
    this.warming.cancel();
    let left = this.chains.size;
    if (left === 0) onGone();
    for (const chain of this.chains.values()) {
      chain.release(drainMs, this.#clock, () => {
        if (--left === 0) onGone();
      });
    }
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
