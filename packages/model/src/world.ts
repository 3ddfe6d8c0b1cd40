/**
 * The world: everything that the control plane knows of the mesh at one moment, as one frozen value. A change makes a
 * new world that shares all that did not change, so that whoever derives something can tell by identity what is new.
 */
import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { ChangeSet, Operation, Problem, Workload } from '@weft/contracts/bus';
import { isLabel } from '@weft/identity';
import { keyText, scopedName } from './key.ts';
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
  /**
   * Resources of the log that could not be read, by key: an earlier version that could be still stands. And workloads
   * that cannot be used, as `Workload/<namespace>/<id>`.
   */
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

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

/** Why a workload cannot be used, as one bad address or name would spoil what many proxies share. */
function workloadTrouble(key: string, workload: Workload): string | undefined {
  const { id, namespace, service, address, ports, outboundPort, upstreams } = workload;
  if (scopedName(namespace, id) !== key) return `it is registered under ${key} and calls itself ${namespace}/${id}`;
  const names = [namespace, service, ...upstreams.flatMap((upstream) => [upstream.namespace, upstream.service])];
  const bad = names.find((name) => !isLabel(name));
  if (bad !== undefined) return `${JSON.stringify(bad)} is no name of a namespace or service`;
  if (isIP(address) === 0) return `its address ${JSON.stringify(address)} is not an IP address`;
  const numbers = [
    ...ports.flatMap((port) => [port.applicationPort, port.inboundPort]),
    ...upstreams.map((upstream) => upstream.localPort),
    ...(outboundPort === 0 ? [] : [outboundPort]),
  ];
  const wrong = numbers.find((port) => !isPort(port));
  return wrong === undefined ? undefined : `${wrong} is not a port`;
}

interface RegistryDraft {
  readonly workloads: Map<string, Workload>;
  readonly problems: Map<string, Problem>;
  changed: boolean;
}

function takeOut(draft: RegistryDraft, key: string): void {
  if (draft.workloads.delete(key)) draft.changed = true;
  if (draft.problems.delete(`Workload/${key}`)) draft.changed = true;
}

function register(draft: RegistryDraft, key: string, workload: Workload): void {
  const trouble = workloadTrouble(key, workload);
  if (trouble !== undefined) {
    takeOut(draft, key);
    const { namespace, id } = workload;
    const message = `the workload ${key} is left out: ${trouble}`;
    draft.problems.set(`Workload/${key}`, { key: { kind: 'Workload', namespace, name: id }, message, revision: 0 });
    draft.changed = true;
  } else if (!isDeepStrictEqual(draft.workloads.get(key), workload)) {
    draft.problems.delete(`Workload/${key}`);
    draft.workloads.set(key, Object.freeze(workload));
    draft.changed = true;
  }
}

/** The world after these changes of the registry, the last of which has that revision. */
export function applyWorkloads(world: World, changes: Iterable<WorkloadChange>, registryRevision: number): World {
  const draft = { workloads: new Map(world.workloads), problems: new Map(world.problems), changed: false };
  for (const change of changes) {
    if (change.type === 'delete') takeOut(draft, change.key);
    else register(draft, change.key, change.value);
  }
  const revision = Math.max(registryRevision, world.registryRevision);
  if (!draft.changed && revision === world.registryRevision) return world;
  const { workloads, problems } = draft.changed ? draft : world;
  return Object.freeze({ ...world, workloads, problems, registryRevision: revision });
}

/** The world of that trust domain. */
export function withTrustDomain(world: World, trustDomain: string): World {
  return world.trustDomain === trustDomain ? world : Object.freeze({ ...world, trustDomain });
}
