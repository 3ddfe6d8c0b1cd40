/**
 * Which filter chain a connection is for
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/listener/v3/listener_components.proto). What a connection is
 * asked for, one after the other: its destination port, destination address, server name, transport, application
 * protocol, the peer's address, whether it is of this machine, the client's address and port. Each answer leaves the
 * chains that fit it best, and none of the others is looked at again. What is asked costs the same however many chains
 * there are.
 */
import type { FilterChainMatchConfig } from '../config/listener.ts';
import { RangeMap } from '../net/cidr.ts';
import type { Opening } from './opening.ts';

type Ports<C> = Map<number, C>;
type Sources<C> = RangeMap<Ports<C>>;
type Places<C> = Map<FilterChainMatchConfig['source_type'], Sources<C>>;
type Peers<C> = RangeMap<Places<C>>;
type Protocols<C> = Map<string, Peers<C>>;
type Transports<C> = Map<string, Protocols<C>>;
type Names<C> = Map<string, Transports<C>>;
type Destinations<C> = RangeMap<Names<C>>;

/** What stands for any name, transport or protocol, and for any port. */
const ANY = '';
const ANY_PORT = 0;

function at<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

/** A list that says nothing means anything. */
function orAny<T, A>(list: readonly T[], any: A): readonly (T | A)[] {
  return list.length === 0 ? [any] : list;
}

/** `*.example` is kept as `.example`. */
function nameKey(name: string): string {
  return name.startsWith('*.') ? name.slice(1) : name;
}

/** What a chain without a match matches: everything. */
const MATCHES_ALL: FilterChainMatchConfig = {
  destination_port: undefined,
  prefix_ranges: [],
  server_names: [],
  transport_protocol: ANY,
  application_protocols: [],
  direct_source_prefix_ranges: [],
  source_type: 'ANY',
  source_prefix_ranges: [],
  source_ports: [],
};

export class FilterChains<C> {
  readonly #ports = new Map<number, Destinations<C>>();

  /** False: a chain that was added before has some of these connections already. */
  add(match: FilterChainMatchConfig | undefined, chain: C): boolean {
    const wanted = match ?? MATCHES_ALL;
    for (const ports of this.#leaves(wanted)) {
      for (const port of orAny(wanted.source_ports, ANY_PORT)) {
        if (ports.has(port)) return false;
        ports.set(port, chain);
      }
    }
    return true;
  }

  *#leaves(match: FilterChainMatchConfig): Generator<Ports<C>> {
    for (const protocols of this.#protocols(match)) {
      for (const protocol of orAny(match.application_protocols, ANY)) {
        const peers = at(protocols, protocol, (): Peers<C> => new RangeMap());
        for (const peer of orAny(match.direct_source_prefix_ranges, undefined)) {
          const places = peers.at(peer, (): Places<C> => new Map());
          const sources = at(places, match.source_type, (): Sources<C> => new RangeMap());
          for (const source of orAny(match.source_prefix_ranges, undefined)) yield sources.at(source, () => new Map());
        }
      }
    }
  }

  *#protocols(match: FilterChainMatchConfig): Generator<Protocols<C>> {
    const destinations = at(this.#ports, match.destination_port ?? ANY_PORT, (): Destinations<C> => new RangeMap());
    for (const destination of orAny(match.prefix_ranges, undefined)) {
      const names = destinations.at(destination, (): Names<C> => new Map());
      for (const name of orAny(match.server_names, ANY)) {
        const transports = at(names, nameKey(name), (): Transports<C> => new Map());
        yield at(transports, match.transport_protocol, () => new Map());
      }
    }
  }

  /** Undefined where no chain is for the connection. */
  choose(opening: Opening): C | undefined {
    const destinations = this.#ports.get(opening.localPort) ?? this.#ports.get(ANY_PORT);
    const transports = byName(destinations?.get(opening.localHost), opening.serverName ?? ANY);
    const protocols = transports?.get(opening.transportProtocol) ?? transports?.get(ANY);
    const places = byProtocol(protocols, opening)?.get(opening.directRemoteHost);
    const ports = byPlace(places, opening)?.get(opening.remoteHost);
    return ports?.get(opening.remotePort) ?? ports?.get(ANY_PORT);
  }
}

/** The name itself first, then the longest suffix of it. */
function byName<C>(names: Names<C> | undefined, serverName: string): Transports<C> | undefined {
  const exact = names?.get(serverName);
  if (!names || exact) return exact;
  for (let dot = serverName.indexOf('.', 1); dot !== -1; dot = serverName.indexOf('.', dot + 1)) {
    const found = names.get(serverName.slice(dot));
    if (found) return found;
  }
  return names.get(ANY);
}

/** In the client's order. */
function byProtocol<C>(protocols: Protocols<C> | undefined, opening: Opening): Peers<C> | undefined {
  if (!protocols) return undefined;
  for (const protocol of opening.applicationProtocols) {
    const found = protocols.get(protocol);
    if (found) return found;
  }
  return protocols.get(ANY);
}

function byPlace<C>(places: Places<C> | undefined, opening: Opening): Sources<C> | undefined {
  if (!places) return undefined;
  if (places.size === 1 && places.has('ANY')) return places.get('ANY');
  return places.get(isOfThisMachine(opening) ? 'SAME_IP_OR_LOOPBACK' : 'EXTERNAL') ?? places.get('ANY');
}

/** Of the addresses of the loopback only these two, as in Envoy; others are where they are the connection's both ends. */
function isOfThisMachine({ remoteHost, localHost }: Opening): boolean {
  return remoteHost === localHost || remoteHost === '' || remoteHost === '::1' || remoteHost === '127.0.0.1';
}
