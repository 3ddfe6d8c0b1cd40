/** What hosts are placed in by their hashes, so that a key finds the same one as long as the hosts are the same. */
import type { Host } from '../host.ts';
import { byteString, type Hash64 } from './hash64.ts';
import type { HostSet } from './host-sets.ts';

/** Hosts with weights that add up to 1. */
export interface ShareOut {
  readonly hosts: readonly Host[];
  readonly shares: Float64Array;
  readonly least: number;
  readonly most: number;
}

export interface HashTable {
  /** The host of a hash; another one, perhaps, of a later attempt (from 0). */
  find(hash: Hash64, attempt: number): Host | undefined;
}

/** What a host is placed by: `hash_key` of its metadata, else its name or its address. */
export function hashKey({ endpoint, key }: Host, usesHostname: boolean): string {
  const { hash_key: given } = endpoint.metadata;
  if (typeof given === 'string' && given !== '') return byteString(given);
  return byteString(usesHostname ? endpoint.hostname : key);
}

interface Weighed {
  readonly host: Host;
  readonly share: number;
}

function weigh(hosts: readonly Host[], whole: number): readonly Weighed[] {
  let sum = 0;
  for (const { endpoint } of hosts) sum += endpoint.weight;
  return hosts.map((host) => ({ host, share: (host.endpoint.weight * whole) / sum }));
}

type Kind = 'hosts' | 'healthy' | 'degraded';

function weighLocalities(set: HostSet, kind: Kind): readonly Weighed[] {
  const total = set.localities.reduce((sum, { weight }) => sum + weight, 0);
  return set.localities.flatMap((locality) =>
    locality.weight === 0 ? [] : weigh(locality[kind], locality.weight / total),
  );
}

/**
 * Which hosts of a priority are in its table. Degraded ones are where no other is left: Envoy has them in none, and
 * answers such requests itself.
 */
function kindOf(set: HostSet, isInPanic: boolean): Kind {
  if (isInPanic) return 'hosts';
  return set.healthy.length > 0 || set.degraded.length === 0 ? 'healthy' : 'degraded';
}

/** The shares of the hosts of a priority; in panic those of all of them. */
export function shareOut(set: HostSet, isInPanic: boolean, weighsLocalities: boolean): ShareOut {
  const kind = kindOf(set, isInPanic);
  const weighed = weighsLocalities ? weighLocalities(set, kind) : weigh(set[kind], 1);
  let least = 1;
  let most = 0;
  for (const { share } of weighed) {
    least = Math.min(least, share);
    most = Math.max(most, share);
  }
  const shares = Float64Array.from(weighed, ({ share }) => share);
  return { hosts: weighed.map(({ host }) => host), shares, least, most };
}
