/** The pools of one cluster: one for each host, or one for each version of HTTP where that is the client's. */
import type { Host } from '../cluster/host.ts';
import type { Protocol } from '../http/message.ts';
import { HostPool } from './host-pool.ts';
import type { UpstreamHttpOptions } from './options.ts';
import type { Pool, PoolContext, PoolProtocol } from './pool.ts';

export class HostPools {
  readonly #context: PoolContext;
  readonly #protocol: UpstreamHttpOptions['protocol'];
  readonly #pools = new Map<Host, Pool>();
  /** Of hosts that are spoken to as the client speaks: for clients of HTTP/2. */
  readonly #http2Pools = new Map<Host, Pool>();

  constructor(protocol: UpstreamHttpOptions['protocol'], context: PoolContext) {
    this.#protocol = protocol;
    this.#context = context;
  }

  /** `downstream`: what the request came in, for clusters that are spoken to in the same. */
  get(host: Host, downstream: Protocol): Pool {
    if (this.#protocol !== 'downstream') return this.#from(this.#pools, host, this.#protocol);
    if (downstream === 'HTTP/2') return this.#from(this.#http2Pools, host, 'http2');
    return this.#from(this.#pools, host, 'http1');
  }

  #from(pools: Map<Host, Pool>, host: Host, protocol: PoolProtocol): Pool {
    const known = pools.get(host);
    if (known) return known;
    const pool = new HostPool(host, protocol, this.#context);
    pools.set(host, pool);
    return pool;
  }

  /** The host is gone: its connections finish what they do. */
  retire(host: Host): void {
    for (const pools of [this.#pools, this.#http2Pools]) {
      pools.get(host)?.drain();
      pools.delete(host);
    }
  }

  drain(): void {
    for (const pools of [this.#pools, this.#http2Pools]) for (const pool of pools.values()) pool.drain();
  }

  destroy(): void {
    for (const pools of [this.#pools, this.#http2Pools]) {
      for (const pool of pools.values()) pool.destroy();
      pools.clear();
    }
  }
}
