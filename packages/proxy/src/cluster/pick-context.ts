/** What balancers may ask about the request, or connection, that they pick a host for. */
import type { Host } from './host.ts';

export interface PickContext {
  /** 64 bits of the route's hash policy; undefined where it has none, or nothing of the request to hash. */
  readonly hash: bigint | undefined;
  /** What the host's metadata must say for `envoy.lb`, by key; undefined where the route asks for nothing. */
  readonly metadataMatch: ReadonlyMap<string, unknown> | undefined;
  /** `10.0.0.1:80`: where the connection was going before it was redirected here. */
  readonly originalDestination: string | undefined;
  /** Hosts that were tried already: others are taken where they are to be had. */
  readonly tried: readonly Host[];
  /** How often another host is looked for in place of one that was tried; 0: any host will do. */
  readonly hostAttempts: number;
  /** Priorities whose hosts were tried already, where the retry policy leaves them alone; else empty. */
  readonly triedPriorities: readonly number[];
}
