/**
 * What an xds-server would send, cut to what tests of the agent need: for each workload a listener for HTTP_PROXY that leads
 * to every service by mutual TLS, and an inbound listener to its application.
 */
import type { Workload } from '@weft/contracts/bus';
import type { FakeResources } from './fake-xds.ts';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const ADS = { ads: {}, resource_api_version: 'V3' };
const SDS = {
  resource_api_version: 'V3',
  api_config_source: {
    api_type: 'DELTA_GRPC',
    transport_api_version: 'V3',
    set_node_on_first_message_only: true,
    grpc_services: [{ envoy_grpc: { cluster_name: 'weft-agent' } }],
  },
};

function commonTls(matcher: object): object {
  return {
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    tls_certificate_sds_secret_configs: [{ name: 'weft/identity', sds_config: SDS }],
    combined_validation_context: {
      default_validation_context: { match_typed_subject_alt_names: [{ san_type: 'URI', matcher }] },
      validation_context_sds_secret_config: { name: 'weft/trust', sds_config: SDS },
    },
  };
}

function socketAddress(address: string, port: number): object {
  return { socket_address: { address, port_value: port } };
}

function http(statPrefix: string, more: object): object {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      stat_prefix: statPrefix,
      codec_type: 'HTTP1',
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
        },
      ],
      access_log: [
        {
          name: 'envoy.access_loggers.http_grpc',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig',
            common_config: {
              log_name: statPrefix,
              transport_api_version: 'V3',
              grpc_service: { envoy_grpc: { cluster_name: 'weft-agent' } },
              buffer_flush_interval: '0.100s',
            },
          },
        },
      ],
      ...more,
    },
  };
}

function tcp(statPrefix: string, clusterName: string): object {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
      stat_prefix: statPrefix,
      cluster: clusterName,
      idle_timeout: '0s',
    },
  };
}

function cluster(name: string, endpoints: readonly object[], more: object = {}): object {
  const lbEndpoints = endpoints.map((address) => ({ endpoint: { address } }));
  return {
    name,
    connect_timeout: '2s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: lbEndpoints }] },
    ...more,
  };
}

function outboundCluster(service: string, workloads: readonly Workload[]): object {
  const members = workloads.filter((workload) => workload.service === service && workload.health === 'READY');
  const endpoints = members.flatMap(({ address, ports }) =>
    ports.map((port) => socketAddress(address, port.inboundPort)),
  );
  return cluster(`outbound/shop/${service}`, endpoints, {
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': `${TLS}.UpstreamTlsContext`,
        sni: `${service}.shop.mesh`,
        common_tls_context: commonTls({ exact: `spiffe://mesh.test/ns/shop/sa/${service}` }),
      },
    },
  });
}

function outboundListener({ outboundPort }: Workload): object {
  const rds = { route_config_name: 'outbound/shop', config_source: ADS };
  return {
    name: 'outbound',
    address: socketAddress('127.0.0.1', outboundPort),
    filter_chains: [{ filters: [http('outbound', { rds })] }],
  };
}

/** TCP alone: what tests call by a local port. */
function upstreamListener({ service, localPort }: Workload['upstreams'][number]): object {
  const name = `upstream/shop/${service}`;
  const filters = [tcp(name, `outbound/shop/${service}`)];
  return { name, address: socketAddress('127.0.0.1', localPort), filter_chains: [{ filters }] };
}

function routes(services: readonly string[]): object {
  return {
    name: 'outbound/shop',
    virtual_hosts: services.map((service) => ({
      name: `shop/${service}`,
      domains: [`${service}.mesh`],
      routes: [
        {
          match: { prefix: '/' },
          route: {
            cluster: `outbound/shop/${service}`,
            timeout: '0s',
            retry_policy: { retry_on: 'connect-failure,reset-before-request', num_retries: 2 },
          },
        },
      ],
    })),
  };
}

function inboundFilter({ applicationPort, protocol }: Workload['ports'][number]): object {
  if (protocol === 'TCP') return tcp('inbound', `inbound/${applicationPort}`);
  const route = { match: { prefix: '/' }, route: { cluster: `inbound/${applicationPort}`, timeout: '0s' } };
  const host = { name: 'inbound', domains: ['*'], routes: [route] };
  return http('inbound', { route_config: { name: 'inbound', virtual_hosts: [host] } });
}

function inboundListener(port: Workload['ports'][number]): object {
  const { inboundPort } = port;
  return {
    name: `inbound/${inboundPort}`,
    address: socketAddress('127.0.0.1', inboundPort),
    filter_chains: [
      {
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: {
            '@type': `${TLS}.DownstreamTlsContext`,
            require_client_certificate: true,
            common_tls_context: commonTls({ prefix: 'spiffe://mesh.test/' }),
          },
        },
        filters: [inboundFilter(port)],
      },
    ],
  };
}

type Named = { readonly name: string };

function byName(resources: readonly object[]): Readonly<Record<string, object>> {
  return Object.fromEntries(resources.map((resource) => [(resource as Named).name, resource]));
}

/** The resources of each registered workload; of others nothing. */
export function meshResources(registered: ReadonlyMap<string, Workload>): FakeResources {
  return (nodeId) => {
    const workloads = [...registered.values()];
    const workload = workloads.find(({ namespace, id }) => `${namespace}/${id}` === nodeId);
    if (!workload) return {};
    const called = workload.upstreams.map(({ service }) => service);
    const services = [...new Set([...workloads.map(({ service }) => service), ...called])];
    const own = workload.ports.map(({ applicationPort }) =>
      cluster(`inbound/${applicationPort}`, [socketAddress('127.0.0.1', applicationPort)]),
    );
    return {
      'type.googleapis.com/envoy.config.cluster.v3.Cluster': byName([
        ...services.map((service) => outboundCluster(service, workloads)),
        ...own,
      ]),
      'type.googleapis.com/envoy.config.listener.v3.Listener': byName([
        outboundListener(workload),
        ...workload.ports.map(inboundListener),
        ...workload.upstreams.map(upstreamListener),
      ]),
      'type.googleapis.com/envoy.config.route.v3.RouteConfiguration': byName([routes(services)]),
    };
  };
}
