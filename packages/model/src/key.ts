/** How resources, workloads and services are named in maps and texts. */
import type { ResourceKey } from '@weft/contracts/bus';

/** `HTTPRoute/shop/canary`. */
export function keyText(key: ResourceKey): string {
  return `${key.kind}/${key.namespace}/${key.name}`;
}

/** `shop/stock`: the name of a service, and of a workload with its id in place of the service. */
export function scopedName(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/** The key alone of a resource, or of anything that has one. */
export function resourceKey({ kind, namespace, name }: ResourceKey): ResourceKey {
  return { kind, namespace, name };
}
