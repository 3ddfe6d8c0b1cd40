/** Schemas of listeners. */
import { address, metadata, tcpKeepalive } from './core.ts';
import { httpConnectionManager } from './http.ts';
import { NETWORK_FILTERS } from './network-filters.ts';
import {
  anyOf,
  built,
  choice,
  durationMs,
  flag,
  list,
  message,
  NOT_SUPPORTED,
  name,
  number,
  only,
  optional,
  type Parsed,
  required,
  type Schema,
  text,
} from './schema.ts';
import { tcpProxy } from './tcp.ts';
import { downstreamTlsContext } from './tls.ts';

const networkFilter = message('envoy.config.listener.v3.Filter', {
  name: name(),
  typed_config: anyOf({ http: httpConnectionManager, tcp: tcpProxy, ...NETWORK_FILTERS }),
});

const serverName: Schema<string> = built(name(), (text, place) => {
  if (/\*/.test(text.slice(1)) || (text.startsWith('*') && !text.startsWith('*.') && text !== '*')) {
    place.refuse(`${text} is not a server name: an exact name or *.suffix`);
  }
  return text.toLowerCase();
});

const filterChainMatch = message('envoy.config.listener.v3.FilterChainMatch', {
  server_names: list(serverName),
  transport_protocol: text(),
  application_protocols: list(text()),
});

export type FilterChainMatchConfig = Parsed<typeof filterChainMatch>;

const transportSocket = message('envoy.config.core.v3.TransportSocket', {
  name: text(),
  typed_config: anyOf({
    tls: downstreamTlsContext,
    'raw-buffer': message('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer', {}),
  }),
});

/** Any number of filters, and at the end what serves the connection. */
const networkFilters = built(list(networkFilter, { min: 1 }), (filters, place) => {
  for (const [index, filter] of filters.entries()) {
    // What was refused above is not there.
    const type = filter.typed_config?.type;
    const isLast = index === filters.length - 1;
    const serves = type === 'http' || type === 'tcp';
    if (type === undefined || serves === isLast) continue;
    place.within(index, () =>
      place.refuse(
        serves
          ? 'serves the connection, so it must be the last filter'
          : 'must be followed by the HTTP connection manager or the TCP proxy',
      ),
    );
  }
  return filters;
});

const filterChain = message('envoy.config.listener.v3.FilterChain', {
  name: text(),
  filter_chain_match: optional(filterChainMatch),
  filters: networkFilters,
  transport_socket: optional(transportSocket),
  transport_socket_connect_timeout: durationMs(),
  metadata: optional(metadata),
});

export type FilterChainConfig = Parsed<typeof filterChain>;

const tlsInspector = message('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', {});

const listenerFilter = message('envoy.config.listener.v3.ListenerFilter', {
  name: text(),
  typed_config: anyOf({ 'tls-inspector': tlsInspector }),
});

export const listener = message(
  'envoy.config.listener.v3.Listener',
  {
    name: text(),
    address: required(address),
    filter_chains: list(filterChain),
    default_filter_chain: optional(filterChain),
    listener_filters: list(listenerFilter),
    listener_filters_timeout: durationMs(15_000),
    per_connection_buffer_limit_bytes: number(1_048_576),
    traffic_direction: choice(['UNSPECIFIED', 'INBOUND', 'OUTBOUND']),
    tcp_keepalive: optional(tcpKeepalive),
    tcp_backlog_size: optional(number()),
    stat_prefix: text(),
    enable_reuse_port: flag(true),
    bind_to_port: only((given) => given === true, 'true'),
    drain_type: choice(['DEFAULT']),
    metadata: optional(metadata),
  },
  (value, place) => {
    if (value.filter_chains.length === 0 && !value.default_filter_chain) {
      place.within('filter_chains', () => place.refuse('must have an entry'));
    }
    const chains = [...value.filter_chains, ...(value.default_filter_chain ? [value.default_filter_chain] : [])];
    if (value.address?.type === 'unix' && chains.some((chain) => chain.transport_socket?.typed_config.type === 'tls')) {
      place.within('address', () => place.refuse(`TLS on a pipe is ${NOT_SUPPORTED}`));
    }
    const asksForTls = value.filter_chains.some(
      ({ filter_chain_match: match }) =>
        match && (match.server_names.length > 0 || match.application_protocols.length > 0),
    );
    if (asksForTls && value.listener_filters.length === 0) {
      place.within('listener_filters', () =>
        place.refuse('filter chains that match server names or application protocols need the tls_inspector'),
      );
    }
  },
);

export type ListenerConfig = Parsed<typeof listener>;
