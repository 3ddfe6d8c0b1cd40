/** What the admin interface is given of a proxy. */
import type { AdminActions, AdminContext, AdminListener } from '../admin/context.ts';
import type { WorkerGroup } from '../workers/group.ts';
import type { ProxySettings } from './options.ts';
import type { Parts } from './parts.ts';
import { shownListeners, shownRoutes } from './shown.ts';

/** `refused`: listeners whose last version cannot be used, by name. `workers`: the other threads, where there are any. */
export function adminContext(
  { bootstrap, version, commandLine, hotRestartVersion }: ProxySettings,
  { stats, clusters, secrets, runtime, listeners, routes, life, log, clock }: Parts,
  refused: ReadonlyMap<string, AdminListener>,
  workers: () => WorkerGroup | undefined,
  actions: AdminActions,
): AdminContext {
  return {
    stats,
    clusters,
    secrets,
    runtime,
    listeners: () => shownListeners(listeners, refused),
    routes: () => shownRoutes(routes, listeners),
    state: () => life.shown,
    refresh: async (what) => (what === 'counts' ? workers()?.refreshCounts() : workers()?.refresh()),
    countsElsewhere: (cluster, host) => workers()?.countsOf(cluster, host),
    heapElsewhere: () => workers()?.heap ?? { used: 0, total: 0 },
    logLevel: () => log.level,
    bootstrap,
    node: bootstrap.node ?? {},
    startedMs: life.startedMs,
    ageMs: () => life.ageMs,
    version,
    commandLine,
    hotRestartVersion,
    clock,
    log,
    actions,
  };
}
