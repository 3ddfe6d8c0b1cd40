/** `server.*`: what a proxy counts of itself, brought up to date whenever statistics are read. */
import type { ServerState } from '../admin/context.ts';
import { ServerStats } from '../stats/groups.ts';
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

export function keepServerStats(
  { concurrency, restartEpoch }: ProxySettings,
  { stats: registry, life, connections }: Pick<Parts, 'stats' | 'life' | 'connections'>,
  elsewhere: Elsewhere,
): void {
  const stats = registry.share('server.', 'server_', {}, () => new ServerStats());
  registry.onRead(() => {
    const { heapUsed, rss } = process.memoryUsage();
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
  });
}
