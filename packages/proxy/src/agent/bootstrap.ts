/** The bootstrap of the data plane, one for both: everything comes from the agent, over one cluster. */
import type { Bootstrap, ConfigSource } from '@weft/envoy-api';
import type { ProxyPorts } from './ports.ts';

/** The one cluster of the control plane that a data plane knows. */
export const AGENT_CLUSTER = 'weft-agent';

export interface BootstrapInput {
  readonly namespace: string;
  readonly workloadId: string;
  readonly service: string;
  readonly ports: ProxyPorts;
  /** The unix socket of the agent; of a data plane in the agent's process a name that nothing listens at. */
  readonly socketPath: string;
}

const ADS: ConfigSource = { ads: {}, resource_api_version: 'V3' };

/** More than a sidecar ever has; Envoy warns where no limit is set. */
const MAX_CONNECTIONS = 50_000;

export function makeBootstrap({ namespace, workloadId, service, ports, socketPath }: BootstrapInput): Bootstrap {
  return {
    node: { id: `${namespace}/${workloadId}`, cluster: service },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: ports.admin } } },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: AGENT_CLUSTER } }],
      },
      cds_config: ADS,
      lds_config: ADS,
    },
    static_resources: {
      clusters: [
        {
          name: AGENT_CLUSTER,
          type: 'STATIC',
          connect_timeout: '1s',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: AGENT_CLUSTER,
            endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: socketPath } } } }] }],
          },
        },
      ],
    },
    overload_manager: {
      resource_monitors: [
        {
          name: 'envoy.resource_monitors.global_downstream_max_connections',
          typed_config: {
            '@type':
              'type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
            max_active_downstream_connections: MAX_CONNECTIONS,
          },
        },
      ],
    },
  };
}
