/** Names to addresses, by the machine's resolver. */
import { lookup } from 'node:dns/promises';
import type { ResolveHost } from '../cluster/source.ts';

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
