/** How far the proxies are with a revision of the configuration. */
import type { ProxyNack, RolloutStatus } from '@weft/contracts/admin';
import type { ProxyStatus } from '@weft/contracts/bus';
import { sleepUntil } from './sleep.ts';
import type { MeshView } from './view.ts';

/** Changes of many proxies within this time are told together. */
const GATHER_MS = 20;

/** Whether an xds-server hears of the proxy. */
export function isConnected(proxy: ProxyStatus): boolean {
  return proxy.xdsInstance !== '';
}

/** The refusals that stand, of connected proxies. */
export function nacksOf(proxies: Iterable<ProxyStatus>): readonly ProxyNack[] {
  return [...proxies].filter(isConnected).flatMap(({ id, nacks }) => nacks.map((nack) => ({ proxyId: id, nack })));
}

export function rolloutStatus(proxies: ReadonlyMap<string, ProxyStatus>, revision: number): RolloutStatus {
  const connected = [...proxies.values()].filter(isConnected);
  const acknowledged = connected.filter((proxy) => proxy.acknowledgedRevision >= revision).length;
  return { revision, proxies: connected.length, acknowledged, nacks: nacksOf(connected) };
}

/** A proxy that has been sent the revision, and stands by a refusal. */
function refuses(proxy: ProxyStatus, revision: number): boolean {
  return proxy.sentRevision >= revision && proxy.nacks.length > 0;
}

/** Whether nothing more is to come: every connected proxy has acknowledged the revision, or refuses it. */
export function isSettled(proxies: ReadonlyMap<string, ProxyStatus>, revision: number): boolean {
  return [...proxies.values()].every(
    (proxy) => !isConnected(proxy) || proxy.acknowledgedRevision >= revision || refuses(proxy, revision),
  );
}

function isSame(some: RolloutStatus, other: RolloutStatus | undefined): boolean {
  if (some.acknowledged !== other?.acknowledged || some.proxies !== other.proxies) return false;
  return some.nacks.length === other.nacks.length;
}

/** Tells the status now and on each change, until it is settled. */
export async function* watchRollout(
  view: MeshView,
  revision: number,
  signal: AbortSignal,
): AsyncGenerator<RolloutStatus> {
  let told: RolloutStatus | undefined;
  while (!signal.aborted) {
    const status = rolloutStatus(view.proxies, revision);
    if (!isSame(status, told)) yield status;
    told = status;
    if (isSettled(view.proxies, revision)) return;
    const isNews = () => isSettled(view.proxies, revision) || !isSame(rolloutStatus(view.proxies, revision), told);
    await view.when(isNews, signal);
    await sleepUntil(GATHER_MS, signal);
  }
}
