/** Names to addresses, by the machine's resolver. */
import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { ReadTtlMs, ResolveHost } from '../cluster/dns-source.ts';

/** Families in the order of preference, as `dns_lookup_family` words it; AUTO takes IPv6 before IPv4. */
const FAMILIES = {
  AUTO: [6, 4],
  V4_ONLY: [4],
  V6_ONLY: [6],
  V4_PREFERRED: [4, 6],
  ALL: [0],
} as const satisfies Readonly<Record<Parameters<ResolveHost>[1], readonly (0 | 4 | 6)[]>>;

/**
 * The addresses of a name, of the first family that has any. Throws the resolver's error where none has. Of AUTO and
 * names that are only on this machine IPv4 comes first where nothing listens on IPv6 usually: `localhost` is 127.0.0.1.
 */
export const resolveHost: ResolveHost = async (host, family) => {
  const families: readonly (0 | 4 | 6)[] = family === 'AUTO' && host === 'localhost' ? [4, 6] : FAMILIES[family];
  let failure: unknown;
  for (const wanted of families) {
    try {
      const found = await lookup(host, { all: true, family: wanted });
      if (found.length > 0) return found.map(({ address }) => address);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
};

/** Name servers that say nothing within it are not waited for: the addresses are known already. */
const TTL_TIMEOUT_MS = 2000;

/**
 * The shortest life of the records of a name, as name servers tell it: the system's resolver, whose addresses are used,
 * keeps that to itself. Names that stand in files of this machine have none.
 */
export const readTtlMs: ReadTtlMs = async (host, family) => {
  if (isIP(host) !== 0) return undefined;
  const resolver = new Resolver({ timeout: TTL_TIMEOUT_MS, tries: 1 });
  const families = FAMILIES[family];
  const asksBoth = families.length > 1 || families[0] === 0;
  const none: readonly { readonly ttl: number }[] = [];
  const [v4, v6] = await Promise.all([
    asksBoth || families[0] === 4 ? resolver.resolve4(host, { ttl: true }).catch(() => none) : none,
    asksBoth || families[0] === 6 ? resolver.resolve6(host, { ttl: true }).catch(() => none) : none,
  ]);
  const seconds = [...v4, ...v6].map(({ ttl }) => ttl);
  return seconds.length === 0 ? undefined : Math.min(...seconds) * 1000;
};
