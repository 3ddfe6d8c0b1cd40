/** All clusters, by name: made, warmed, used, replaced and removed without touching what runs on others. */
import type { Clock } from '../clock.ts';
import { balancingConfigOf, type ClusterConfig, cluster as clusterSchema } from '../config/cluster.ts';
import type { OutlierConfig } from '../config/outlier.ts';
import { type ConfigIssue, Place } from '../config/schema.ts';
import { checkSecrets } from '../config/secret-references.ts';
import { upstreamTlsConfig } from '../config/tls.ts';
import type { SourceAddress } from '../config/upstream-bind.ts';
import type { Counts } from '../counts/cells.ts';
import { Http2Stats } from '../http2/stats.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import { upstreamHttpOptions } from '../pool/options.ts';
import { ClusterManagerStats, ClusterStats, OriginStats, RetriedStats, TlsStats } from '../stats/groups.ts';
import { type StatGroup, type StatsRegistry, statName } from '../stats/registry.ts';
import type { SecretStore } from '../tls/secrets.ts';
import { UpstreamTls } from '../tls/upstream.ts';
import { Warming } from '../warming.ts';
import type { Random, ReadRuntime } from './balancer.ts';
import { type Place as Locality, localityKey } from './balancing/host-sets.ts';
import { Cluster, type LocalCluster } from './cluster.ts';
import type { HealthChecker } from './health/checker.ts';
import { healthChecks } from './health/checks.ts';
import type { WriteLine } from './health/events.ts';
import { HealthStats } from './health/stats.ts';
import type { Host } from './host.ts';
import { type Evidence, JudgeBench, JudgedHosts, type Judging, outlierCells } from './judging.ts';
import { tableStatsOf } from './make-balancer.ts';
import { makeTransports, type Transports } from './make-transports.ts';
import { OutlierDetector } from './outlier/detector.ts';
import { OutlierStats } from './outlier/stats.ts';
import { OutlierWitness } from './outlier/witness.ts';
import { keepEndpoints, type SourceContext } from './source.ts';
import { SocketMatchStats } from './transport-sockets.ts';

export interface ClusterManagerOptions extends SourceContext {
  readonly secrets: SecretStore;
  readonly stats: StatsRegistry;
  readonly random: Random;
  readonly queue: FlushQueue;
  readonly clock: Clock;
  readonly readRuntime?: ReadRuntime;
  /** Has lines of health events go to the file of a path; default: nowhere. */
  readonly eventFile?: (path: string) => WriteLine;
  /** Where connections to hosts come from, of clusters that do not say. */
  readonly sources?: readonly SourceAddress[] | undefined;
  /** What threads count together; default: there is one thread. */
  readonly counts?: Counts | undefined;
  /** Who checks and ejects hosts where there are several threads; default: this one, and tells nobody. */
  readonly judging?: Judging | undefined;
  /** Where this proxy is, and the cluster of those that balance as it does; for routing by zone. */
  readonly local?: { readonly locality: Locality | undefined; readonly cluster: string } | undefined;
}

/** A cluster with what it came from. */
export interface ManagedCluster {
  readonly cluster: Cluster;
  readonly resource: unknown;
  readonly version: string;
  readonly isStatic: boolean;
  readonly updatedMs: number;
  readonly warming: Warming;
  readonly close: () => void;
}

type HostJudged = (host: Host) => void;

export class ClusterManager {
  readonly #options: ClusterManagerOptions;
  readonly #active = new Map<string, ManagedCluster>();
  readonly #warming = new Map<string, ManagedCluster>();
  readonly #removeStats = new Map<string, () => void>();
  readonly stats: ClusterManagerStats;
  readonly #local: LocalCluster;
  /** How many clusters have had their hosts judged. */
  #lives = 0;
  #onSettled: () => void = () => undefined;

  constructor(options: ClusterManagerOptions) {
    this.#options = options;
    this.#local = this.#makeLocal(options.local);
    this.stats = options.stats.share('cluster_manager.', 'cluster_manager_', {}, () => new ClusterManagerStats());
    options.stats.addSource(() => this.#breakerGroups());
    options.stats.onRead(() => {
      this.stats.active_clusters = this.#active.size;
      this.stats.warming_clusters = this.#warming.size;
      for (const { cluster } of this.#active.values()) {
        cluster.refresh();
        cluster.countBytes();
      }
    });
  }

  #makeLocal(local: ClusterManagerOptions['local']): LocalCluster {
    const { locality, cluster: name = '' } = local ?? {};
    return {
      key: locality && localityKey(locality),
      hosts: () => this.get(name)?.sets[0],
      onChanged: (changed) => {
        if (changed === name) for (const { cluster } of this.#active.values()) cluster.localChanged();
      },
    };
  }

  /** The cluster of that name, if it is in use. */
  get(name: string): Cluster | undefined {
    return this.#active.get(name)?.cluster;
  }

  /** Whether there is a cluster of that name, in use or about to be. */
  knows(name: string): boolean {
    return this.#active.has(name) || this.#warming.has(name);
  }

  get active(): Iterable<ManagedCluster> {
    return this.#active.values();
  }

  get warming(): Iterable<ManagedCluster> {
    return this.#warming.values();
  }

  /** Calls `onSettled` as soon as no cluster is warming: at once, or later. */
  whenSettled(onSettled: () => void): void {
    if (this.#warming.size === 0) onSettled();
    else this.#onSettled = onSettled;
  }

  /** Takes a cluster, in place of one of the same name once it is warm. Gives what is wrong with it. */
  apply(resource: unknown, version: string, isStatic: boolean): readonly ConfigIssue[] {
    const place = new Place();
    const config = clusterSchema.parse(resource, place);
    checkSecrets(resource, (name) => this.#options.secrets.isStatic(name), place);
    const known = this.#warming.get(config.name) ?? this.#active.get(config.name);
    if (known?.isStatic && !isStatic) place.refuse(`the cluster ${config.name} is one of the bootstrap's own`);
    if (place.issues.length > 0) return place.issues;
    if (known && JSON.stringify(known.resource) === JSON.stringify(resource)) return [];
    if (known) this.stats.cluster_modified++;
    else this.stats.cluster_added++;
    this.#warming.get(config.name)?.close();
    this.#begin(config, resource, version, isStatic);
    return [];
  }

  #begin(config: ClusterConfig, resource: unknown, version: string, isStatic: boolean): void {
    const { clock } = this.#options;
    const { name } = config;
    // Checks begin once there is all that they need: a host is not to fail for a certificate that has not come yet.
    const warming = new Warming(clock, () => {
      if (checks) checks.start(() => this.#warmed(name));
      else this.#warmed(name);
    });
    const transports = this.#makeTransports(config, warming);
    const stats = this.#statsOf(config);
    const tables = tableStatsOf(balancingConfigOf(config).policy);
    const tableStats = tables && this.#statsUnder(config, tables.part, tables.make);
    const http2Stats = this.#http2StatsOf(config);
    const cluster = new Cluster({
      ...this.#options,
      ...transports.options,
      config,
      stats,
      tableStats,
      http2Stats,
      retriedStats: () => this.#statsUnder(config, 'retry', () => new RetriedStats()),
      originStats: (origin) => this.#statsUnder(config, origin, () => new OriginStats()),
      local: this.#local,
    });
    const checks = this.#judge(cluster);
    const stopEndpoints = keepEndpoints(cluster, warming, this.#options);
    const close = () => {
      warming.cancel();
      stopEndpoints();
      transports.close();
      cluster.drain();
    };
    const updatedMs = clock.wallMs();
    this.#warming.set(name, { cluster, resource, version, isStatic, updatedMs, warming, close });
    warming.start();
  }

  #makeTransports(config: ClusterConfig, warming: Warming): Transports {
    const { secrets, clock } = this.#options;
    return makeTransports(config, {
      makeTls: (context) => {
        const stats = this.#statsUnder(config, 'ssl', () => new TlsStats('cipher_suite'));
        return new UpstreamTls(upstreamTlsConfig(context), secrets, warming, stats, clock);
      },
      matchStats: (name) => {
        const stats = this.#statsUnder(config, name, () => new SocketMatchStats());
        // A name may be one that other statistics have already.
        return stats instanceof SocketMatchStats ? stats : new SocketMatchStats();
      },
    });
  }

  /** Clusters that are never spoken to in HTTP/2 have nothing to tell of it. */
  #http2StatsOf(config: ClusterConfig): Http2Stats | undefined {
    if (upstreamHttpOptions(config).protocol === 'http1') return undefined;
    return this.#statsUnder(config, 'http2', () => new Http2Stats());
  }

  /** Has hosts checked and ejected, here or elsewhere; gives what a cluster waits for before it is used. */
  #judge(cluster: Cluster): HealthChecker | JudgedHosts | undefined {
    const { health_checks: checks, outlier_detection: outliers } = cluster.config;
    if (checks.length === 0 && !outliers) return undefined;
    const { judging, counts } = this.#options;
    if (judging?.type === 'elsewhere') {
      if (outliers) cluster.observe(new OutlierWitness(cluster.name, outliers, counts, judging.tell));
      const hosts = new JudgedHosts(cluster, judging);
      cluster.observe(hosts);
      return checks.length > 0 ? hosts : undefined;
    }
    const bench = judging && new JudgeBench(cluster.name, ++this.#lives, judging.tell);
    const hostJudged = bench && ((host: Host) => bench.judged(host));
    if (outliers) this.#watchOutliers(cluster, outliers, hostJudged);
    const checker = this.#checkHosts(cluster, hostJudged);
    if (bench) cluster.observe(bench);
    return checker;
  }

  #watchOutliers(cluster: Cluster, config: OutlierConfig, hostJudged: HostJudged | undefined): void {
    const { clock, random, counts } = this.#options;
    const stats = this.#statsUnder(cluster.config, 'outlier_detection', () => new OutlierStats());
    const judged = {
      healthChanged: () => cluster.healthChanged(),
      hostFailed: (host: Host) => cluster.hostFailed(host),
      hostJudged: (host: Host) => hostJudged?.(host),
    };
    const cellsOf = (host: Host) => outlierCells(counts, cluster.name, host);
    cluster.observe(new OutlierDetector({ config, stats, clock, random, cluster: judged, cellsOf }));
  }

  #checkHosts(cluster: Cluster, hostJudged: HostJudged | undefined): HealthChecker | undefined {
    if (cluster.config.health_checks.length === 0) return undefined;
    const stats = this.#statsUnder(cluster.config, 'health_check', () => new HealthStats());
    const checks = healthChecks(cluster, { ...this.#options, stats, hostJudged });
    if (checks) cluster.observe(checks);
    return checks;
  }

  /** Takes what another thread has to say of a host. */
  takeEvidence(cluster: string, key: string, evidence: Evidence): void {
    const host = this.get(cluster)?.find(key);
    if (evidence.type === 'fail-check') host?.failCheck?.();
    else host?.outlier?.exceeded(evidence.failure);
  }

  *#breakerGroups(): Generator<StatGroup> {
    for (const { cluster } of this.#active.values()) {
      const name = this.#statName(cluster.config);
      for (const priority of ['DEFAULT', 'HIGH'] as const) {
        const part = `circuit_breakers.${priority.toLowerCase()}`;
        const metricPrefix = `cluster_${part.replace('.', '_')}_`;
        const labels = { envoy_cluster_name: name };
        yield { prefix: `cluster.${name}.${part}.`, metricPrefix, labels, values: cluster.limitsOf(priority).gauges };
      }
    }
  }

  /** The group of statistics `cluster.<name>.<part>.`, which goes with the cluster. */
  #statsUnder<T extends object>(config: ClusterConfig, part: string, make: () => T): T {
    const name = this.#statName(config);
    const metric = part.replaceAll('.', '_');
    return this.#options.stats.share(
      `cluster.${name}.${part}.`,
      `cluster_${metric}_`,
      { envoy_cluster_name: name },
      make,
    );
  }

  #statName(config: ClusterConfig): string {
    return statName(config.alt_stat_name === '' ? config.name : config.alt_stat_name);
  }

  #statsOf(config: ClusterConfig): ClusterStats {
    const name = this.#statName(config);
    const prefix = `cluster.${name}.`;
    this.#removeStats.set(config.name, () => {
      this.#options.stats.remove(prefix);
      const matches = config.transport_socket_matches.map((match) => statName(match.name));
      for (const part of ['ssl', 'outlier_detection', 'health_check', 'http2', 'retry', 'default', ...matches]) {
        this.#options.stats.remove(`${prefix}${part}.`);
      }
    });
    return this.#options.stats.share(prefix, 'cluster_', { envoy_cluster_name: name }, () => new ClusterStats());
  }

  #warmed(name: string): void {
    const warm = this.#warming.get(name);
    if (!warm) return;
    this.#warming.delete(name);
    this.#active.get(name)?.close();
    this.#active.set(name, warm);
    this.#local.onChanged(name);
    this.stats.cluster_updated++;
    this.#checkSettled();
  }

  #checkSettled(): void {
    if (this.#warming.size > 0) return;
    const onSettled = this.#onSettled;
    this.#onSettled = () => undefined;
    onSettled();
  }

  /** Lets go of a cluster; what runs on it ends by itself. Those of the bootstrap stay. */
  remove(name: string): void {
    const known = this.#active.get(name) ?? this.#warming.get(name);
    if (!known || known.isStatic) return;
    this.stats.cluster_removed++;
    for (const clusters of [this.#active, this.#warming]) {
      clusters.get(name)?.close();
      clusters.delete(name);
    }
    this.#removeStats.get(name)?.();
    this.#removeStats.delete(name);
    this.#checkSettled();
  }

  close(): void {
    for (const { close, cluster } of [...this.#active.values(), ...this.#warming.values()]) {
      close();
      cluster.destroy();
    }
    this.#active.clear();
    this.#warming.clear();
  }
}
