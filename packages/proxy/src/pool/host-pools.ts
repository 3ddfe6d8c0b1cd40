/**
 * The pools of one cluster: one for each host, for each version of HTTP where that is the client's, and for each client
 * where the host is told who that is, or each peer where requests say who that is to be.
 */
import type { Host } from '../cluster/host.ts';
import type { TransportSockets } from '../cluster/transport-sockets.ts';
import type { Protocol } from '../http/message.ts';
import type { PeerName } from '../net/connect.ts';
import type { AddressPair } from '../net/proxy-header.ts';
import { HostPool } from './host-pool.ts';
import type { UpstreamHttpOptions } from './options.ts';
import type { Pool, PoolContext, PoolProtocol } from './pool.ts';

export interface HostPoolsContext extends PoolContext {
  readonly sockets: TransportSockets;
}

type PoolsOfHosts = Map<Host, Pool>;

export class HostPools {
  readonly #context: HostPoolsContext;
  readonly #protocol: UpstreamHttpOptions['protocol'];
  readonly #tellsClients: boolean;
  readonly #pools: PoolsOfHosts = new Map();
  /** Of hosts that are spoken to as the client speaks: for clients of HTTP/2. */
  readonly #http2Pools: PoolsOfHosts = new Map();
  /** Of hosts whose connections are for one client or one peer; none is kept that has no connection. */
  readonly #reservedPools = new Map<Host, Map<string, Pool>>();

  constructor(protocol: UpstreamHttpOptions['protocol'], context: HostPoolsContext) {
    this.#protocol = protocol;
    this.#context = context;
    this.#tellsClients = context.sockets.tellsClients;
  }

  /**
   * `downstream`: what the request came in, for clusters that are spoken to in the same. `client`: whose request it is,
   * for hosts that are told. `peer`: whom TLS is to find there, where requests say so.
   */
  get(host: Host, downstream: Protocol, client: AddressPair | undefined, peer: PeerName | undefined): Pool {
    const told = this.#tellsClients && client && this.#context.sockets.of(host).proxyProtocol ? client : undefined;
    if (told || peer) return this.#reserved(host, told, peer, this.#poolProtocol(downstream));
    if (this.#protocol !== 'downstream') return this.#from(this.#pools, host, this.#protocol);
    if (downstream === 'HTTP/2') return this.#from(this.#http2Pools, host, 'http2');
    return this.#from(this.#pools, host, 'http1');
  }

  #poolProtocol(downstream: Protocol): PoolProtocol {
    if (this.#protocol !== 'downstream') return this.#protocol;
    return downstream === 'HTTP/2' ? 'http2' : 'http1';
  }

  #from(pools: PoolsOfHosts, host: Host, protocol: PoolProtocol): Pool {
    const known = pools.get(host);
    if (known) return known;
    const pool = new HostPool(host, protocol, this.#context, this.#context.sockets.of(host));
    pools.set(host, pool);
    return pool;
  }

  /** The pool for one client, for one peer, or for both. */
  #reserved(host: Host, client: AddressPair | undefined, peer: PeerName | undefined, protocol: PoolProtocol): Pool {
    const { remoteHost, remotePort, localHost, localPort } = client ?? {};
    const { serverName, certificateName } = peer ?? {};
    const key = JSON.stringify([protocol, remoteHost, remotePort, localHost, localPort, serverName, certificateName]);
    const pools = this.#reservedPools.get(host) ?? new Map<string, Pool>();
    const known = pools.get(key);
    if (known) return known;
    const pool = new HostPool(host, protocol, this.#context, this.#context.sockets.of(host, client, peer), () => {
      if (pools.get(key) === pool) pools.delete(key);
      if (pools.size === 0 && this.#reservedPools.get(host) === pools) this.#reservedPools.delete(host);
    });
    pools.set(key, pool);
    this.#reservedPools.set(host, pools);
    return pool;
  }

  *#all(): Generator<Pool> {
    yield* this.#pools.values();
    yield* this.#http2Pools.values();
    for (const pools of this.#reservedPools.values()) yield* pools.values();
  }

  /** The host is gone: its connections finish what they do. */
  retire(host: Host): void {
    const reserved = this.#reservedPools.get(host);
    this.#reservedPools.delete(host);
    const retired = [this.#pools.get(host), this.#http2Pools.get(host), ...(reserved?.values() ?? [])];
    this.#pools.delete(host);
    this.#http2Pools.delete(host);
    for (const pool of retired) pool?.drain();
  }

  countBytes(): void {
    for (const pool of this.#all()) pool.countBytes();
  }

  drain(): void {
    for (const pool of [...this.#all()]) pool.drain();
  }

  destroy(): void {
    for (const pool of [...this.#all()]) pool.destroy();
    this.#pools.clear();
    this.#http2Pools.clear();
    this.#reservedPools.clear();
  }
}
