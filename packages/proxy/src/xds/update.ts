/** What a response changes of what is held, whichever way its variant says so. */
import type { ResourceType } from '@weft/envoy-api';
import type { Steps } from '../slices.ts';
import type { Held } from './held.ts';
import {
  digestOf,
  type EncodedResource,
  type ReadAhead,
  type ReadResources,
  readResources,
  readState,
} from './resource.ts';
import { type DiscoveryResponse, WHOLE_TYPES } from './wire.ts';

export interface ReadUpdate extends ReadResources {
  /** Names that there is nothing of any more. */
  readonly removed: readonly string[];
}

export interface UpdateContext {
  readonly held: ReadonlyMap<string, Held>;
  readonly ahead: ReadAhead;
  /** Told of each name whose resource is in the response as it is held. */
  readonly isUnchanged: (name: string) => void;
}

/** Reads a response, a resource at a time. */
export function* readUpdate(
  type: ResourceType,
  response: DiscoveryResponse,
  context: UpdateContext,
): Steps<ReadUpdate> {
  const { removed, resources } = response;
  if (removed) return { ...(yield* readResources(type, resources, removed, context.ahead)), removed };
  return yield* readWorld(type, response, context);
}

/** Reads a response with the state of the world: what is in it as it is held already changes nothing. */
function* readWorld(
  type: ResourceType,
  { version, resources }: DiscoveryResponse,
  { held, ahead, isUnchanged }: UpdateContext,
): Steps<ReadUpdate> {
  const known = new Map<string, Held>();
  for (const one of held.values()) {
    if (one.knowledge.type === 'present' && one.knowledge.digest !== undefined) known.set(one.knowledge.digest, one);
  }
  const said = new Set<string>();
  const changed: EncodedResource[] = [];
  for (const bytes of resources) {
    const digest = digestOf(bytes);
    const same = known.get(digest);
    // Endpoints are told of again: that they are still there is news for those that grow stale.
    if (!same || type === 'endpoint' || same.hasExpiry) changed.push({ bytes, digest });
    else {
      said.add(same.name);
      isUnchanged(same.name);
    }
    yield;
  }
  const read = yield* readState(type, changed, version, ahead);
  for (const { name } of read.good) said.add(name);
  // Of what cannot be read nobody knows what it was to be.
  const isWhole = WHOLE_TYPES.has(type) && read.issues.length === 0;
  return { ...read, removed: isWhole ? [...held.keys()].filter((name) => !said.has(name)) : [] };
}
