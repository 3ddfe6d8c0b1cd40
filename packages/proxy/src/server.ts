/**
 * The proxy as a whole: what it starts from, in which order its parts come up, how it drains and ends
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/operations/init).
 */

import { createRequire, getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import type { Bootstrap, Node } from '@weft/envoy-api';
import { AccessLogs } from './access-log/logs.ts';
import type { AdminContext, AdminListener, ServerState } from './admin/context.ts';
import { type Clock, systemClock, TurnClock } from './clock.ts';
import type { Random } from './cluster/balancer.ts';
import type { Judging } from './cluster/judging.ts';
import { ClusterManager } from './cluster/manager.ts';
import { type CheckedBootstrap, checkBootstrap, issuesText, requireNoIssues } from './config/check.ts';
import type { ResourceSource } from './config/config-source.ts';
import type { ConfigIssue } from './config/schema.ts';
import type { SharedCounts } from './counts/shared-counts.ts';
import { Draining, type DrainListeners, type DrainRequest, type DrainStrategy } from './drain.ts';
import type { TrafficDirection } from './listener/chain.ts';
import { Connections } from './listener/connections.ts';
import { type InheritedSockets, inheritedSockets, type ListeningSocket, shareOut } from './listener/inherited.ts';
import { ListenerManager } from './listener/manager.ts';
import { RouteStore } from './listener/routes.ts';
import { LeveledLog, type Log, type LogLevel } from './log.ts';
import { FlushQueue } from './net/flush-queue.ts';
import { resolveHost } from './net/resolve.ts';
import { systemCalls } from './net/system-calls.ts';
import { Runtime, type RuntimeChange, RuntimeStats } from './runtime/runtime.ts';
import { shownListeners, shownRoutes } from './shown.ts';
import { GrpcAccessLogStats, ServerStats } from './stats/groups.ts';
import { StatsRegistry } from './stats/registry.ts';
import type { StreamFactory } from './streams.ts';
import { SecretStore } from './tls/secrets.ts';
import { upstreamCalls } from './upstream/calls.ts';
import { clusterStreams } from './upstream/grpc-stream.ts';
import type { WorkerGroup } from './workers/group.ts';
import { XdsClient } from './xds/client.ts';
import type { CollectionUpdate, ResourceIssue, Subscriptions } from './xds/subscriptions.ts';

export interface ProxyOptions {
  /** Static configuration; types and names must be right, as those of a bootstrap that `encodeUnknown` accepted. */
  readonly bootstrap: Bootstrap;
  /** Opens streams to the control plane; default: over the pools of the clusters that the bootstrap names for it. */
  readonly streams?: StreamFactory;
  readonly log: Log;
  readonly logLevel?: LogLevel;
  readonly clock?: Clock;
  readonly random?: Random;
  /** How long connections of listeners that are gone may go on; default 600,000, as Envoy's. */
  readonly drainMs?: number;
  /** How `/drain_listeners?graceful` asks connections to leave; default `gradual`, as Envoy's. */
  readonly drainStrategy?: DrainStrategy;
  /** For `/server_info` and the control plane; default: that of this package. */
  readonly version?: string;
  readonly commandLine?: Readonly<Record<string, unknown>>;
  /** What `/quitquitquit` does. */
  readonly onQuit?: () => void;
  /** Sockets of the process that this one takes over from. */
  readonly inherited?: readonly ListeningSocket[];
  /** How often the proxy was replaced before. */
  readonly restartEpoch?: number;
  /** Processes of which version can take over from this one; default `disabled`: none can. */
  readonly hotRestartVersion?: string;
  /** Threads that serve, this one among them; default 1. */
  readonly concurrency?: number;
  /** This is a further worker of a process: resources come from its main thread. */
  readonly worker?: { readonly subscriptions: ClosableSubscriptions; readonly judging: Judging };
  /** What threads count together; default: there is one thread. */
  readonly counts?: SharedCounts | undefined;
}

interface ClosableSubscriptions extends Subscriptions {
  close(): void;
}

export interface RunningProxy {
  /** Whether everything that it was first given is in use. */
  isReady(): boolean;
  /** Resolves when it is. */
  ready(): Promise<void>;
  /** Resolves, with a sentence, when the address of one of the bootstrap's own listeners cannot be had. */
  failed(): Promise<string>;
  /** Why it is not ready, as far as that is known: a sentence each. */
  troubles(): readonly string[];
  /** Of the admin interface, as bound; undefined where there is none. */
  readonly adminAddress: string | undefined;
  /** Frees the address of the admin interface. */
  closeAdmin(): Promise<void>;
  /** Has the admin interface back. Throws `WeftError` UNAVAILABLE where its address is taken. */
  openAdmin(): Promise<void>;
  /** Whether the paths of Unix sockets stay when this process closes, because another one listens there, too. */
  keepPaths(keeps: boolean): void;
  /** Of clients, in all threads. */
  connections(): number;
  /** How many connections the process before this one still has, for statistics. */
  setParentConnections(connections: number): void;
  /** The sockets that listen in this thread. */
  sockets(): readonly ListeningSocket[];
  /** The sockets that listen in all threads, for a process that takes over. */
  allSockets(): Promise<readonly ListeningSocket[]>;
  /** As `/drain_listeners` does. */
  drainListeners(options: DrainListeners): void;
  /** As `/healthcheck/fail` and `/healthcheck/ok` do. */
  setHealthy(isHealthy: boolean): void;
  /** Changes values of the runtime; false: the bootstrap keeps no layer for that. */
  overrideRuntime(changes: readonly RuntimeChange[]): boolean;
  setLogLevel(level: LogLevel): void;
  /** Goes on in access log files of the same names, after what was there was moved away. */
  reopenLogs(): void;
  readonly stats: StatsRegistry;
  readonly clusters: Pick<ClusterManager, 'active'>;
  /** Requests and TCP connections that are being served. */
  activeRequests(direction?: DrainRequest['direction']): number;
  /**
   * Takes no more connections, tells the clients of those that are there to leave (`connection: close`), and resolves as
   * soon as nothing is being served, or after the timeout. Clients that have not heard of it are refused before they
   * have sent anything, and go elsewhere.
   */
  drain(request: DrainRequest): Promise<void>;
  /** Frees addresses, ends connections, and writes what logs still hold. */
  close(): Promise<void>;
}

const DEFAULT_DRAIN_MS = 600_000;
const POLL_MS = 10;
/** How long nothing must have been served while clients keep idle connections, which they may use at any moment. */
const QUIET_MS = 500;

/** In the order of Envoy's `server.state`. */
const STATES: readonly ServerState[] = ['LIVE', 'DRAINING', 'PRE_INITIALIZING', 'INITIALIZING'];

class ProxyServer implements RunningProxy {
  readonly #options: ProxyOptions;
  readonly #checked: CheckedBootstrap;
  readonly #clock: Clock;
  readonly #log: LeveledLog;
  readonly stats = new StatsRegistry();
  readonly #connections: Connections;
  readonly #xds: ClosableSubscriptions;
  readonly #secrets: SecretStore;
  readonly #routes: RouteStore;
  readonly #runtime: Runtime;
  readonly clusters: ClusterManager;
  readonly #logs: AccessLogs;
  readonly #listeners: ListenerManager;
  /** Sockets that were taken over: for this thread, and for each further worker. */
  readonly #inherited: readonly (readonly ListeningSocket[])[];
  readonly #inheritedHere: InheritedSockets;
  #parentConnections = 0;
  #workers: WorkerGroup | undefined;
  readonly #refused = new Map<string, AdminListener>();
  readonly #draining: Draining;
  readonly #startedMs: number;
  readonly #startedAt: number;
  readonly #ready = Promise.withResolvers<void>();
  readonly #failed = Promise.withResolvers<string>();
  #state: ServerState = 'PRE_INITIALIZING';
  #isHealthy = true;
  #isListening = false;
  #endAdmin: (() => Promise<void>) | undefined;
  adminAddress: string | undefined;

  constructor(options: ProxyOptions, checked: CheckedBootstrap) {
    const queue = new FlushQueue();
    const { clock = new TurnClock(systemClock, queue), random = Math.random } = options;
    const streams = options.streams ?? clusterStreams((name) => this.clusters.get(name), clock);
    const stats = this.stats;
    this.#options = options;
    this.#inherited = shareOut(options.inherited ?? [], options.concurrency ?? 1);
    this.#inheritedHere = inheritedSockets(this.#inherited[0] ?? []);
    this.#checked = checked;
    this.#draining = new Draining(clock, random);
    this.#clock = clock;
    this.#log = new LeveledLog(options.log, options.logLevel ?? 'info');
    this.#startedMs = clock.wallMs();
    this.#startedAt = clock.monotonicMs();
    const { counts } = options;
    this.#connections = new Connections(checked.config, counts);
    const { user_agent_build_version: _, ...given } = options.bootstrap.node ?? {};
    const node: Node = { ...given, user_agent_name: 'weft', user_agent_version: options.version ?? ownVersion() };
    const ads = checked.config.dynamic_resources?.ads_config;
    const log = this.#log;
    this.#xds = options.worker?.subscriptions ?? new XdsClient({ streams, ads, node, stats, clock, random, log });
    this.#secrets = new SecretStore(this.#xds, checked.config.static_resources?.secrets ?? []);
    const runtimeStats = options.worker
      ? new RuntimeStats()
      : stats.share('runtime.', 'runtime_', {}, () => new RuntimeStats());
    this.#runtime = new Runtime(checked.config.layered_runtime, random, runtimeStats);
    this.#routes = new RouteStore(this.#xds, clock, this.#runtime);
    const shared = { stats, clock, random, queue, secrets: this.#secrets };
    this.clusters = new ClusterManager({
      ...shared,
      counts,
      judging:
        options.worker?.judging ?? (counts && { type: 'here', tell: (...told) => this.#workers?.judged(...told) }),
      subscriptions: this.#xds,
      resolve: resolveHost,
      readRuntime: (key, otherwise) => this.#runtime.number(key, otherwise),
      local: localProxies(options.bootstrap.node, checked.config.cluster_manager?.local_cluster_name),
    });
    const logStats = stats.share('access_logs.grpc_access_log.', 'access_logs_grpc_access_log_', {}, () => {
      return new GrpcAccessLogStats();
    });
    this.#logs = new AccessLogs({ streams, node, clock, stats: logStats, log, runtime: this.#runtime });
    this.#listeners = new ListenerManager({
      ...shared,
      routes: this.#routes,
      logs: this.#logs,
      findCluster: (name) => this.clusters.get(name),
      calls: upstreamCalls((name) => this.clusters.get(name), clock),
      budget: this.#connections,
      runtime: this.#runtime,
      counts,
      serviceCluster: node.cluster ?? '',
      nodeId: node.id ?? '',
      zone: node.locality?.zone ?? '',
      isFailed: () => !this.#isHealthy || this.#state === 'DRAINING',
      isDraining: (direction, type) => this.#draining.isAsked(direction) || (type === 'DEFAULT' && !this.#isHealthy),
      inherited: this.#inheritedHere,
      share: options.worker ? 'other' : this.#inherited.length > 1 ? 'first' : 'only',
      log,
      drainMs: options.drainMs ?? DEFAULT_DRAIN_MS,
      onSettled: () => this.#checkReady(),
      onStaticTrouble: (message) => this.#failed.resolve(message),
    });
    // Until it has taken over, the process before this one has the paths.
    this.keepPaths((options.inherited ?? []).length > 0);
    this.#keepServerStats();
  }

  // Coming up: clusters, then what the control plane has of them, then listeners.

  async start(): Promise<void> {
    const { config, clusters } = this.#checked;
    await this.#startAdmin();
    await this.#startWorkers();
    for (const cluster of clusters) requireNoIssues(this.clusters.apply(cluster, '', true));
    this.#state = 'INITIALIZING';
    const cds = config.dynamic_resources?.cds_config;
    if (!cds) {
      this.clusters.whenSettled(() => this.#startListeners());
      return;
    }
    // The control plane may be one of those whose names are still being resolved.
    this.clusters.whenSettled(() => this.#watchClusters(cds));
  }

  #watchClusters(cds: ResourceSource): void {
    const begin = once(() => this.clusters.whenSettled(() => this.#startListeners()));
    this.#giveUpAfter(cds.initialFetchTimeoutMs, 'clusters', begin);
    this.#xds.watchAll(cds, 'cluster', {
      onUpdate: (update) => {
        const issues = this.#take(update, (resource, version) => this.clusters.apply(resource, version, false));
        for (const name of update.removed) this.clusters.remove(name);
        begin();
        return issues;
      },
    });
  }

  #giveUpAfter(timeoutMs: number, what: string, giveUp: () => void): void {
    if (timeoutMs <= 0) return;
    this.#clock.after(timeoutMs, () => {
      if (this.#state !== 'LIVE') this.#log.warn({}, `no ${what} came within ${timeoutMs} ms; going on without`);
      giveUp();
    });
  }

  #startListeners(): void {
    const { config } = this.#checked;
    for (const listener of config.static_resources?.listeners ?? []) {
      requireNoIssues(this.#listeners.apply(listener, '', true));
    }
    const lds = config.dynamic_resources?.lds_config;
    const begin = once(() => {
      this.#isListening = true;
      this.#checkReady();
    });
    if (!lds) {
      begin();
      return;
    }
    this.#giveUpAfter(lds.initialFetchTimeoutMs, 'listeners', begin);
    this.#xds.watchAll(lds, 'listener', {
      onUpdate: (update) => {
        for (const name of update.removed) {
          this.#listeners.remove(name);
          this.#refused.delete(name);
        }
        const issues = this.#take(update, (resource, version, name) => this.#applyListener(resource, version, name));
        begin();
        return issues;
      },
    });
  }

  #applyListener(resource: unknown, version: string, name: string): readonly ConfigIssue[] {
    const issues = this.#listeners.apply(resource, version, false);
    if (issues.length === 0) this.#refused.delete(name);
    else {
      const entry = { name, address: '', resource, version, isStatic: false, updatedMs: this.#clock.wallMs() };
      this.#refused.set(name, { ...entry, state: 'refused', issues: issuesText(issues) });
    }
    return issues;
  }

  /** Takes every resource of an update that is right; gives what is wrong with the others, by name. */
  #take(
    { changed }: CollectionUpdate,
    apply: (resource: unknown, version: string, name: string) => readonly ConfigIssue[],
  ): readonly ResourceIssue[] {
    return changed.flatMap(({ name, version, resource }) =>
      apply(resource, version, name).map((issue) => ({ name, ...issue })),
    );
  }

  #checkReady(): void {
    if (!this.#isListening || this.#state !== 'INITIALIZING' || !this.#listeners.isSettled) return;
    if (this.#workers && !this.#workers.isReady) return;
    this.#state = 'LIVE';
    this.#inheritedHere.closeRest();
    this.#listeners.stats.workers_started = 1;
    this.#log.info({ ms: Math.round(this.#clock.monotonicMs() - this.#startedAt) }, 'all is in use');
    this.#ready.resolve();
  }

  async #startWorkers(): Promise<void> {
    const [, ...shares] = this.#inherited;
    if (shares.length === 0) return;
    await shareAddresses(this.#inherited.flat());
    const { WorkerGroup } = await import('./workers/group.ts');
    const { bootstrap, logLevel = 'info', drainMs = DEFAULT_DRAIN_MS, version = ownVersion(), counts } = this.#options;
    const { drainStrategy = 'gradual' } = this.#options;
    const shared = {
      bootstrap,
      logLevel,
      drainMs,
      drainStrategy,
      version,
      counts: counts?.memory,
      compileCache: compileCache(),
    };
    this.#workers = new WorkerGroup({
      starts: shares.map((inherited) => ({ ...shared, inherited })),
      subscriptions: this.#xds,
      stats: this.stats,
      takeEvidence: (...evidence) => this.clusters.takeEvidence(...evidence),
      log: this.#log,
      onReady: () => this.#checkReady(),
      onFailed: (why) => this.#failed.resolve(why),
    });
  }

  async #startAdmin(): Promise<void> {
    const address = this.#checked.config.admin?.address;
    if (!address || this.#endAdmin) return;
    const { startAdmin } = await import('./admin/server.ts');
    const admin = await startAdmin(this.#adminContext(), address);
    this.adminAddress = admin.address;
    this.#endAdmin = () => admin.close();
  }

  // What others ask.

  isReady(): boolean {
    return this.#state === 'LIVE';
  }

  ready(): Promise<void> {
    return this.#ready.promise;
  }

  failed(): Promise<string> {
    return this.#failed.promise;
  }

  troubles(): readonly string[] {
    return [
      ...this.#listeners.troubles,
      ...[...this.#refused.values()].map(({ name, issues }) => `${name}: ${issues}`),
    ];
  }

  activeRequests(direction?: DrainRequest['direction']): number {
    return this.#listeners.active(appliesTo(direction));
  }

  async drain(request: DrainRequest): Promise<void> {
    await Promise.all([this.#drain(request), this.#workers?.order({ type: 'drain', request })]);
  }

  async #drain({ timeoutMs, direction }: DrainRequest): Promise<void> {
    const applies = appliesTo(direction);
    const clock = this.#clock;
    const endMs = clock.monotonicMs() + timeoutMs;
    let quietSinceMs = clock.monotonicMs();
    let served = this.#listeners.served(applies);
    this.#draining.begin(direction, 0);
    if (direction === undefined) this.#state = 'DRAINING';
    await this.#listeners.stopListening(applies);
    while (clock.monotonicMs() < endMs && this.#listeners.connections(applies) > 0) {
      const nowMs = clock.monotonicMs();
      const servedNow = this.#listeners.served(applies);
      if (this.#listeners.active(applies) > 0 || servedNow !== served) quietSinceMs = nowMs;
      served = servedNow;
      if (nowMs - quietSinceMs >= QUIET_MS) break;
      await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
    }
    this.#listeners.drain(applies);
  }

  async close(): Promise<void> {
    this.#listeners.close();
    await this.#workers?.close();
    await this.#logs.close();
    this.#xds.close();
    this.clusters.close();
    await this.closeAdmin();
  }

  async closeAdmin(): Promise<void> {
    const end = this.#endAdmin;
    this.#endAdmin = undefined;
    await end?.();
  }

  openAdmin(): Promise<void> {
    return this.#startAdmin();
  }

  keepPaths(keeps: boolean): void {
    this.#listeners.keepsPaths = keeps;
  }

  connections(): number {
    return this.#connections.active;
  }

  setParentConnections(connections: number): void {
    this.#parentConnections = connections;
  }

  sockets(): readonly ListeningSocket[] {
    return this.#listeners.sockets();
  }

  async allSockets(): Promise<readonly ListeningSocket[]> {
    await this.#workers?.refresh();
    return [...this.sockets(), ...(this.#workers?.sockets ?? [])];
  }

  setHealthy(isHealthy: boolean): void {
    this.#isHealthy = isHealthy;
    void this.#workers?.order({ type: 'health', isHealthy });
  }

  overrideRuntime(changes: readonly RuntimeChange[]): boolean {
    void this.#workers?.order({ type: 'runtime', changes });
    return this.#runtime.override(changes);
  }

  setLogLevel(level: LogLevel): void {
    this.#log.level = level;
    void this.#workers?.order({ type: 'log-level', level });
  }

  reopenLogs(): void {
    this.#logs.reopen();
    void this.#workers?.order({ type: 'reopen-logs' });
  }

  #resetCounters(): void {
    this.stats.resetCounters();
    void this.#workers?.order({ type: 'reset-counters' });
  }

  // What is shown.

  #keepServerStats(): void {
    const stats = this.stats.share('server.', 'server_', {}, () => new ServerStats());
    this.stats.onRead(() => {
      const { heapUsed, rss } = process.memoryUsage();
      stats.concurrency = this.#options.concurrency ?? 1;
      stats.state = STATES.indexOf(this.#shownState());
      stats.live = this.#shownState() === 'LIVE' ? 1 : 0;
      stats.uptime = Math.floor((this.#clock.monotonicMs() - this.#startedAt) / 1000);
      stats.memory_allocated = heapUsed + (this.#workers?.heap.used ?? 0);
      stats.memory_heap_size = rss;
      stats.total_connections = this.#connections.active + this.#parentConnections;
      stats.parent_connections = this.#parentConnections;
      stats.hot_restart_epoch = this.#options.restartEpoch ?? 0;
    });
  }

  #shownState(): ServerState {
    return this.#isHealthy ? this.#state : 'DRAINING';
  }

  #adminContext(): AdminContext {
    const {
      bootstrap,
      version = ownVersion(),
      commandLine = {},
      hotRestartVersion = 'disabled',
      onQuit,
    } = this.#options;
    return {
      stats: this.stats,
      clusters: this.clusters,
      secrets: this.#secrets,
      runtime: this.#runtime,
      listeners: () => shownListeners(this.#listeners, this.#refused),
      routes: () => shownRoutes(this.#routes, this.#listeners),
      state: () => this.#shownState(),
      refresh: async () => this.#workers?.refresh(),
      countsElsewhere: (cluster, host) => this.#workers?.countsOf(cluster, host),
      heapElsewhere: () => this.#workers?.heap ?? { used: 0, total: 0 },
      logLevel: () => this.#log.level,
      bootstrap,
      node: bootstrap.node ?? {},
      startedMs: this.#startedMs,
      version,
      commandLine,
      hotRestartVersion,
      clock: this.#clock,
      log: this.#log,
      actions: {
        drainListeners: (options) => this.drainListeners(options),
        failHealthcheck: () => this.setHealthy(false),
        okHealthcheck: () => this.setHealthy(true),
        quit: () => onQuit?.(),
        setLogLevel: (level) => this.setLogLevel(level),
        reopenLogs: () => this.reopenLogs(),
        resetCounters: () => this.#resetCounters(),
        overrideRuntime: (changes) => this.overrideRuntime(changes),
      },
    };
  }

  drainListeners(options: DrainListeners): void {
    void this.#workers?.order({ type: 'drain-listeners', options });
    const direction = options.inboundOnly ? 'INBOUND' : undefined;
    const stop = () => {
      if (!options.skipExit) void this.#listeners.stopListening(appliesTo(direction));
    };
    if (!options.graceful) {
      stop();
      return;
    }
    const { drainMs = DEFAULT_DRAIN_MS, drainStrategy } = this.#options;
    this.#draining.begin(direction, drainStrategy === 'immediate' ? 0 : drainMs);
    this.#clock.after(drainMs, stop);
  }
}

/** Where this proxy is, and the cluster of those that balance as it does, as far as the bootstrap says. */
function localProxies(node: Bootstrap['node'], cluster = '') {
  const { region = '', zone = '', sub_zone: subZone = '' } = node?.locality ?? {};
  return { locality: node?.locality && { region, zone, subZone }, cluster };
}

/** Where threads find compiled code; undefined where none is kept. */
function compileCache(): string | undefined {
  // Below the folder that was asked for there is one for each version of Node, which is what Node tells.
  const folder = getCompileCacheDir();
  return folder && dirname(folder);
}

function ownVersion(): string {
  return (createRequire(import.meta.url)('../package.json') as { readonly version: string }).version;
}

/** Has further threads bind the addresses of sockets that were taken over from a process that had one thread. */
async function shareAddresses(sockets: readonly ListeningSocket[]): Promise<void> {
  if (sockets.length === 0) return;
  const calls = await systemCalls();
  for (const { address, descriptor } of sockets) if (!address.startsWith('/')) calls.shareAddress(descriptor);
}

function appliesTo(direction: DrainRequest['direction']): (given: TrafficDirection) => boolean {
  return (given) => direction === undefined || given === direction;
}

function once(run: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    run();
  };
}

/**
 * Starts a proxy. It serves at once what it can, and becomes ready later: {@link RunningProxy.ready}. Throws `WeftError`
 * INVALID_ARGUMENT with everything in the bootstrap that is wrong or not supported, UNAVAILABLE where the address of the
 * admin interface is taken.
 */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const checked = checkBootstrap(options.bootstrap);
  requireNoIssues(checked.issues);
  const server = new ProxyServer({ ...options, counts: await countsOf(options) }, checked);
  try {
    await server.start();
    return server;
  } catch (error) {
    await server.close();
    throw error;
  }
}

async function countsOf({ counts, concurrency = 1 }: ProxyOptions): Promise<SharedCounts | undefined> {
  if (counts || concurrency === 1) return counts;
  const { SharedCounts: Shared } = await import('./counts/shared-counts.ts');
  return Shared.make();
}
