/** Streams to the control-plane clusters of a bootstrap, for a proxy that runs by itself. */
import { WeftError } from '@weft/contracts/error';
import { formatSpiffeId } from '@weft/identity';
import { type Channel, type ConnectOptions, connect, fixedTls } from '@weft/rpc';
import { endpointsOf } from '../cluster/endpoints.ts';
import type { ControlPlaneClusterConfig } from '../config/cluster.ts';
import { addressText } from '../config/core.ts';
import { upstreamTlsConfig } from '../config/tls.ts';
import type { StreamFactory } from '../streams.ts';

type Tls = ConnectOptions['tls'];

/**
 * TLS of a control plane: certificates stand in the bootstrap itself, and the server is known by its SPIFFE ID. Throws
 * `WeftError` INVALID_ARGUMENT for anything else.
 */
function tlsOf(cluster: ControlPlaneClusterConfig): Tls {
  const socket = cluster.transport_socket?.typed_config;
  if (socket?.type !== 'tls') return undefined;
  const { certificate, validation, certificateSecret, validationSecret } = upstreamTlsConfig(socket.value);
  if (certificateSecret || validationSecret) {
    throw new WeftError(
      'INVALID_ARGUMENT',
      `the cluster ${cluster.name}: secrets by SDS are not supported by Weft's proxy for the control plane's own cluster`,
    );
  }
  if (validation?.trustedCa === undefined) {
    throw new WeftError('INVALID_ARGUMENT', `the cluster ${cluster.name}: TLS to the control plane needs a trusted_ca`);
  }
  return {
    source: fixedTls({
      chainPem: certificate?.chain ?? '',
      keyPem: certificate?.key ?? '',
      rootsPem: [validation.trustedCa],
    }),
    expect: (server) =>
      validation.sanMatchers.length === 0 ||
      validation.sanMatchers.some(({ matches }) => matches(formatSpiffeId(server))),
  };
}

function addressesOf(cluster: ControlPlaneClusterConfig): readonly string[] {
  const endpoints = cluster.load_assignment ? endpointsOf(cluster.load_assignment) : [];
  return endpoints.map(({ address }) => (address.type === 'unix' ? `unix:${address.path}` : addressText(address)));
}

export interface ControlPlane {
  readonly streams: StreamFactory;
  close(): void;
}

/** Throws `WeftError` INVALID_ARGUMENT where a cluster cannot be reached as its configuration says. */
export function connectControlPlane(clusters: ReadonlyMap<string, ControlPlaneClusterConfig>): ControlPlane {
  const channels = new Map<string, Channel>();
  for (const [name, cluster] of clusters) {
    const tls = tlsOf(cluster);
    channels.set(name, connect({ addresses: addressesOf(cluster), keepaliveMs: 0, ...(tls && { tls }) }));
  }
  return {
    streams(cluster, path, signal) {
      const channel = channels.get(cluster);
      if (!channel)
        throw new WeftError('NOT_FOUND', `there is no cluster ${cluster} that speaks gRPC in the bootstrap`);
      return channel.raw(path, { signal });
    },
    close() {
      for (const channel of channels.values()) channel.close();
    },
  };
}
