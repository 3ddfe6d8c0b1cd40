/** Who is who on an edge: services from what is proved and from names of the Envoy API. */
import type { StateEvent } from '@weft/bus';
import type { Workload } from '@weft/contracts/bus';
import { formatSpiffeId, parseSpiffeId, type SpiffeId } from '@weft/identity';

/** The name of a side that proved no identity, or that is not in the mesh. */
export const UNKNOWN = 'unknown';

/** Which services the workloads in the registry are, by workload and by identity. */
export class ServiceNames {
  readonly #byKey = new Map<string, { readonly spiffeId: string; readonly service: string }>();
  /** By SPIFFE ID, how many workloads are which service. */
  readonly #byIdentity = new Map<string, Map<string, number>>();

  observe(event: StateEvent<Workload>): void {
    if (event.type === 'synced') return;
    this.#forget(event.key);
    if (event.type === 'delete') return;
    const { spiffeId, namespace, service } = event.value;
    const name = `${namespace}/${service}`;
    this.#byKey.set(event.key, { spiffeId, service: name });
    const services = this.#byIdentity.get(spiffeId) ?? new Map<string, number>();
    services.set(name, (services.get(name) ?? 0) + 1);
    this.#byIdentity.set(spiffeId, services);
  }

  #forget(key: string): void {
    const known = this.#byKey.get(key);
    if (!known) return;
    this.#byKey.delete(key);
    const services = this.#byIdentity.get(known.spiffeId);
    const left = (services?.get(known.service) ?? 0) - 1;
    if (left > 0) services?.set(known.service, left);
    else services?.delete(known.service);
    if (services?.size === 0) this.#byIdentity.delete(known.spiffeId);
  }

  /** The service of the proxy that sends; its node id counts only where the registry knows it under that identity. */
  ofSender(sender: SpiffeId, nodeId: string): string {
    const known = this.#byKey.get(nodeId);
    if (known?.spiffeId === formatSpiffeId(sender)) return known.service;
    return this.ofIdentity(sender);
  }

  /** The service of an identity: that of all its workloads where they are one service, else of its own name. */
  ofIdentity(identity: SpiffeId): string {
    const services = this.#byIdentity.get(formatSpiffeId(identity));
    const [only] = services?.keys() ?? [];
    return only && services?.size === 1 ? only : `${identity.namespace}/${identity.serviceAccount}`;
  }
}

/** The identity that a peer's certificate names, when it is one of the mesh. */
export function peerIdentity(uris: readonly (string | undefined)[], trustDomain: string): SpiffeId | undefined {
  const [uri, ...more] = uris.filter((found) => found !== undefined);
  if (uri === undefined || more.length > 0 || !uri.startsWith(`spiffe://${trustDomain}/ns/`)) return undefined;
  try {
    return parseSpiffeId(uri);
  } catch {
    // Not an identity of Weft's form; whoever it is, the mesh does not know them.
    return undefined;
  }
}

/** The service that a cluster of an outbound listener leads to: `outbound/<namespace>/<service>`. */
export function serviceOfCluster(cluster: string): string {
  return /^outbound\/([a-z0-9-]{1,63}\/[a-z0-9-]{1,63})$/.exec(cluster)?.[1] ?? UNKNOWN;
}
