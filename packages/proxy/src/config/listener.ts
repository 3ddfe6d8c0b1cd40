/** Schemas of listeners. */
import { FilterChains } from '../listener/filter-chains.ts';
import { tlsInspector } from '../listener/filters/tls-inspector/schema.ts';
import { tcpAccessLog } from './access-log.ts';
import { cidrRange } from './cidr.ts';
import { address, metadata, type NetworkAddress, tcpKeepalive } from './core.ts';
import { httpConnectionManager } from './http.ts';
import { type ListenerFilterConfig, listenerFilter } from './listener-filters.ts';
import { NETWORK_FILTERS } from './network-filters.ts';
import {
  anyOf,
  built,
  choice,
  durationMs,
  flag,
  list,
  message,
  name,
  number,
  optional,
  type Parsed,
  Place,
  required,
  type Schema,
  text,
} from './schema.ts';
import { type SocketOption, socketOption, socketOptionsOverride } from './socket-options.ts';
import { tcpProxy } from './tcp.ts';
import { downstreamTlsContext } from './tls.ts';

const networkFilter = message('envoy.config.listener.v3.Filter', {
  name: name(),
  typed_config: anyOf({ http: httpConnectionManager, tcp: tcpProxy, ...NETWORK_FILTERS }),
});

const serverName: Schema<string> = built(name(), (text, place) => {
  if (text.lastIndexOf('*') > 0 || (text.startsWith('*') && !text.startsWith('*.'))) {
    place.refuse(`${text} is not a server name: an exact name or *.suffix`);
  }
  return text.toLowerCase();
});

const MAX_PORT = 65_535;
const MAX_INT32 = 0x7fff_ffff;
const MAX_UINT32 = 0xffff_ffff;

const filterChainMatch = message('envoy.config.listener.v3.FilterChainMatch', {
  destination_port: optional(number(0, { min: 1, max: MAX_PORT })),
  prefix_ranges: list(cidrRange),
  server_names: list(serverName),
  transport_protocol: text(),
  application_protocols: list(name()),
  direct_source_prefix_ranges: list(cidrRange),
  source_type: choice(['ANY', 'SAME_IP_OR_LOOPBACK', 'EXTERNAL']),
  source_prefix_ranges: list(cidrRange),
  source_ports: list(number(0, { min: 1, max: MAX_PORT })),
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

const additionalAddress = message('envoy.config.listener.v3.AdditionalAddress', {
  address: required(address),
  socket_options: optional(socketOptionsOverride),
});

/** Node accepts one connection an event, which is within any limit. */
const acceptsAtOnce = optional(number(0, { min: 1, max: MAX_UINT32 }));

/** Sockets of files get their address from Node, after which no option can come before it. */
function checkOptions(
  {
    address: own,
    additional_addresses: more,
    socket_options: options,
  }: {
    readonly address: NetworkAddress;
    readonly additional_addresses: readonly Parsed<typeof additionalAddress>[];
    readonly socket_options: readonly SocketOption[];
  },
  place: Place,
): void {
  const hasPath = own.type === 'unix' || more.some((one) => one.address.type === 'unix');
  for (const [index, { when }] of hasPath ? options.entries() : []) {
    if (when !== 'bind') continue;
    place.within('socket_options', () =>
      place.within(index, () => place.refuse('a socket with a path takes no option of STATE_PREBIND')),
    );
  }
}

/** No connection may be for two chains. */
function checkMatches(chains: readonly FilterChainConfig[], place: Place): void {
  const matched = new FilterChains<number>();
  for (const [index, { filter_chain_match: match }] of chains.entries()) {
    if (matched.add(match, index)) continue;
    place.within('filter_chains', () =>
      place.within(index, () =>
        place.within('filter_chain_match', () =>
          place.refuse('matches connections that another chain matches as well'),
        ),
      ),
    );
  }
}

const TLS_INSPECTOR: ListenerFilterConfig = {
  name: 'envoy.filters.listener.tls_inspector',
  filter_disabled: undefined,
  typed_config: { type: 'tls-inspector', value: tlsInspector.parse({}, new Place()) },
};

/** The listener filters, and the tls_inspector behind them where filter chains match what it alone finds. */
export function listenerFiltersOf({
  filter_chains: chains,
  listener_filters: filters,
}: {
  readonly filter_chains: readonly FilterChainConfig[];
  readonly listener_filters: readonly ListenerFilterConfig[];
}): readonly ListenerFilterConfig[] {
  const looksAtTls = ({ filter_chain_match: match }: FilterChainConfig): boolean => {
    if (!match) return false;
    if (match.transport_protocol !== '') return match.transport_protocol === 'tls';
    return match.server_names.length > 0 || match.application_protocols.length > 0;
  };
  if (filters.some(({ typed_config }) => typed_config.type === 'tls-inspector')) return filters;
  return chains.some(looksAtTls) ? [...filters, TLS_INSPECTOR] : filters;
}

export const listener = message(
  'envoy.config.listener.v3.Listener',
  {
    name: text(),
    address: required(address),
    additional_addresses: list(additionalAddress),
    filter_chains: list(filterChain),
    default_filter_chain: optional(filterChain),
    listener_filters: list(listenerFilter),
    listener_filters_timeout: durationMs(15_000),
    continue_on_listener_filters_timeout: flag(),
    use_original_dst: flag(),
    ignore_global_conn_limit: flag(),
    bypass_overload_manager: flag(),
    transparent: flag(),
    freebind: flag(),
    socket_options: list(socketOption),
    tcp_fast_open_queue_length: optional(number(0, { max: MAX_INT32 })),
    max_connections_to_accept_per_socket_event: acceptsAtOnce,
    access_log: list(tcpAccessLog),
    per_connection_buffer_limit_bytes: number(1_048_576),
    traffic_direction: choice(['UNSPECIFIED', 'INBOUND', 'OUTBOUND']),
    tcp_keepalive: optional(tcpKeepalive),
    tcp_backlog_size: optional(number()),
    stat_prefix: text(),
    enable_reuse_port: flag(true),
    bind_to_port: flag(true),
    drain_type: choice(['DEFAULT', 'MODIFY_ONLY']),
    metadata: optional(metadata),
  },
  (value, place) => {
    if (value.filter_chains.length === 0 && !value.default_filter_chain) {
      place.within('filter_chains', () => place.refuse('must have an entry'));
    }
    checkMatches(value.filter_chains, place);
    checkOptions(value, place);
  },
);

export type ListenerConfig = Parsed<typeof listener>;
