/** The one network filter of each listener. */
import {
  type AccessLog,
  any,
  type HttpConnectionManager,
  type NetworkFilter,
  type RouteConfiguration,
  type TcpProxy,
} from '@weft/envoy-api';
import { ADS, AGENT_CLUSTER, type Destination } from '@weft/policies';

export type Direction = 'outbound' | 'inbound';

const HTTP_LOG = 'envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig';
const TCP_LOG = 'envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig';

/** Access logs go to the agent, which passes them on; they are named by direction. */
function accessLog(protocol: 'http' | 'tcp', direction: Direction): AccessLog {
  const common_config = {
    log_name: direction,
    transport_api_version: 'V3',
    grpc_service: { envoy_grpc: { cluster_name: AGENT_CLUSTER } },
    buffer_flush_interval: '0.500s',
  } as const;
  return {
    name: `envoy.access_loggers.${protocol}_grpc`,
    typed_config: any(protocol === 'http' ? HTTP_LOG : TCP_LOG, { common_config }),
  };
}

const ROUTER = {
  name: 'envoy.filters.http.router',
  typed_config: any('envoy.extensions.filters.http.router.v3.Router', { suppress_envoy_headers: true }),
} as const;

function httpFilter(manager: HttpConnectionManager): NetworkFilter {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', manager),
  };
}

/** What is the same for every HTTP listener. */
function httpManager(direction: Direction, statPrefix: string) {
  return {
    stat_prefix: statPrefix,
    codec_type: 'HTTP1',
    http_filters: [ROUTER],
    server_header_transformation: 'PASS_THROUGH',
    stream_idle_timeout: '0s',
    request_headers_timeout: '30s',
    generate_request_id: true,
    access_log: [accessLog('http', direction)],
  } as const;
}

/** Who calls a service that nobody is, or that nobody of takes requests, is told so by name. */
const NAME_THE_ABSENT = {
  mappers: [
    {
      filter: { response_flag_filter: { flags: ['UH'] } },
      body_format_override: {
        text_format_source: {
          inline_string:
            'weft: no instance takes requests of %UPSTREAM_CLUSTER%; weft get services shows what is there, and weft get workloads how it is\n',
        },
      },
    },
  ],
} as const;

export interface OutboundHttp {
  readonly statPrefix: string;
  readonly routeName: string;
  /** The host of requests of HTTP/1.0 that name none. */
  readonly defaultHost?: string;
  /** Whether CONNECT is answered. */
  readonly connect: boolean;
}

/** HTTP from the application towards the mesh. */
export function outboundHttp({ statPrefix, routeName, defaultHost, connect }: OutboundHttp): NetworkFilter {
  return httpFilter({
    ...httpManager('outbound', statPrefix),
    rds: { route_config_name: routeName, config_source: ADS },
    http_protocol_options: {
      accept_http_10: true,
      ...(defaultHost === undefined ? {} : { default_host_for_http_10: defaultHost }),
      enable_trailers: true,
    },
    upgrade_configs: [{ upgrade_type: 'websocket' }, ...(connect ? [{ upgrade_type: 'CONNECT' }] : [])],
    // Who the caller is, is for the far side to say: what an application claims is taken off.
    forward_client_cert_details: 'SANITIZE',
    local_reply_config: NAME_THE_ABSENT,
  });
}

/** A call that could not be handed to the application was not seen by it, and may be made again elsewhere. */
const MARK_REFUSED = {
  mappers: [
    {
      filter: { response_flag_filter: { flags: ['UF'] } },
      headers_to_add: [{ header: { key: 'x-weft-refused', value: '1' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
    },
  ],
} as const;

/** HTTP from the mesh towards the application. */
export function inboundHttp(routes: RouteConfiguration): NetworkFilter {
  return httpFilter({
    ...httpManager('inbound', 'inbound'),
    route_config: routes,
    http_protocol_options: { enable_trailers: true },
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    forward_client_cert_details: 'SANITIZE_SET',
    set_current_client_cert_details: { uri: true },
    normalize_path: true,
    merge_slashes: true,
    path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
    local_reply_config: MARK_REFUSED,
  });
}

function tcpFilter(proxy: TcpProxy): NetworkFilter {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: any('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', proxy),
  };
}

/** Connections from the application towards the mesh. */
export function outboundTcp(statPrefix: string, to: Destination & { type: 'cluster' | 'weighted' }): NetworkFilter {
  const rest = {
    stat_prefix: statPrefix,
    idle_timeout: '0s',
    max_connect_attempts: 3,
    access_log: [accessLog('tcp', 'outbound')],
  };
  if (to.type === 'cluster') return tcpFilter({ ...rest, cluster: to.cluster });
  return tcpFilter({ ...rest, weighted_clusters: { clusters: to.clusters } });
}

/** Connections from the mesh towards the application. */
export function inboundTcp(cluster: string): NetworkFilter {
  const access_log = [accessLog('tcp', 'inbound')];
  return tcpFilter({ stat_prefix: 'inbound', cluster, idle_timeout: '0s', access_log });
}
