/** The ways in which the hosts of a cluster are connected to, made from its configuration. */
import type { ClusterConfig } from '../config/cluster.ts';
import { type TransportConfig, type TransportSocketConfig, transportOf } from '../config/transport-socket.ts';
import type { TlsClient } from '../net/connect.ts';
import type { ClusterOptions } from './cluster.ts';
import type { SocketMatch, SocketMatchStats } from './transport-sockets.ts';

export interface TransportMakers {
  readonly makeTls: (context: NonNullable<TransportConfig['tls']>) => TlsClient & { close(): void };
  readonly matchStats: (name: string) => SocketMatchStats;
}

export interface Transports {
  readonly options: Pick<ClusterOptions, 'tls' | 'proxyProtocol' | 'socketMatches' | 'defaultMatchStats'>;
  readonly close: () => void;
}

export function makeTransports(config: ClusterConfig, { makeTls, matchStats }: TransportMakers): Transports {
  const opened: { close(): void }[] = [];
  const make = (socket: TransportSocketConfig | undefined): SocketMatch['transport'] => {
    const { tls: context, proxyProtocol } = transportOf(socket);
    const tls = context && makeTls(context);
    if (tls) opened.push(tls);
    return { tls, proxyProtocol };
  };
  const socketMatches = config.transport_socket_matches.map((match): SocketMatch => {
    return { values: match.match ?? {}, transport: make(match.transport_socket), stats: matchStats(match.name) };
  });
  const defaultMatchStats = socketMatches.length > 0 ? matchStats('default') : undefined;
  return {
    options: { ...make(config.transport_socket), socketMatches, defaultMatchStats },
    close: () => {
      for (const tls of opened) tls.close();
    },
  };
}
