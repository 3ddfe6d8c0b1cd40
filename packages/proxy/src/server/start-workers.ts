/** How the threads beside the first are started. */
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import type { ListeningSocket } from '../listener/inherited.ts';
import { systemCalls } from '../net/system-calls.ts';
import type { WorkerGroup, WorkerGroupOptions } from '../workers/group.ts';
import type { WorkerStart } from '../workers/messages.ts';
import type { ProxySettings } from './options.ts';
import type { Parts } from './parts.ts';

/** Starts a thread for each share of the sockets but the first; undefined: there are no others. */
export async function startWorkers(
  { bootstrap, logLevel, drainMs, drainStrategy, version, counts, ticketSecret }: ProxySettings,
  { inherited, xds, stats, clusters, log }: Parts,
  told: Pick<WorkerGroupOptions, 'onReady' | 'onFailed'>,
): Promise<WorkerGroup | undefined> {
  const [, ...shares] = inherited;
  if (shares.length === 0) return undefined;
  await shareAddresses(inherited.flat());
  const { WorkerGroup: Group } = await import('../workers/group.ts');
  const shared: Omit<WorkerStart, 'inherited'> = {
    bootstrap,
    logLevel,
    drainMs,
    drainStrategy,
    version,
    counts: counts?.memory,
    compileCache: compileCache(),
    ticketSecret,
  };
  return new Group({
    ...told,
    starts: shares.map((share) => ({ ...shared, inherited: share })),
    subscriptions: xds,
    stats,
    takeEvidence: (...evidence) => clusters.takeEvidence(...evidence),
    log,
  });
}

/** Has further threads bind the addresses of sockets that were taken over from a process that had one thread. */
async function shareAddresses(sockets: readonly ListeningSocket[]): Promise<void> {
  if (sockets.length === 0) return;
  const calls = await systemCalls();
  for (const { address, descriptor } of sockets) if (!address.startsWith('/')) calls.shareAddress(descriptor);
}

/** Where threads find compiled code; undefined where none is kept. */
function compileCache(): string | undefined {
  // Below the folder that was asked for there is one for each version of Node, which is what Node tells.
  const folder = getCompileCacheDir();
  return folder && dirname(folder);
}
