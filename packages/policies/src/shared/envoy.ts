/** Pieces of Envoy configuration that clusters and listeners share. */
import { type Address, any, type Cluster, type CommonTlsContext, type ConfigSource } from '@weft/envoy-api';

/** The one cluster of the control plane that data planes know; their agent serves it. */
export const AGENT_CLUSTER = 'weft-agent';

/** Resources that come over the proxy's ADS stream. */
export const ADS: ConfigSource = { ads: {}, resource_api_version: 'V3' };

/** Secrets come from the agent, so that private keys stay on the node. */
const SDS: ConfigSource = {
  api_config_source: {
    api_type: 'DELTA_GRPC',
    transport_api_version: 'V3',
    set_node_on_first_message_only: true,
    grpc_services: [{ envoy_grpc: { cluster_name: AGENT_CLUSTER } }],
  },
  resource_api_version: 'V3',
};

/** A vanished peer is noticed within 30 s. */
export const TCP_KEEPALIVE = { keepalive_probes: 3, keepalive_time: 15, keepalive_interval: 5 } as const;

/** As many as there are: a limit is a policy's to set. */
export const NO_LIMITS = {
  max_connections: 4_294_967_295,
  max_pending_requests: 4_294_967_295,
  max_requests: 4_294_967_295,
} as const;

/** To connect, TLS handshake included. */
export const CONNECT_TIMEOUT = '2s';

export function socketAddress(address: string, port: number): Address {
  return { socket_address: { address, port_value: port } };
}

/** Which identities the far side may prove: one of these, or any that begins with the prefix. */
export type Peers = { readonly exact: readonly string[] } | { readonly prefix: string };

/** Own certificate, trust and the identities that are accepted, for either end of mutual TLS. */
export function mutualTls(peers: Peers): CommonTlsContext {
  const matchers = 'prefix' in peers ? [{ prefix: peers.prefix }] : peers.exact.map((exact) => ({ exact }));
  // No matcher would mean that any certificate is accepted.
  if (matchers.length === 0) throw new Error('no identity is known that the far side may prove');
  return {
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    tls_certificate_sds_secret_configs: [{ name: 'weft/identity', sds_config: SDS }],
    combined_validation_context: {
      default_validation_context: {
        match_typed_subject_alt_names: matchers.map((matcher) => ({ san_type: 'URI' as const, matcher })),
      },
      validation_context_sds_secret_config: { name: 'weft/trust', sds_config: SDS },
    },
  };
}

/** HTTP/1.1 to the hosts of a cluster; connections that idle that long (`60s`) are closed. */
export function httpProtocol(idleTimeout: string): NonNullable<Cluster['typed_extension_protocol_options']> {
  return {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      {
        common_http_protocol_options: { idle_timeout: idleTimeout },
        explicit_http_config: { http_protocol_options: { enable_trailers: true } },
      },
    ),
  };
}
