/** A cluster: its hosts, who of them is next, and the connections to them. */
import type { Clock } from '../clock.ts';
import type { BalancingConfig } from '../config/balancing.ts';
import { balancingConfigOf, type ClusterConfig, type PeerNaming, peerNamingOf } from '../config/cluster.ts';
import type { SourceAddress } from '../config/upstream-bind.ts';
import { type Counts, OWN_COUNTS } from '../counts/cells.ts';
import type { Protocol } from '../http/message.ts';
import { Http2Stats } from '../http2/stats.ts';
import type { ConnectOptions, PeerName, TlsClient } from '../net/connect.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import type { AddressPair } from '../net/proxy-header.ts';
import { HostPools } from '../pool/host-pools.ts';
import { upstreamHttpOptions } from '../pool/options.ts';
import type { Pool } from '../pool/pool.ts';
import { type ClusterStats, OriginStats, type RequestOrigin, RetriedStats } from '../stats/groups.ts';
import type { Balancer, Random, ReadRuntime } from './balancer.ts';
import { type AssignmentPolicy, DEFAULT_POLICY, type HostSet } from './balancing/host-sets.ts';
import { type HostKeeper, OriginalDestination } from './balancing/original-destination.ts';
import { originalEndpoint } from './endpoints.ts';
import type { Endpoint, Host } from './host.ts';
import { ClusterLimits, type RoutingPriority } from './limits.ts';
import { makeBalancer, type TableStats } from './make-balancer.ts';
import { Membership } from './membership.ts';
import type { HostObserver } from './observer.ts';
import type { PickContext } from './pick-context.ts';
import { type SocketMatch, type SocketMatchStats, TransportSockets } from './transport-sockets.ts';

export interface ClusterOptions {
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  readonly tls: TlsClient | undefined;
  /** In what version of the PROXY protocol hosts are told who the client is; absent: they are not. */
  readonly proxyProtocol?: ConnectOptions['proxyProtocol'];
  /** Other ways to connect, for hosts whose metadata asks for them. */
  readonly socketMatches?: readonly SocketMatch[];
  /** Of hosts whose metadata asks for none of them. */
  readonly defaultMatchStats?: SocketMatchStats | undefined;
  /** What connections of HTTP/2 tell; undefined where nobody asks. */
  readonly http2Stats?: Http2Stats | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly queue: FlushQueue;
  /** Makes what counts answers that were asked for again; undefined where nobody asks. */
  readonly retriedStats?: (() => RetriedStats) | undefined;
  /** Counts what its requests came to by whose they are; undefined: nobody reads it. */
  readonly originStats?: ((origin: RequestOrigin) => OriginStats) | undefined;
  /** What the balancer's tables of hashes tell; undefined where nobody asks. */
  readonly tableStats?: TableStats | undefined;
  /** Undefined: the runtime says nothing. */
  readonly readRuntime?: ReadRuntime | undefined;
  /** Where connections come from if the cluster does not say; undefined: the system chooses. */
  readonly sources?: readonly SourceAddress[] | undefined;
  /** Where the proxy itself is, for routing by zone; undefined where that is not known. */
  readonly local?: LocalCluster | undefined;
  /** What all threads that have the cluster count together; default: there is one thread. */
  readonly counts?: Counts | undefined;
}

/** The proxies that balance as this one does. */
export interface LocalCluster {
  /** The locality of this proxy; undefined where it has none. */
  readonly key: string | undefined;
  /** The hosts of the local cluster; undefined where there is none. */
  hosts(): HostSet | undefined;
  /** Told whenever hosts of a cluster, or their health, changed. */
  onChanged(cluster: string): void;
}

/** The limits of requests of each priority. */
function limitsOf({ name, circuit_breakers: given }: ClusterConfig, counts: Counts) {
  const cells = counts.cells(`cluster/${name}`);
  const perHost = given?.per_host_thresholds ?? [];
  const isShared = counts !== OWN_COUNTS && perHost.length > 0;
  const hostCells = isShared ? (host: string) => counts.cells(`cluster/${name}/${host}`) : undefined;
  const of = (priority: RoutingPriority): ClusterLimits => {
    const isOf = (entry: { readonly priority: RoutingPriority }) => entry.priority === priority;
    const options = { priority, perHost: perHost.find(isOf), cells, hostCells };
    return new ClusterLimits(given?.thresholds.find(isOf), options);
  };
  return { limits: of('DEFAULT'), highLimits: of('HIGH') };
}

export class Cluster {
  readonly name: string;
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  /** Of requests that are not of high priority. */
  readonly limits: ClusterLimits;
  readonly #highLimits: ClusterLimits;
  readonly #makeRetriedStats: () => RetriedStats;
  #retriedStats: RetriedStats | undefined;
  readonly #makeOriginStats: (origin: RequestOrigin) => OriginStats;
  readonly #originStats: { [O in RequestOrigin]: OriginStats | undefined } = {
    internal: undefined,
    external: undefined,
  };
  /** Undefined where the configuration of TLS says whom to find at hosts. */
  readonly naming: PeerNaming | undefined;
  readonly #sockets: TransportSockets;
  readonly #pools: HostPools;
  /** For requests of high priority, which do not stand behind others. */
  readonly #highPools: HostPools;
  readonly #balancer: Balancer;
  readonly #observers: HostObserver[] = [];
  readonly #local: LocalCluster | undefined;
  readonly #members: Membership;
  #sets: readonly HostSet[] = [];
  readonly #startsSlowly: boolean;
  /** Health changed, or the local cluster did, and the balancer does not know yet. */
  #isStale = false;

  constructor(options: ClusterOptions) {
    const { config, stats, tls, proxyProtocol, clock, queue, local } = options;
    this.name = config.name;
    this.#local = local;
    this.config = config;
    this.stats = stats;
    this.#makeRetriedStats = options.retriedStats ?? (() => new RetriedStats());
    this.#makeOriginStats = options.originStats ?? (() => new OriginStats());
    const { limits, highLimits } = limitsOf(config, options.counts ?? OWN_COUNTS);
    this.limits = limits;
    this.#highLimits = highLimits;
    const keepalive = config.upstream_connection_options?.tcp_keepalive;
    const connect = {
      timeoutMs: config.connect_timeout,
      tls,
      proxyProtocol,
      keepalive,
      clock,
      sources: config.upstream_bind_config ?? options.sources,
      onBindFailed: () => {
        stats.bind_errors++;
      },
    };
    const sockets = new TransportSockets(connect, options.socketMatches, options.defaultMatchStats);
    this.#sockets = sockets;
    this.naming = peerNamingOf(config);
    const { protocol, http1, http2, maxDurationMs } = upstreamHttpOptions(config);
    const { http2Stats = new Http2Stats() } = options;
    const shared = { stats, sockets, http1, http2, http2Stats, maxDurationMs, queue, clock };
    this.#pools = new HostPools(protocol, { ...shared, limits: this.limits });
    this.#highPools = new HostPools(protocol, { ...shared, limits: this.#highLimits });
    this.#members = new Membership({
      stats,
      localKey: local?.key,
      keepsHealthy: config.health_checks.length > 0 && !config.ignore_health_on_host_removal,
      now: () => clock.monotonicMs(),
    });
    const balancing = balancingConfigOf(config);
    this.#startsSlowly = 'slowStart' in balancing.policy && balancing.policy.slowStart !== undefined;
    this.#balancer = this.#makeBalancer(balancing, options);
  }

  #makeBalancer(config: BalancingConfig, options: ClusterOptions): Balancer {
    const { stats, random, clock, tableStats, local, readRuntime = (_, otherwise) => otherwise } = options;
    if (config.policy.type === 'cluster-provided') {
      const { use_http_header, http_header_name, upstream_port_override } = this.config.original_dst_lb_config ?? {};
      const header = use_http_header ? (http_header_name || 'x-envoy-original-dst-host').toLowerCase() : undefined;
      return new OriginalDestination({ header, port: upstream_port_override }, this.#keeper, stats);
    }
    return makeBalancer({ config, stats, tableStats, random, clock, localKey: local?.key, readRuntime });
  }

  readonly #keeper: HostKeeper = {
    find: (key) => this.#members.find(key),
    add: (address) => {
      const host = this.#members.add(originalEndpoint(address));
      this.#sockets.update([host]);
      this.#tell([host], []);
      this.#isStale = true;
      return host;
    },
    remove: (hosts) => {
      this.#members.remove(hosts);
      this.#removed(hosts);
      this.#isStale = true;
    },
  };

  /** What counts answers that were asked for again; made when the first one is. */
  get retriedStats(): RetriedStats {
    this.#retriedStats ??= this.#makeRetriedStats();
    return this.#retriedStats;
  }

  /** What counts answers to requests of that origin; made when the first one is. */
  originStats(origin: RequestOrigin): OriginStats {
    const stats = this.#originStats[origin] ?? this.#makeOriginStats(origin);
    this.#originStats[origin] = stats;
    return stats;
  }

  get hosts(): readonly Host[] {
    return this.#members.list;
  }

  /** The share of requests that is turned away before a host is looked for, from 0 to 1. */
  get dropShare(): number {
    return this.#members.policy.dropShare;
  }

  /** The hosts as balancers see them, by priority. */
  get sets(): readonly HostSet[] {
    this.refresh();
    return this.#sets;
  }

  /** Has somebody told of hosts that come and go, from now on until the cluster drains. */
  observe(observer: HostObserver): void {
    this.#observers.push(observer);
    observer.hostsChanged(this.hosts, []);
  }

  /** The host at an address: `127.0.0.1:80`. */
  find(key: string): Host | undefined {
    return this.#members.find(key);
  }

  /** The host for the next request; undefined where there is none that could take it. */
  pick(context?: PickContext): Host | undefined {
    if (this.#isStale) this.refresh();
    return this.#balancer.pick(context);
  }

  /** The limits of requests of a priority. */
  limitsOf(priority: RoutingPriority): ClusterLimits {
    return priority === 'HIGH' ? this.#highLimits : this.limits;
  }

  /**
   * `downstream`: what the request came in, for clusters that are spoken to in the same. `client`: whose request it is,
   * for hosts that are told; undefined: the proxy's own. `peer`: whom TLS is to find there; undefined: whom the
   * configuration says.
   */
  pool(
    host: Host,
    downstream: Protocol = 'HTTP/1.1',
    priority: RoutingPriority = 'DEFAULT',
    client?: AddressPair,
    peer?: PeerName,
  ): Pool {
    return (priority === 'HIGH' ? this.#highPools : this.#pools).get(host, downstream, client, peer);
  }

  /** How a host is connected to for its checks, which may say by which metadata they choose; undefined: by the host's own. */
  connectForCheck(host: Host, criteria: Readonly<Record<string, unknown>> | undefined): ConnectOptions {
    return criteria ? this.#sockets.matching(criteria) : this.#sockets.of(host);
  }

  /** How a host is connected to, for those who speak no HTTP; `client`: whom for, undefined: for the proxy itself. */
  connectOf(host: Host, client?: AddressPair): ConnectOptions {
    return this.#sockets.of(host, client);
  }

  /** Takes these endpoints from now on; hosts that stay keep their connections, those that go finish what they do. */
  update(endpoints: readonly Endpoint[], policy: AssignmentPolicy = DEFAULT_POLICY): void {
    const { added, removed } = this.#members.take(endpoints, policy);
    const isOther = added.length + removed.length > 0;
    if (isOther && this.config.common_lb_config?.close_connections_on_host_set_change) {
      for (const host of this.hosts) this.#retire(host);
    }
    this.#removed(removed);
    for (const host of this.#sockets.update(this.hosts)) this.#retire(host);
    this.#tell(added, removed);
    this.#isStale = true;
    this.refresh();
    this.#local?.onChanged(this.name);
  }

  /** A host was ejected, came back, or passed or failed a check. */
  healthChanged(): void {
    // Checks of many hosts end at once: they are looked at together, when that matters. When a host passed counts for
    // slow start.
    this.#isStale = true;
    if (this.#startsSlowly) this.refresh();
    this.#local?.onChanged(this.name);
  }

  /** The hosts of the local cluster changed. */
  localChanged(): void {
    this.#isStale = true;
  }

  /** Brings the balancer, and what is counted of hosts, up to date. */
  refresh(): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    const gone = this.config.health_checks.length > 0 ? this.#members.checked() : [];
    this.#removed(gone);
    if (gone.length > 0) this.#tell([], gone);
    this.#sets = this.#members.sets();
    this.#balancer.update(this.#sets, this.#local?.hosts());
  }

  /** Lets go of hosts of an original destination that are not in use. */
  sweep(): void {
    if (this.#balancer instanceof OriginalDestination) this.#balancer.sweep(this.hosts);
  }

  #tell(added: readonly Host[], removed: readonly Host[]): void {
    for (const observer of this.#observers) observer.hostsChanged(added, removed);
  }

  #removed(hosts: readonly Host[]): void {
    for (const host of hosts) this.#retire(host);
  }

  #retire(host: Host): void {
    this.#pools.retire(host);
    this.#highPools.retire(host);
  }

  /** A host failed its checks, or was ejected: its connections are used for what runs on them, and no longer. */
  hostFailed(host: Host): void {
    this.#retire(host);
    const ends = host.onFailed;
    host.onFailed = undefined;
    if (ends) for (const end of ends) end();
  }

  /** Brings up to date what is counted of bytes that were sent. */
  countBytes(): void {
    this.#pools.countBytes();
    this.#highPools.countBytes();
  }

  /** Lets what runs end; nothing new is begun. */
  drain(): void {
    for (const observer of this.#observers.splice(0)) observer.close();
    this.#pools.drain();
    this.#highPools.drain();
  }

  destroy(): void {
    for (const observer of this.#observers.splice(0)) observer.close();
    this.#pools.destroy();
    this.#highPools.destroy();
  }
}
