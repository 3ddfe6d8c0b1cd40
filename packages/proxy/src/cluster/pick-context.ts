/** What balancers may ask about the request, or connection, that they pick a host for. */
import type { Hash64 } from './balancing/hash64.ts';
import type { HostSet } from './balancing/host-sets.ts';
import type { MetadataMatch } from './balancing/metadata-match.ts';
import type { PriorityLoad } from './balancing/priority-load.ts';
import type { Host } from './host.ts';

export interface PickContext {
  /** 64 bits of the route's hash policy; undefined where it has none, or nothing of the request to hash. */
  readonly hash: Hash64 | undefined;
  /** What the host's metadata must say for `envoy.lb`; undefined where the route asks for nothing. */
  readonly metadataMatch: MetadataMatch | undefined;
  /** `10.0.0.1:80`: where the connection was going before it was redirected here. */
  readonly originalDestination: string | undefined;
  /** The first field of that name, in lower case, of the request; undefined where there is none. */
  requestField(name: string): string | undefined;
  /** How often another host is looked for in place of one that is passed over; 0: any host will do. */
  readonly hostAttempts: number;
  /** Whether a host is passed over where others are to be had: it was tried already, or is not for retries. */
  passesOver(host: Host): boolean;
  /** The load of priorities as it is for this request: after a retry those that were tried may get none. */
  priorityLoad(load: PriorityLoad, sets: readonly HostSet[]): PriorityLoad;
}

/** A request, or connection, that asks for nothing. */
export const NO_CONTEXT: PickContext = {
  hash: undefined,
  metadataMatch: undefined,
  originalDestination: undefined,
  requestField: () => undefined,
  hostAttempts: 0,
  passesOver: () => false,
  priorityLoad: (load) => load,
};
