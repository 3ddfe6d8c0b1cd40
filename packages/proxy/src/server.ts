/**
 * The proxy as a whole: what it starts from, in which order its parts come up, how it drains and ends
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/operations/init).
 */
import type { ClusterManager } from './cluster/manager.ts';
import { type CheckedBootstrap, checkBootstrap, requireNoIssues } from './config/check.ts';
import type { SharedCounts } from './counts/shared-counts.ts';
import type { DrainListeners, DrainRequest } from './drain.ts';
import type { ListeningSocket } from './listener/inherited.ts';
import type { LogLevel } from './log.ts';
import { FreedMemory } from './memory/freed.ts';
import type { RuntimeChange } from './runtime/runtime.ts';
import { adminContext } from './server/admin-context.ts';
import { appliesTo, drain, drainListeners } from './server/leave.ts';
import { type ProxyOptions, type ProxySettings, settingsOf } from './server/options.ts';
import { makeParts, type Parts } from './server/parts.ts';
import { Resources } from './server/resources.ts';
import type { RunningProxy } from './server/running-proxy.ts';
import { keepServerStats } from './server/server-stats.ts';
import { startWorkers } from './server/start-workers.ts';
import type { StatsRegistry } from './stats/registry.ts';
import type { WorkerGroup } from './workers/group.ts';

export type { ProxyOptions } from './server/options.ts';
export type { RunningProxy } from './server/running-proxy.ts';

class ProxyServer implements RunningProxy {
  readonly #settings: ProxySettings;
  readonly #checked: CheckedBootstrap;
  readonly #parts: Parts;
  readonly #resources: Resources;
  readonly stats: StatsRegistry;
  readonly clusters: ClusterManager;
  #workers: WorkerGroup | undefined;
  /** Of the whole process, whatever thread it served. */
  readonly #freedMemory: FreedMemory | undefined;
  #parentConnections = 0;
  readonly #ready = Promise.withResolvers<void>();
  readonly #failed = Promise.withResolvers<string>();
  /** Whether every listener that is known at first was taken. */
  #isListening = false;
  #endAdmin: (() => Promise<void>) | undefined;
  adminAddress: string | undefined;

  constructor(settings: ProxySettings, checked: CheckedBootstrap) {
    this.#settings = settings;
    this.#checked = checked;
    this.#parts = makeParts(settings, checked, {
      judged: (...told) => this.#workers?.judged(...told),
      onSettled: () => this.#checkReady(),
      onStaticTrouble: (message) => this.#failed.resolve(message),
    });
    this.#resources = new Resources(this.#parts, checked, () => {
      this.#isListening = true;
      this.#checkReady();
    });
    this.stats = this.#parts.stats;
    this.clusters = this.#parts.clusters;
    if (!settings.worker) this.#freedMemory = new FreedMemory({ clock: this.#parts.clock });
    // Until it has taken over, the process before this one has the paths.
    this.keepPaths(settings.inherited.length > 0);
    keepServerStats(settings, this.#parts, {
      heap: () => this.#heapElsewhere(),
      parentConnections: () => this.#parentConnections,
    });
  }

  // Coming up.

  async start(): Promise<void> {
    await this.openAdmin();
    this.#workers = await startWorkers(this.#settings, this.#parts, {
      onReady: () => this.#checkReady(),
      onFailed: (why) => this.#failed.resolve(why),
    });
    this.#resources.start();
  }

  #checkReady(): void {
    const { life, listeners, inheritedHere, log } = this.#parts;
    if (!this.#isListening || life.state !== 'INITIALIZING' || !listeners.isSettled) return;
    if (this.#workers && !this.#workers.isReady) return;
    life.state = 'LIVE';
    inheritedHere.closeRest();
    listeners.stats.workers_started = 1;
    log.info({ ms: Math.round(life.ageMs) }, 'all is in use');
    this.#ready.resolve();
  }

  isReady(): boolean {
    return this.#parts.life.state === 'LIVE';
  }

  ready(): Promise<void> {
    return this.#ready.promise;
  }

  failed(): Promise<string> {
    return this.#failed.promise;
  }

  troubles(): readonly string[] {
    return [
      ...this.#parts.listeners.troubles,
      ...[...this.#resources.refused.values()].map(({ name, issues }) => `${name}: ${issues}`),
    ];
  }

  // The admin interface.

  async openAdmin(): Promise<void> {
    const address = this.#checked.config.admin?.address;
    if (!address || this.#endAdmin) return;
    const { startAdmin } = await import('./admin/server.ts');
    const context = adminContext(this.#settings, this.#parts, this.#resources.refused, () => this.#workers, {
      drainListeners: (options) => this.drainListeners(options),
      failHealthcheck: () => this.setHealthy(false),
      okHealthcheck: () => this.setHealthy(true),
      quit: () => this.#settings.onQuit?.(),
      setLogLevel: (level) => this.setLogLevel(level),
      reopenLogs: () => this.reopenLogs(),
      resetCounters: () => this.#resetCounters(),
      overrideRuntime: (changes) => this.overrideRuntime(changes),
    });
    const admin = await startAdmin(context, address);
    this.adminAddress = admin.address;
    this.#endAdmin = () => admin.close();
  }

  async closeAdmin(): Promise<void> {
    const end = this.#endAdmin;
    this.#endAdmin = undefined;
    await end?.();
  }

  // What holds for every thread.

  setHealthy(isHealthy: boolean): void {
    this.#parts.life.isHealthy = isHealthy;
    void this.#workers?.order({ type: 'health', isHealthy });
  }

  overrideRuntime(changes: readonly RuntimeChange[]): boolean {
    void this.#workers?.order({ type: 'runtime', changes });
    return this.#parts.runtime.override(changes);
  }

  setLogLevel(level: LogLevel): void {
    this.#parts.log.level = level;
    void this.#workers?.order({ type: 'log-level', level });
  }

  reopenLogs(): void {
    this.#parts.logs.reopen();
    void this.#workers?.order({ type: 'reopen-logs' });
  }

  #resetCounters(): void {
    this.stats.resetCounters();
    void this.#workers?.order({ type: 'reset-counters' });
  }

  #heapElsewhere() {
    return this.#workers?.heap ?? { used: 0, total: 0 };
  }

  // Taking over from another process.

  keepPaths(keeps: boolean): void {
    this.#parts.listeners.keepsPaths = keeps;
    void this.#workers?.order({ type: 'keep-paths', keeps });
  }

  sockets(): readonly ListeningSocket[] {
    return this.#parts.listeners.sockets();
  }

  async allSockets(): Promise<readonly ListeningSocket[]> {
    return [...this.sockets(), ...((await this.#workers?.sockets()) ?? [])];
  }

  connections(): number {
    return this.#parts.connections.active;
  }

  setParentConnections(connections: number): void {
    this.#parentConnections = connections;
  }

  // Going.

  activeRequests(direction?: DrainRequest['direction']): number {
    return this.#parts.listeners.active(appliesTo(direction));
  }

  drainListeners(options: DrainListeners): void {
    void this.#workers?.order({ type: 'drain-listeners', options });
    drainListeners(this.#parts, options, this.#settings);
  }

  async drain(request: DrainRequest): Promise<void> {
    await Promise.all([drain(this.#parts, request), this.#workers?.order({ type: 'drain', request })]);
  }

  async close(): Promise<void> {
    const { listeners, logs, xds, clusters } = this.#parts;
    this.#freedMemory?.close();
    listeners.close();
    await this.#workers?.close();
    await logs.close();
    xds.close();
    clusters.close();
    await this.closeAdmin();
  }
}

/**
 * Starts a proxy. It serves at once what it can, and becomes ready later: {@link RunningProxy.ready}. Throws `WeftError`
 * INVALID_ARGUMENT with everything in the bootstrap that is wrong or not supported, UNAVAILABLE where the address of the
 * admin interface is taken.
 */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const checked = checkBootstrap(options.bootstrap);
  requireNoIssues(checked.issues);
  const settings = settingsOf(options);
  const server = new ProxyServer({ ...settings, counts: await countsOf(settings) }, checked);
  try {
    await server.start();
    return server;
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** Loaded only where there are threads to count together. */
async function countsOf({ counts, concurrency }: ProxySettings): Promise<SharedCounts | undefined> {
  if (counts || concurrency === 1) return counts;
  const { SharedCounts: Shared } = await import('./counts/shared-counts.ts');
  return Shared.make();
}
