/** Whether a change-set can be applied to a world as a whole, and what it would change. */
import { isDeepStrictEqual } from 'node:util';
import type { Change, Document, Violation } from '@weft/contracts/admin';
import type { Operation, ResourceKey } from '@weft/contracts/bus';
import { keyText, type Resource, type ResourceDocument, resourceKey, schema, type World } from '@weft/model';
import { KIND_SCHEMAS, readResource } from '../kinds.ts';
import { referenceViolations } from './references.ts';
import type { UnreadDocument } from './unread.ts';

export interface CheckedChangeSet {
  /** Everything that is wrong; the change-set can be applied when there is nothing. */
  readonly violations: readonly Violation[];
  /** What is to be appended to the log: puts and deletions that change something. */
  readonly operations: readonly Operation[];
  /** What becomes of each document and deletion, in order. */
  readonly changes: readonly Change[];
}

/** A document that could be read. */
export interface ReadDocument {
  readonly source: string;
  readonly json: string;
  readonly resource: ResourceDocument;
}

interface ReadDocuments {
  readonly read: readonly ReadDocument[];
  readonly violations: readonly Violation[];
  /** Documents with violations. Services that they declare count as there: what refers to them is not wrong for that. */
  readonly unread: readonly UnreadDocument[];
}

function readDocuments(documents: readonly Document[]): ReadDocuments {
  const read: ReadDocument[] = [];
  const violations: Violation[] = [];
  const unread: UnreadDocument[] = [];
  for (const { source, json } of documents) {
    const parsed = readResource(json);
    if (parsed.type === 'resource') {
      read.push({ source, json, resource: parsed.resource });
      continue;
    }
    const { key } = parsed;
    if (key.kind !== '') unread.push({ source, key, json });
    for (const violation of parsed.violations) violations.push({ source, key, ...violation });
  }
  return { read, violations, unread };
}

function duplicateViolations(documents: readonly ReadDocument[]): Violation[] {
  const violations: Violation[] = [];
  const first = new Map<string, string>();
  for (const { source, resource } of documents) {
    const key = keyText(resource);
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, source);
    else {
      const message = `is ${key}, which ${earlier} is too: expected each resource once in an apply`;
      violations.push({ source, key: resourceKey(resource), path: 'metadata.name', message });
    }
  }
  return violations;
}

function missingText(key: ResourceKey, world: World): string {
  const text = keyText(key);
  if (!Object.hasOwn(KIND_SCHEMAS, key.kind)) {
    const meant = schema.suggest(key.kind, Object.keys(KIND_SCHEMAS));
    return `${JSON.stringify(key.kind)} is no kind of resource: ${meant ? `did you mean ${meant}?` : `expected ${Object.keys(KIND_SCHEMAS).join(', ')}`}`;
  }
  const meant = schema.suggest(text, world.resources.keys());
  return `there is no ${text} to delete${meant ? `: did you mean ${meant}?` : ''}`;
}

function deletionViolations(
  world: World,
  deletions: readonly ResourceKey[],
  documents: readonly ReadDocument[],
): Violation[] {
  const violations: Violation[] = [];
  const put = new Set(documents.map(({ resource }) => keyText(resource)));
  const seen = new Set<string>();
  for (const deletion of deletions) {
    const key = resourceKey(deletion);
    const text = keyText(key);
    const violate = (message: string) => violations.push({ source: '', key, path: '', message });
    if (!world.resources.has(text)) violate(missingText(key, world));
    if (put.has(text)) violate(`${text} is put and deleted in one apply: expected one of the two`);
    if (seen.has(text)) violate(`${text} is deleted twice in one apply: expected each resource once`);
    seen.add(text);
  }
  return violations;
}

function isUnchanged(before: Resource | undefined, document: ResourceDocument): boolean {
  if (before === undefined) return false;
  return isDeepStrictEqual(before.labels, document.labels) && isDeepStrictEqual(before.spec, document.spec);
}

/** The world as it would be: what is put has the next revision. */
function worldAfter(world: World, documents: readonly ReadDocument[], deletions: readonly ResourceKey[]): World {
  const resources = new Map(world.resources);
  for (const key of deletions) resources.delete(keyText(key));
  for (const { resource } of documents) {
    const before = world.resources.get(keyText(resource));
    if (isUnchanged(before, resource)) continue;
    const revision = world.revision + 1;
    resources.set(keyText(resource), { ...resource, revision, createdRevision: before?.createdRevision ?? revision });
  }
  return { ...world, resources };
}

/**
 * Checks a change-set whole: that each document can be read, that no resource is in it twice, that what it refers to is
 * there, and that nothing is left that refers to what it takes away. Tells every violation, not the first alone.
 */
export function validateChangeSet(
  world: World,
  documents: readonly Document[],
  deletions: readonly ResourceKey[],
): CheckedChangeSet {
  const { read, violations: unreadable, unread } = readDocuments(documents);
  const next = worldAfter(world, read, deletions);
  const violations = [
    ...unreadable,
    ...duplicateViolations(read),
    ...deletionViolations(world, deletions, read),
    ...referenceViolations({ world, next, documents: read, deletions, unread }),
  ];
  const operations: Operation[] = [];
  const changes: Change[] = [];
  for (const { resource, json } of read) {
    const key = resourceKey(resource);
    const before = world.resources.get(keyText(key));
    const unchanged = isUnchanged(before, resource);
    changes.push({ key, kind: unchanged ? 'UNCHANGED' : before ? 'CHANGED' : 'CREATED' });
    if (!unchanged) operations.push({ action: 'PUT', key, json });
  }
  for (const deletion of deletions) {
    const key = resourceKey(deletion);
    changes.push({ key, kind: 'DELETED' });
    operations.push({ action: 'DELETE', key, json: '' });
  }
  return { violations, operations, changes };
}
