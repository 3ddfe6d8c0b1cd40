/** Clusters of a proxy's own: its application's ports, and the way back for CONNECT. */
import type { Cluster } from '@weft/envoy-api';
import { CONNECT_TIMEOUT, httpProtocol, LOOPBACK_CLUSTER, NO_LIMITS, socketAddress } from '@weft/policies';

/** Below the time for which usual servers keep idle connections, so that none is used as the application closes it. */
const IDLE_TIMEOUT = '1s';

/** `inbound/8080`. */
export function inboundName(port: number): string {
  return `inbound/${port}`;
}

function localCluster(name: string, port: number): Cluster {
  const host = { endpoint: { address: socketAddress('127.0.0.1', port) } };
  return {
    name,
    type: 'STATIC',
    connect_timeout: CONNECT_TIMEOUT,
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [host] }] },
    circuit_breakers: { thresholds: [NO_LIMITS] },
  };
}

/** The application, at one of its ports. */
export function inboundCluster(port: number, protocol: 'HTTP' | 'TCP'): Cluster {
  const cluster = localCluster(inboundName(port), port);
  return protocol === 'TCP' ? cluster : { ...cluster, typed_extension_protocol_options: httpProtocol(IDLE_TIMEOUT) };
}

/** The proxy's own listener for HTTP_PROXY, where what comes through a CONNECT is a request like any other. */
export function loopbackCluster(outboundPort: number): Cluster {
  return localCluster(LOOPBACK_CLUSTER, outboundPort);
}
