/** Listeners of a proxy. */
import { any, type Listener, type NetworkFilter } from '@weft/envoy-api';
import { mutualTls, socketAddress, TCP_KEEPALIVE } from '@weft/policies';

/** A listener for the application, at 127.0.0.1. */
export function outboundListener(name: string, port: number, filter: NetworkFilter): Listener {
  return {
    name,
    address: socketAddress('127.0.0.1', port),
    traffic_direction: 'OUTBOUND',
    filter_chains: [{ filters: [filter] }],
  };
}

/** Where the proxy of a workload at that address listens for the mesh: a loopback address itself, else all of them. */
function bindAddress(workloadAddress: string): string {
  if (/^127\.|^::1$/.test(workloadAddress)) return workloadAddress;
  return workloadAddress.includes(':') ? '::' : '0.0.0.0';
}

export interface InboundListener {
  readonly name: string;
  readonly workloadAddress: string;
  readonly port: number;
  readonly trustDomain: string;
  readonly filter: NetworkFilter;
}

/** A listener for the mesh: mutual TLS with anybody of the trust domain. */
export function inboundListener({ name, workloadAddress, port, trustDomain, filter }: InboundListener): Listener {
  const tls = {
    require_client_certificate: true,
    common_tls_context: mutualTls({ prefix: `spiffe://${trustDomain}/` }),
  };
  return {
    name,
    address: socketAddress(bindAddress(workloadAddress), port),
    traffic_direction: 'INBOUND',
    tcp_keepalive: TCP_KEEPALIVE,
    filter_chains: [
      {
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: any('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', tls),
        },
        filters: [filter],
      },
    ],
  };
}
