/** A snapshot: everything that one proxy is to have, frozen and named by the hash of its content. */
import {
  contentHash,
  type EncodedResource,
  hashOf,
  type Resources,
  SERVED_TYPES,
  type ServedType,
} from './resource.ts';

/** The resources of one type: those that all proxies share, and those of this proxy. */
export interface ResourceSet {
  readonly shared: Resources;
  readonly own: Resources;
}

/** Resources of every type. */
export type Layer = { readonly [T in ServedType]: Resources };

/** What all proxies share, with its hash, computed once for all of them. */
export interface SharedLayer {
  readonly layer: Layer;
  readonly hash: string;
}

export interface Snapshot {
  /** The hash of its content. */
  readonly id: string;
  readonly sets: { readonly [T in ServedType]: ResourceSet };
}

export function lookUp(set: ResourceSet, name: string): EncodedResource | undefined {
  return set.own.get(name) ?? set.shared.get(name);
}

/** Every resource of a set, own first. */
export function* eachResource(set: ResourceSet): Generator<EncodedResource> {
  yield* set.own.values();
  for (const resource of set.shared.values()) {
    if (!set.own.has(resource.name)) yield resource;
  }
}

export const NO_RESOURCES: ResourceSet = Object.freeze({ shared: new Map(), own: new Map() });

/** The layer of a list of resources. */
export function layerOf(resources: Iterable<EncodedResource>): Layer {
  const layer = { cluster: new Map(), endpoint: new Map(), listener: new Map(), route: new Map() };
  for (const resource of resources) layer[resource.type].set(resource.name, resource);
  return layer;
}

/** The snapshot of what is shared and of a proxy's own resources. */
export function createSnapshot(shared: SharedLayer, own: readonly EncodedResource[]): Snapshot {
  const ownLayer = layerOf(own);
  const set = (type: ServedType): ResourceSet => Object.freeze({ shared: shared.layer[type], own: ownLayer[type] });
  const sets = { cluster: set('cluster'), endpoint: set('endpoint'), listener: set('listener'), route: set('route') };
  return Object.freeze({ id: contentHash(`${shared.hash} ${hashOf(own)}`), sets: Object.freeze(sets) });
}

/** References of these resources to what is not in the snapshot; none in a consistent one. */
export function danglingReferences(snapshot: Snapshot, resources: Iterable<EncodedResource>): readonly string[] {
  const dangling: string[] = [];
  for (const { type, name, needs } of resources) {
    for (const needed of ['cluster', 'endpoint', 'route'] as const) {
      for (const reference of needs[needed] ?? []) {
        if (lookUp(snapshot.sets[needed], reference)) continue;
        dangling.push(`${type} ${name} refers to ${needed} ${reference}, which is not in the snapshot`);
      }
    }
  }
  return dangling;
}

/** Every resource of a snapshot. */
export function* allResources(snapshot: Snapshot): Generator<EncodedResource> {
  for (const type of SERVED_TYPES) yield* eachResource(snapshot.sets[type]);
}
