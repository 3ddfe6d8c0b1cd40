/** How each host of a cluster is connected to: by what its metadata says, else as all others are. */
import type { ConnectOptions, PeerName } from '../net/connect.ts';
import type { AddressPair } from '../net/proxy-header.ts';
import { hasAll } from './balancing/metadata-match.ts';
import type { Endpoint, Host } from './host.ts';

/** `cluster.<cluster>.<name of the match>.`, as Envoy has it. */
export class SocketMatchStats {
  /** Endpoints for which it was chosen, again with each update of them. */
  total_match_count = 0;
}

/** One of several ways to connect. */
export interface SocketMatch {
  /** What the metadata of an endpoint, or of its locality, has to say under `envoy.transport_socket_match`. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly transport: Pick<ConnectOptions, 'tls' | 'proxyProtocol'>;
  readonly stats: SocketMatchStats;
}

interface Way {
  readonly values: SocketMatch['values'];
  readonly connect: ConnectOptions;
  readonly stats: SocketMatchStats;
}

export class TransportSockets {
  readonly #default: ConnectOptions;
  readonly #defaultStats: SocketMatchStats;
  readonly #ways: readonly Way[];
  readonly #chosen = new WeakMap<Host, ConnectOptions>();

  constructor(
    connect: ConnectOptions,
    matches: readonly SocketMatch[] = [],
    defaultStats: SocketMatchStats = new SocketMatchStats(),
  ) {
    this.#default = connect;
    this.#defaultStats = defaultStats;
    this.#ways = matches.map(({ values, transport, stats }) => {
      return { values, stats, connect: { ...connect, ...transport } };
    });
  }

  /** Whether some host is told who the client is, so that connections to it are for one client alone. */
  get tellsClients(): boolean {
    return [this.#default, ...this.#ways.map((way) => way.connect)].some((connect) => connect.proxyProtocol);
  }

  /** Looks at the hosts' metadata; gives those that are connected to in another way from now on. */
  update(hosts: readonly Host[]): readonly Host[] {
    if (this.#ways.length === 0) return [];
    return hosts.filter((host) => {
      const before = this.#chosen.get(host);
      const connect = this.#choose(host.endpoint);
      this.#chosen.set(host, connect);
      return before !== undefined && before !== connect;
    });
  }

  #choose({ socketMetadata = [] }: Pick<Endpoint, 'socketMetadata'>): ConnectOptions {
    for (const metadata of socketMetadata.length > 0 ? socketMetadata : [{}]) {
      const way = this.#ways.find(({ values }) => hasAll(metadata, values, false));
      if (!way) continue;
      way.stats.total_match_count++;
      return way.connect;
    }
    this.#defaultStats.total_match_count++;
    return this.#default;
  }

  /** For connections that are no host's own: as that of a host whose metadata says this. */
  matching(values: SocketMatch['values']): ConnectOptions {
    return this.#ways.length === 0 ? this.#default : this.#choose({ socketMetadata: [values] });
  }

  /** `client`: whom the connection would be for; undefined where it is the proxy itself. `peer`: with whom it is to be. */
  of(host: Host, client?: AddressPair, peer?: PeerName): ConnectOptions {
    const connect = this.#ways.length === 0 ? this.#default : (this.#chosen.get(host) ?? this.#default);
    const named = peer && connect.tls ? { ...connect, peer } : connect;
    return client && connect.proxyProtocol ? { ...named, client } : named;
  }
}
