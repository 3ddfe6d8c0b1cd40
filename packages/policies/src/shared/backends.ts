/** Where the traffic of a rule goes, in Envoy's words. */
import { type Backend, referenceKey } from '@weft/model';

/** What routes may refer to: why a service's cluster is not there, or undefined when it is. */
export type ClusterTrouble = (serviceKey: string) => string | undefined;

export interface WeightedCluster {
  readonly name: string;
  readonly weight: number;
}

export type Destination =
  | { readonly type: 'cluster'; readonly cluster: string }
  | { readonly type: 'weighted'; readonly clusters: readonly WeightedCluster[] }
  /** No backend has a weight. */
  | { readonly type: 'none' }
  /** A backend's cluster is not there. */
  | { readonly type: 'missing'; readonly reason: string };

/** Where the backends of a route of that namespace lead. */
export function destination(
  backends: readonly Backend[],
  from: { readonly namespace: string },
  trouble: ClusterTrouble,
): Destination {
  const clusters: WeightedCluster[] = [];
  for (const backend of backends) {
    if (backend.weight === 0) continue;
    const key = referenceKey(backend, from);
    const reason = trouble(key);
    if (reason !== undefined) return { type: 'missing', reason: `${key}: ${reason}` };
    clusters.push({ name: `outbound/${key}`, weight: backend.weight });
  }
  const [only, ...others] = clusters;
  if (!only) return { type: 'none' };
  return others.length === 0 ? { type: 'cluster', cluster: only.name } : { type: 'weighted', clusters };
}
