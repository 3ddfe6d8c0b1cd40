/**
 * The world: everything that the control plane knows of the mesh at one moment, as one frozen value. A change makes a
 * new world that shares all that did not change, so that whoever derives something can tell by identity what is new.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ChangeSet, Operation, Problem, Workload } from '@weft/contracts/bus';
import { keyText } from './key.ts';
import { type ParsedDocument, type Resource, type ResourceDocument, violationsText } from './resource.ts';

export interface World {
  /** Empty until it is known. */
  readonly trustDomain: string;
  /** Of the configuration: the sequence of the newest change-set. */
  readonly revision: number;
  /** Of the registry: the revision of its newest entry or deletion. */
  readonly registryRevision: number;
  /** By `<Kind>/<namespace>/<name>`. */
  readonly resources: ReadonlyMap<string, Resource>;
  /** By `<namespace>/<workload id>`. */
  readonly workloads: ReadonlyMap<string, Workload>;
  /** Resources of the log that could not be read, by key; an earlier version that could be still stands. */
  readonly problems: ReadonlyMap<string, Problem>;
}

/** The world before anything is known. */
export const EMPTY_WORLD: World = Object.freeze({
  trustDomain: '',
  revision: 0,
  registryRevision: 0,
  resources: new Map(),
  workloads: new Map(),
  problems: new Map(),
});

/** One change-set with its place in the log. */
export interface NumberedChangeSet {
  readonly sequence: number;
  readonly value: ChangeSet;
}

/** How the JSON of a resource is read; `readResource` of `@weft/policies`. */
export type ReadResource = (json: string) => ParsedDocument;

interface Draft {
  readonly resources: Map<string, Resource>;
  readonly problems: Map<string, Problem>;
}

function sameDocument(resource: Resource, document: ResourceDocument): boolean {
  return isDeepStrictEqual(resource.labels, document.labels) && isDeepStrictEqual(resource.spec, document.spec);
}

function put(draft: Draft, key: string, document: ResourceDocument, revision: number): void {
  const before = draft.resources.get(key);
  if (before && sameDocument(before, document)) return;
  const createdRevision = before?.createdRevision ?? revision;
  draft.resources.set(key, Object.freeze({ ...document, revision, createdRevision }));
}

function applyOperation(draft: Draft, operation: Operation, revision: number, read: ReadResource): void {
  if (!operation.key) return;
  const key = keyText(operation.key);
  draft.problems.delete(key);
  if (operation.action === 'DELETE') {
    draft.resources.delete(key);
    return;
  }
  const parsed = read(operation.json);
  if (parsed.type === 'invalid') {
    const message = violationsText(operation.key, parsed.violations);
    draft.problems.set(key, { key: operation.key, message, revision });
  } else if (keyText(parsed.resource) !== key) {
    const message = `${key} holds ${keyText(parsed.resource)}; apply it again`;
    draft.problems.set(key, { key: operation.key, message, revision });
  } else put(draft, key, parsed.resource, revision);
}

/** The world after these change-sets, in order; those that it already has are passed over. */
export function foldChangeSets(world: World, changeSets: Iterable<NumberedChangeSet>, read: ReadResource): World {
  const draft: Draft = { resources: new Map(world.resources), problems: new Map(world.problems) };
  let revision = world.revision;
  for (const { sequence, value } of changeSets) {
    if (sequence <= revision) continue;
    revision = sequence;
    for (const operation of value.operations) applyOperation(draft, operation, sequence, read);
  }
  return revision === world.revision ? world : Object.freeze({ ...world, ...draft, revision });
}

/** The world after one change-set. */
export function applyChangeSet(world: World, changeSet: NumberedChangeSet, read: ReadResource): World {
  return foldChangeSets(world, [changeSet], read);
}

/** A change of the registry. */
export type WorkloadChange =
  | { readonly type: 'put'; readonly key: string; readonly value: Workload }
  | { readonly type: 'delete'; readonly key: string };

/** The world after these changes of the registry, the last of which has that revision. */
export function applyWorkloads(world: World, changes: Iterable<WorkloadChange>, registryRevision: number): World {
  const workloads = new Map(world.workloads);
  let changed = false;
  for (const change of changes) {
    if (change.type === 'delete') changed = workloads.delete(change.key) || changed;
    else if (!isDeepStrictEqual(workloads.get(change.key), change.value)) {
      workloads.set(change.key, Object.freeze(change.value));
      changed = true;
    }
  }
  const revision = Math.max(registryRevision, world.registryRevision);
  if (!changed && revision === world.registryRevision) return world;
  return Object.freeze({ ...world, workloads: changed ? workloads : world.workloads, registryRevision: revision });
}

/** The world of that trust domain. */
export function withTrustDomain(world: World, trustDomain: string): World {
  return world.trustDomain === trustDomain ? world : Object.freeze({ ...world, trustDomain });
}
