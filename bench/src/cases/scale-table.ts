/** Bootstraps with as many hosts as asked for, a cluster each, and five routes for each of them. */

const PATHS = ['/v1/', '/v2/', '/items/', '/orders/', '/'] as const;

export function hostOf(index: number): string {
  return `service-${index}.shop.mesh`;
}

/** A path that the first (0), a middle or the last (1) route of a host takes. */
export function pathOf(share: number): string {
  return PATHS[Math.round((PATHS.length - 1) * share)] ?? '/';
}

const PREFIX = 'type.googleapis.com/envoy.extensions.filters';

function address(port: number) {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

function virtualHost(index: number) {
  const routes = PATHS.map((prefix, place) => ({
    name: `route-${index}-${place}`,
    match: { prefix },
    route: { cluster: `service-${index}` },
  }));
  return { name: `service-${index}`, domains: [hostOf(index), `service-${index}`], routes };
}

function cluster(index: number) {
  const name = `service-${index}`;
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(10_080) } }] }],
    },
  };
}

/** JSON with its admin interface at port 9901, one listener `http`, and every cluster at port 10080. */
export function tableBootstrap(hosts: number): string {
  const indices = Array.from({ length: hosts }, (_, index) => index);
  const manager = {
    '@type': `${PREFIX}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'http',
    route_config: { name: 'table', virtual_hosts: indices.map(virtualHost) },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': `${PREFIX}.http.router.v3.Router` } }],
  };
  const filters = [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }];
  const bootstrap = {
    admin: { address: address(9901) },
    static_resources: {
      listeners: [{ name: 'http', address: address(10_000), filter_chains: [{ filters }] }],
      clusters: indices.map(cluster),
    },
  };
  return JSON.stringify(bootstrap);
}
