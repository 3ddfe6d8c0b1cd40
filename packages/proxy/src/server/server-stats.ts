/** `server.*`: what a proxy counts of itself, brought up to date whenever statistics are read. */
import type { ServerState } from '../admin/context.ts';
import { memoryUsage } from '../memory/usage.ts';
import { ServerStats, TlsStats } from '../stats/groups.ts';
import type { StatsRegistry } from '../stats/registry.ts';
import type { HeapBytes } from '../workers/messages.ts';
import type { ProxySettings } from './options.ts';
import type { Parts } from './parts.ts';

/** In the order of Envoy's `server.state`. */
const STATES: readonly ServerState[] = ['LIVE', 'DRAINING', 'PRE_INITIALIZING', 'INITIALIZING'];

export interface Elsewhere {
  /** Heaps of the other threads. */
  heap(): HeapBytes;
  /** Connections that the process before this one still has. */
  parentConnections(): number;
}

const DAY_SECONDS = 86_400;
/** As Envoy has it where there are no certificates. */
const NEVER = 0xffff_ffff;

/** Whole days until the first certificate of a TLS context that is in use ends; 0 where one has. */
export function daysUntilFirstEnd(registry: Pick<StatsRegistry, 'values'>, nowMs: number): number {
  let days = NEVER;
  for (const values of registry.values()) {
    if (!(values instanceof TlsStats)) continue;
    for (const endSeconds of values['certificate.'].values.values()) {
      days = Math.min(days, Math.floor((endSeconds - nowMs / 1000) / DAY_SECONDS));
    }
  }
  return Math.max(0, days);
}

export function keepServerStats(
  { concurrency, restartEpoch }: ProxySettings,
  { stats: registry, life, connections, clock }: Pick<Parts, 'stats' | 'life' | 'connections' | 'clock'>,
  elsewhere: Elsewhere,
): void {
  const stats = registry.share('server.', 'server_', {}, () => new ServerStats());
  registry.onRead(() => {
    const { heapUsed, rss } = memoryUsage();
    const parentConnections = elsewhere.parentConnections();
    stats.concurrency = concurrency;
    stats.state = STATES.indexOf(life.shown);
    stats.live = life.shown === 'LIVE' ? 1 : 0;
    stats.uptime = Math.floor(life.ageMs / 1000);
    stats.memory_allocated = heapUsed + elsewhere.heap().used;
    stats.memory_heap_size = rss;
    stats.total_connections = connections.active + parentConnections;
    stats.parent_connections = parentConnections;
    stats.hot_restart_epoch = restartEpoch;
    stats.days_until_first_cert_expiring = daysUntilFirstEnd(registry, clock.wallMs());
  });
}
