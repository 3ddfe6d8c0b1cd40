/** Worlds for tests, made of documents as users write them. */
import type { Workload } from '@weft/contracts/bus';
import { applyWorkloads, EMPTY_WORLD, foldChangeSets, resourceKey, type World } from '@weft/model';
import { readResource } from './kinds.ts';

export interface WorldSketch {
  /** Each applied on its own, so that the first has revision 1. */
  readonly documents?: readonly object[];
  readonly workloads?: readonly Workload[];
}

/** The world of the trust domain `weft.test` after these documents were applied and these workloads registered. */
export function sketchWorld({ documents = [], workloads = [] }: WorldSketch): World {
  const changeSets = documents.map((document, index) => {
    const json = JSON.stringify(document);
    const parsed = readResource(json);
    if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.violations));
    const operations = [{ action: 'PUT' as const, key: resourceKey(parsed.resource), json }];
    return { sequence: index + 1, value: { author: 'test', atMs: 0, reason: '', operations } };
  });
  const world = foldChangeSets({ ...EMPTY_WORLD, trustDomain: 'weft.test' }, changeSets, readResource);
  const changes = workloads.map((value) => ({ type: 'put' as const, key: `${value.namespace}/${value.id}`, value }));
  return applyWorkloads(world, changes, changes.length);
}

interface RouteSketch {
  readonly kind?: 'HTTPRoute' | 'TCPRoute';
  readonly name?: string;
  readonly namespace?: string;
  readonly parent: string;
  readonly rules: readonly object[];
}

/** An HTTPRoute of the namespace `shop` as a user writes it. */
export function sketchRoute({
  kind = 'HTTPRoute',
  name = 'route',
  namespace = 'shop',
  parent,
  rules,
}: RouteSketch): object {
  return {
    apiVersion: kind === 'HTTPRoute' ? 'gateway.networking.k8s.io/v1' : 'gateway.networking.k8s.io/v1alpha2',
    kind,
    metadata: { name, namespace },
    spec: { parentRefs: [{ group: '', kind: 'Service', name: parent, namespace: 'shop' }], rules },
  };
}

/** A Service of the namespace `shop` as a user writes it. */
export function sketchService(name: string, spec: object = {}): object {
  return { apiVersion: 'weft.mesh/v1', kind: 'Service', metadata: { name, namespace: 'shop' }, spec };
}
