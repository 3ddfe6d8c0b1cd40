/** One resource of a response, read and checked as far as that can be done without knowing what it is for. */
import { type AnyMessage, decode, RESOURCE_TYPES, type ResourceType, typeUrl } from '@weft/envoy-api';
import { MessageError } from '@weft/protobuf';
import type { ConfigIssue } from '../config/schema.ts';
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

/** Reads one encoded `Resource`. */
function readOne(type: ResourceType, bytes: Uint8Array): GoodResource | readonly ResourceIssue[] {
  const issues: ConfigIssue[] = [];
  try {
    const read = decode('envoy.service.discovery.v3.Resource', bytes, {
      unknownField: (path, typeName, number) => {
        const message = `the field with number ${number} of ${typeName} is not known`;
        issues.push({ path: insidePath(path), message });
      },
    });
    const { name = '', version = '', resource, ttl } = read;
    const problem = resource ? checkContent(type, name, resource) : undefined;
    if (problem !== undefined) issues.unshift({ path: '', message: problem });
    if (issues.length > 0) return named(name, issues);
    return { name, version, resource, ttlMs: ttl === undefined ? undefined : Number(ttl.slice(0, -1)) * 1000 };
  } catch (thrown) {
    return named(nameOf(bytes), issuesOf(thrown));
  }
}

function named(name: string, issues: readonly ConfigIssue[]): readonly ResourceIssue[] {
  return issues.map((issue) => ({ name, ...issue }));
}

/** Reads the resources of one response, each by itself. A name that is said twice is refused: nobody knows what is meant. */
export function readResources(
  type: ResourceType,
  encoded: readonly Uint8Array[],
  removed: readonly string[],
): ReadResources {
  const good = new Map<string, GoodResource>();
  const issues: ResourceIssue[] = [];
  const seen = new Set<string>(removed);
  for (const bytes of encoded) {
    const read = readOne(type, bytes);
    if (!('version' in read)) {
      issues.push(...read);
      continue;
    }
    const { name } = read;
    if (!seen.has(name)) good.set(name, read);
    else {
      good.delete(name);
      issues.push({ name, path: '', message: 'is more than once in one response' });
    }
    seen.add(name);
  }
  return { good: [...good.values()], issues };
}
