/** Counting picks; for tests. */
import type { Hash64 } from '../balancing/hash64.ts';
import { xxHash64 } from '../balancing/hash64.ts';
import { type MetadataMatch, metadataMatch } from '../balancing/metadata-match.ts';
import type { Cluster } from '../cluster.ts';
import type { Host } from '../host.ts';
import { NO_CONTEXT, type PickContext } from '../pick-context.ts';

/** Numbers that look random and are the same each time (T. O'Neill and others, mulberry32). */
export function seeded(seed = 1): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

export interface AskedFor {
  /** What is hashed. */
  readonly key?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly originalDestination?: string;
  readonly fields?: Readonly<Record<string, string>>;
  /** Hosts that are passed over, and how often. */
  readonly tried?: readonly Host[];
  readonly hostAttempts?: number;
}

/** A request as balancers see it. */
export function request(asked: AskedFor): PickContext {
  const hash: Hash64 | undefined = asked.key === undefined ? undefined : xxHash64(asked.key);
  const match: MetadataMatch | undefined = asked.metadata && metadataMatch(asked.metadata);
  return {
    ...NO_CONTEXT,
    hash,
    metadataMatch: match,
    originalDestination: asked.originalDestination,
    requestField: (name) => asked.fields?.[name],
    hostAttempts: asked.hostAttempts ?? 0,
    passesOver: (host) => asked.tried?.includes(host) === true,
  };
}

/** How often each port was picked, of so many times. */
export function counts(cluster: Cluster, picks: number, asked?: (i: number) => AskedFor): Map<number, number> {
  const found = new Map<number, number>();
  for (let i = 0; i < picks; i++) {
    const host = cluster.pick(asked ? request(asked(i)) : undefined);
    const port = host?.address.type === 'tcp' ? host.address.port : 0;
    found.set(port, (found.get(port) ?? 0) + 1);
  }
  return found;
}

/** Whether a share of picks is what is expected, as far as chance lets it be. */
export function isNear(count: number | undefined, share: number, picks: number): boolean {
  const deviation = Math.sqrt(picks * share * (1 - share));
  return Math.abs((count ?? 0) - share * picks) <= 5 * deviation + 1;
}
