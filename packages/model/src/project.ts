/** What one proxy sees of the mesh. */
import type { Workload } from '@weft/contracts/bus';
import { scopedName } from './key.ts';
import { type Mesh, type MeshService, unknownService } from './mesh.ts';

/** A service that the proxy's application calls by a local port. */
export interface UpstreamView {
  readonly localPort: number;
  readonly service: MeshService;
}

export interface ProxyView {
  /** `<namespace>/<workload id>`. */
  readonly id: string;
  readonly trustDomain: string;
  readonly workload: Workload;
  /** Every service that it can call, by key: all of the mesh. */
  readonly services: readonly MeshService[];
  readonly upstreams: readonly UpstreamView[];
  /** The world that this is a view of. */
  readonly revision: number;
  readonly registryRevision: number;
}

/**
 * The view of the proxy of a workload; undefined while no such workload is registered. A proxy outlives its workload's
 * registration, as it drains: `lastKnown` is what its workload was.
 */
export function project(mesh: Mesh, proxyId: string, lastKnown?: Workload): ProxyView | undefined {
  const workload = mesh.world.workloads.get(proxyId) ?? lastKnown;
  if (!workload) return undefined;
  const missing = new Map<string, MeshService>();
  const upstreams = workload.upstreams.map(({ namespace, service, localPort }) => {
    const key = scopedName(namespace, service);
    const known = mesh.byKey.get(key) ?? missing.get(key) ?? unknownService(mesh.world, namespace, service);
    if (!mesh.byKey.has(key)) missing.set(key, known);
    return { localPort, service: known };
  });
  const services = missing.size === 0 ? mesh.services : [...mesh.services, ...missing.values()];
  const { trustDomain, revision, registryRevision } = mesh.world;
  return Object.freeze({ id: proxyId, trustDomain, workload, services, upstreams, revision, registryRevision });
}
