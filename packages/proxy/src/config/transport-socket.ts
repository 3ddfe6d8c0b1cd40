/** Schemas of what stands between a cluster and the connections to its hosts. */
import { anyOf, choice, list, message, name, optional, type Parsed, required, struct, text } from './schema.ts';
import { upstreamTlsContext } from './tls.ts';

const TRANSPORT_SOCKET = 'envoy.config.core.v3.TransportSocket';

const innermost = {
  tls: upstreamTlsContext,
  'raw-buffer': message('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer', {}),
};

/** Who the client is, told ahead of everything else. */
const proxyProtocol = message('envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport', {
  config: optional(message('envoy.config.core.v3.ProxyProtocolConfig', { version: choice(['V1', 'V2']) })),
  transport_socket: required(message(TRANSPORT_SOCKET, { name: text(), typed_config: anyOf(innermost) })),
});

const upstreamTransportSocket = message(TRANSPORT_SOCKET, {
  name: text(),
  typed_config: anyOf({ ...innermost, 'proxy-protocol': proxyProtocol }),
});

const transportSocketMatch = message('envoy.config.cluster.v3.Cluster.TransportSocketMatch', {
  name: name(),
  match: struct(),
  transport_socket: optional(upstreamTransportSocket),
});

/** Fields of a cluster that say how its hosts are connected to. */
export const transportSockets = {
  transport_socket: optional(upstreamTransportSocket),
  transport_socket_matches: list(transportSocketMatch),
};

export type TransportSocketConfig = Parsed<typeof upstreamTransportSocket>;

export type ProxyProtocolVersion = 'V1' | 'V2';

export interface TransportConfig {
  /** Undefined: in the clear. */
  readonly tls: Parsed<typeof upstreamTlsContext> | undefined;
  /** The version of the PROXY protocol in which hosts are told of the client; undefined: they are not. */
  readonly proxyProtocol: ProxyProtocolVersion | undefined;
}

/** What the nested sockets come to. */
export function transportOf(socket: TransportSocketConfig | undefined): TransportConfig {
  const outer = socket?.typed_config;
  if (outer?.type !== 'proxy-protocol') {
    return { tls: outer?.type === 'tls' ? outer.value : undefined, proxyProtocol: undefined };
  }
  const inner = outer.value.transport_socket?.typed_config;
  return {
    tls: inner?.type === 'tls' ? inner.value : undefined,
    proxyProtocol: outer.value.config?.version ?? 'V1',
  };
}
