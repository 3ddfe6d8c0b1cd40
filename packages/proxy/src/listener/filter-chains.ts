/** Which filter chain a connection is for (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/listener/v3/listener_components.proto). */
import type { FilterChainMatchConfig } from '../config/listener.ts';
import type { ClientHello } from '../tls/client-hello.ts';

/** What is known of a connection before its bytes are read: no hello means that it does not speak TLS. */
export type Opening = ClientHello | undefined;

export interface MatchedChain {
  readonly match: FilterChainMatchConfig | undefined;
}

/** How well a server name fits: exact names first, then the longest suffix; undefined where none fits. */
function serverNameRank(names: readonly string[], serverName: string): number | undefined {
  if (names.length === 0) return 0;
  let best: number | undefined;
  for (const name of names) {
    const isExact = name === serverName;
    const isSuffix = name.startsWith('*.') && serverName.endsWith(name.slice(1));
    if (!isExact && !isSuffix) continue;
    best = Math.max(best ?? 0, isExact ? 100_000 : name.length);
  }
  return best;
}

function rank(match: FilterChainMatchConfig | undefined, opening: Opening): readonly number[] | undefined {
  if (!match) return [0, 0, 0];
  const name = serverNameRank(match.server_names, opening?.serverName ?? '');
  if (name === undefined) return undefined;
  const protocol = opening ? 'tls' : 'raw_buffer';
  if (match.transport_protocol !== '' && match.transport_protocol !== protocol) return undefined;
  const wanted = match.application_protocols;
  if (wanted.length > 0 && !wanted.some((text) => opening?.protocols.includes(text))) return undefined;
  return [name, match.transport_protocol === '' ? 0 : 1, wanted.length === 0 ? 0 : 1];
}

function isHigher(a: readonly number[], b: readonly number[]): boolean {
  const index = a.findIndex((value, at) => value !== b[at]);
  return index !== -1 && (a[index] as number) > (b[index] as number);
}

/** The chain that fits best: by server name, then by transport, then by application protocol. */
export function chooseChain<C extends MatchedChain>(chains: readonly C[], opening: Opening): C | undefined {
  let best: C | undefined;
  let bestRank: readonly number[] | undefined;
  for (const chain of chains) {
    const found = rank(chain.match, opening);
    if (!found || (bestRank && !isHigher(found, bestRank))) continue;
    best = chain;
    bestRank = found;
  }
  return best;
}
