/** Parts of a bootstrap, as ProtoJSON; for tests. */
import { type Bootstrap, decode, encodeUnknown } from '@weft/envoy-api';

const BOOTSTRAP = 'envoy.config.bootstrap.v3.Bootstrap';
const FILTERS = 'type.googleapis.com/envoy.extensions.filters';

export const ROUTER = { name: 'router', typed_config: { '@type': `${FILTERS}.http.router.v3.Router` } };

/** A port of this machine, or the path of a Unix socket. */
export function localAddress(at: number | string): object {
  return typeof at === 'string' ? { pipe: { path: at } } : { socket_address: { address: '127.0.0.1', port_value: at } };
}

/** The hosts of a cluster: those ports of this machine. */
export function loadAssignment(cluster_name: string, ...ports: readonly number[]): object {
  const lb_endpoints = ports.map((port) => ({ endpoint: { address: localAddress(port) } }));
  return { cluster_name, endpoints: [{ lb_endpoints }] };
}

/** A cluster of one host. */
export function staticCluster(name: string, port: number, more: object = {}): object {
  return { name, type: 'STATIC', connect_timeout: '2s', load_assignment: loadAssignment(name, port), ...more };
}

/** Routes of one virtual host for all names. */
export function routes(...list: readonly object[]): object {
  return { virtual_hosts: [{ name: 'v', domains: ['*'], routes: list }] };
}

/** A route that is answered without an upstream. */
export function answered(match: object, text: string): object {
  return { match, direct_response: { status: 200, body: { inline_string: text } } };
}

/** A connection manager with these fields, as a filter of a chain. */
export function httpManager(fields: object): object {
  const type = `${FILTERS}.network.http_connection_manager.v3.HttpConnectionManager`;
  return { name: 'http', typed_config: { '@type': type, stat_prefix: 'http', http_filters: [ROUTER], ...fields } };
}

/** A listener with one chain, a connection manager with these fields; `chain`: more fields of the chain. */
export function httpListener(at: number | string, manager: object, name = 'http', chain: object = {}): object {
  return { name, address: localAddress(at), filter_chains: [{ ...chain, filters: [httpManager(manager)] }] };
}

/** A bootstrap of such parts, as its type has it. Throws `MessageError` where it is none. */
export function bootstrapOf(given: object): Bootstrap {
  return decode(BOOTSTRAP, encodeUnknown(BOOTSTRAP, given));
}
