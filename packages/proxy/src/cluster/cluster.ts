/** A cluster: its hosts, who of them is next, and the connections to them. */
import type { Clock } from '../clock.ts';
import type { ClusterConfig } from '../config/cluster.ts';
import type { Protocol } from '../http/message.ts';
import type { ConnectOptions, TlsClient } from '../net/connect.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import { HostPools } from '../pool/host-pools.ts';
import { upstreamHttpOptions } from '../pool/options.ts';
import type { Pool } from '../pool/pool.ts';
import type { ClusterStats } from '../stats/groups.ts';
import { type Balancer, LeastRequest, type Random, RoundRobin } from './balancer.ts';
import { type Endpoint, Host } from './host.ts';
import { ClusterLimits } from './limits.ts';
import type { HostObserver } from './observer.ts';
import type { PickContext } from './pick-context.ts';

export interface ClusterOptions {
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  readonly tls: TlsClient | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly queue: FlushQueue;
}

const DEFAULT_PANIC_PERCENT = 50;
function makeBalancer(config: ClusterConfig, random: Random): Balancer {
  switch (config.lb_policy) {
    case 'ROUND_ROBIN':
      return new RoundRobin(random);
    case 'LEAST_REQUEST':
      return new LeastRequest(random, config.least_request_lb_config?.choice_count ?? 2);
  }
}

export class Cluster {
  readonly name: string;
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  readonly limits: ClusterLimits;
  /** How its hosts are connected to, for those who speak no HTTP. */
  readonly connect: ConnectOptions;
  readonly #pools: HostPools;
  readonly #balancer: Balancer;
  readonly #observers: HostObserver[] = [];
  #hosts: ReadonlyMap<string, Host> = new Map();

  constructor({ config, stats, tls, clock, random, queue }: ClusterOptions) {
    this.name = config.name;
    this.config = config;
    this.stats = stats;
    const thresholds = config.circuit_breakers?.thresholds.find(({ priority }) => priority === 'DEFAULT');
    this.limits = new ClusterLimits(thresholds);
    const keepalive = config.upstream_connection_options?.tcp_keepalive;
    this.connect = { timeoutMs: config.connect_timeout, tls, keepalive, clock };
    const { protocol, http1, http2 } = upstreamHttpOptions(config);
    this.#pools = new HostPools(protocol, {
      stats,
      limits: this.limits,
      connect: this.connect,
      http1,
      http2,
      queue,
      clock,
    });
    this.#balancer = makeBalancer(config, random);
  }

  get hosts(): readonly Host[] {
    return [...this.#hosts.values()];
  }

  /** Has somebody told of hosts that come and go, from now on until the cluster drains. */
  observe(observer: HostObserver): void {
    this.#observers.push(observer);
    observer.hostsChanged(this.hosts, []);
  }

  /** The host for the next request; undefined where there is none that could take it. */
  pick(context?: PickContext): Host | undefined {
    let host = this.#balancer.pick(context);
    if (!context) return host;
    const { tried, hostAttempts } = context;
    if (tried.length === 0) return host;
    for (let i = 0; i < hostAttempts && host && tried.includes(host); i++) host = this.#balancer.pick(context);
    return host;
  }

  /** `downstream`: what the request came in, for clusters that are spoken to in the same. */
  pool(host: Host, downstream: Protocol = 'HTTP/1.1'): Pool {
    return this.#pools.get(host, downstream);
  }

  /** Takes these endpoints from now on; hosts that stay keep their connections, those that go finish what they do. */
  update(endpoints: readonly Endpoint[]): void {
    const next = new Map<string, Host>();
    const added: Host[] = [];
    for (const endpoint of endpoints) {
      const made = new Host(endpoint);
      const kept = this.#hosts.get(made.key);
      if (kept) kept.endpoint = endpoint;
      else added.push(made);
      next.set(made.key, kept ?? made);
    }
    const isSame = added.length === 0 && endpoints.length === this.#hosts.size;
    const removed = [...this.#hosts.values()].filter(({ key }) => !next.has(key));
    for (const host of removed) this.#retire(host);
    this.#hosts = next;
    for (const observer of this.#observers) observer.hostsChanged(added, removed);
    if (!isSame) this.stats.membership_change++;
    this.#balancer.update(this.#usable());
  }

  /** A host was ejected, came back, or passed or failed a check. */
  healthChanged(): void {
    this.#balancer.update(this.#usable());
  }

  /** Healthy hosts; where so few are that they would be overrun, all of them (panic). */
  #usable(): readonly Host[] {
    const hosts = this.hosts;
    const healthy = hosts.filter(({ health }) => health === 'healthy');
    const degraded = hosts.filter(({ health }) => health === 'degraded');
    this.stats.membership_total = hosts.length;
    this.stats.membership_healthy = healthy.length;
    this.stats.membership_degraded = degraded.length;
    this.stats.max_host_weight = hosts.reduce((max, { endpoint }) => Math.max(max, endpoint.weight), 0);
    const threshold = this.config.common_lb_config?.healthy_panic_threshold?.value ?? DEFAULT_PANIC_PERCENT;
    const available = healthy.length + degraded.length;
    if (available < hosts.length && available * 100 < threshold * hosts.length) return hosts;
    return healthy.length > 0 ? healthy : degraded;
  }

  #retire(host: Host): void {
    this.#pools.retire(host);
  }

  /** A host failed its checks, or was ejected: its connections are used for what runs on them, and no longer. */
  hostFailed(host: Host): void {
    this.#retire(host);
    const ends = host.onFailed;
    host.onFailed = undefined;
    if (ends) for (const end of ends) end();
  }

  /** Lets what runs end; nothing new is begun. */
  drain(): void {
    for (const observer of this.#observers.splice(0)) observer.close();
    this.#pools.drain();
  }

  destroy(): void {
    for (const observer of this.#observers.splice(0)) observer.close();
    this.#pools.destroy();
  }
}
