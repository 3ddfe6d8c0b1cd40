/** A service as callers see it: a cluster and its load assignment. */
import { any, type Cluster, type ClusterLoadAssignment } from '@weft/envoy-api';
import { hostName, type MeshService } from '@weft/model';
import {
  ADS,
  CONNECT_TIMEOUT,
  httpProtocol,
  mutualTls,
  NO_LIMITS,
  socketAddress,
  TCP_KEEPALIVE,
} from '../shared/envoy.ts';
import { origin, outboundName } from '../shared/names.ts';

/**
 * What never reached an application is tried again for a fifth of the requests under way at most. The floor lets all
 * requests that an instance took with it find another one.
 */
const RETRY_BUDGET = { budget_percent: { value: 20 }, min_retry_concurrency: 100 } as const;

/** Below the hour after which the inbound side closes idle connections, so that none is used as it is closed. */
const IDLE_TIMEOUT = '60s';

/** The cluster; it changes with the service's identities, protocol and resource, and not with its endpoints. */
export function serviceCluster(service: MeshService): Cluster {
  const tls = { sni: hostName(service), common_tls_context: mutualTls({ exact: service.identities }) };
  return {
    name: outboundName(service),
    type: 'EDS',
    eds_cluster_config: { eds_config: ADS },
    connect_timeout: CONNECT_TIMEOUT,
    circuit_breakers: { thresholds: [{ ...NO_LIMITS, retry_budget: RETRY_BUDGET }] },
    upstream_connection_options: { tcp_keepalive: TCP_KEEPALIVE },
    ...(service.protocol === 'http' ? { typed_extension_protocol_options: httpProtocol(IDLE_TIMEOUT) } : {}),
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', tls),
    },
    ...(service.declared ? { metadata: origin(service.declared) } : {}),
  };
}

/** The load assignment: the endpoints that take requests; empty of a service that has none. */
export function serviceEndpoints(service: MeshService): ClusterLoadAssignment {
  const hosts = service.endpoints.map(({ address, port }) => ({
    endpoint: { address: socketAddress(address, port) },
  }));
  return {
    cluster_name: outboundName(service),
    ...(hosts.length > 0 ? { endpoints: [{ lb_endpoints: hosts }] } : {}),
  };
}
