/** One resource of a response, read and checked as far as that can be done without knowing what it is for. */
import { hash } from 'node:crypto';
import { type AnyMessage, decode, type Messages, RESOURCE_TYPES, type ResourceType, typeUrl } from '@weft/envoy-api';
import { MessageError } from '@weft/protobuf';
import type { ConfigIssue } from '../config/schema.ts';
import type { Steps } from '../slices.ts';
import type { ResourceIssue } from './subscriptions.ts';
import { nameOf } from './wire.ts';

/** A resource that can be told of. */
export interface GoodResource {
  readonly name: string;
  readonly version: string;
  /** Undefined: the one that is held lives on, for as long as `ttlMs` says. */
  readonly resource: AnyMessage | undefined;
  /** For how long the resource holds unless the server says so again; undefined: until it is removed. */
  readonly ttlMs: number | undefined;
  /** Of its bytes; undefined in the delta variant, which says nothing twice. */
  readonly digest?: string | undefined;
}

/** A resource as it came, with what tells it from others. */
export interface EncodedResource {
  readonly bytes: Uint8Array;
  readonly digest: string;
}

export function digestOf(bytes: Uint8Array): string {
  return hash('sha1', bytes, 'base64');
}

export interface ReadResources {
  readonly good: readonly GoodResource[];
  readonly issues: readonly ResourceIssue[];
}

/** The field in which a resource carries its own name. */
const NAME_FIELDS: { readonly [T in ResourceType]: string } = {
  cluster: 'name',
  endpoint: 'cluster_name',
  listener: 'name',
  route: 'name',
  secret: 'name',
  runtime: 'name',
};

/** The resource begins inside of what wraps it. */
function insidePath(path: string): string {
  return path.replace(/^resource(\.|$)/, '');
}

function issuesOf(thrown: unknown): readonly ConfigIssue[] {
  if (thrown instanceof MessageError) {
    return thrown.violations.map(({ path, message }) => ({ path: insidePath(path), message }));
  }
  return [{ path: '', message: thrown instanceof Error ? thrown.message : String(thrown) }];
}

/** What is wrong with the wrapper and the name in it; undefined when nothing is. */
function checkContent(type: ResourceType, name: string, content: AnyMessage): string | undefined {
  const expected = typeUrl(RESOURCE_TYPES[type]);
  const given = content['@type'] ?? 'nothing';
  if (given !== expected) return `holds ${given}, expected ${expected}`;
  const field = NAME_FIELDS[type];
  const ownName = (content as Readonly<Record<string, unknown>>)[field] ?? '';
  if (ownName !== name) return `is sent under that name, and its own ${field} is ${JSON.stringify(ownName)}`;
  return undefined;
}

/** Encoded resources that were read before. */
export type ReadAhead = Map<Uint8Array, Messages['envoy.service.discovery.v3.Resource']>;

/** Reads one encoded `Resource`. */
function readOne(
  type: ResourceType,
  bytes: Uint8Array,
  ahead: ReadAhead,
  stateVersion?: string,
): GoodResource | readonly ResourceIssue[] {
  const issues: ConfigIssue[] = [];
  try {
    const read =
      ahead.get(bytes) ??
      decode('envoy.service.discovery.v3.Resource', bytes, {
        unknownField: (path, typeName, number) => {
          const message = `the field with number ${number} of ${typeName} is not known`;
          issues.push({ path: insidePath(path), message });
        },
      });
    const { resource, ttl } = read;
    const name = read.name ?? (stateVersion === undefined ? '' : ownName(type, resource));
    const version = stateVersion ?? read.version ?? '';
    const problem = resource ? checkContent(type, name, resource) : undefined;
    if (problem !== undefined) issues.unshift({ path: '', message: problem });
    if (issues.length > 0) return named(name, issues);
    return { name, version, resource, ttlMs: ttl === undefined ? undefined : Number(ttl.slice(0, -1)) * 1000 };
  } catch (thrown) {
    return named(nameOf(bytes), issuesOf(thrown));
  }
}

/** The name that a resource says itself. */
function ownName(type: ResourceType, content: AnyMessage | undefined): string {
  const said = (content as Readonly<Record<string, unknown>> | undefined)?.[NAME_FIELDS[type]];
  return typeof said === 'string' ? said : '';
}

function named(name: string, issues: readonly ConfigIssue[]): readonly ResourceIssue[] {
  return issues.map((issue) => ({ name, ...issue }));
}

/** What is read of a response, each resource by itself. A name that is said twice is refused: nobody knows what is meant. */
class Reading {
  readonly issues: ResourceIssue[] = [];
  readonly #good = new Map<string, GoodResource>();
  readonly #seen: Set<string>;

  constructor(removed: readonly string[]) {
    this.#seen = new Set(removed);
  }

  get good(): readonly GoodResource[] {
    return [...this.#good.values()];
  }

  add(read: GoodResource | readonly ResourceIssue[]): void {
    if (!('version' in read)) {
      this.issues.push(...read);
      return;
    }
    const { name } = read;
    if (!this.#seen.has(name)) this.#good.set(name, read);
    else {
      this.#good.delete(name);
      this.issues.push({ name, path: '', message: 'is more than once in one response' });
    }
    this.#seen.add(name);
  }
}

/** Reads the resources of a response that says what changed. */
export function* readResources(
  type: ResourceType,
  encoded: readonly Uint8Array[],
  removed: readonly string[],
  ahead: ReadAhead,
): Steps<ReadResources> {
  const reading = new Reading(removed);
  for (const bytes of encoded) {
    reading.add(readOne(type, bytes, ahead));
    yield;
  }
  return { good: reading.good, issues: reading.issues };
}

/** Reads the resources of a response that says what there is, all of that response's version. */
export function* readState(
  type: ResourceType,
  encoded: readonly EncodedResource[],
  version: string,
  ahead: ReadAhead,
): Steps<ReadResources> {
  const reading = new Reading([]);
  for (const { bytes, digest } of encoded) {
    const read = readOne(type, bytes, ahead, version);
    reading.add('version' in read ? { ...read, digest } : read);
    yield;
  }
  return { good: reading.good, issues: reading.issues };
}
