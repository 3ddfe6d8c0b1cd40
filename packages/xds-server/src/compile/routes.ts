/** Virtual hosts of services, and what becomes of every other host. */
import type { Route, RouteConfiguration, VirtualHost } from '@weft/envoy-api';
import { hostNames, type MeshService, type ResourceOf, routesFor } from '@weft/model';
import {
  type ClusterTrouble,
  defaultHttpRoute,
  directResponse,
  LOOPBACK_CLUSTER,
  origin,
  tcpDestination,
  towards,
  translateHttpRoutes,
} from '@weft/policies';

/** What the routes of services are made with. */
export interface RouteGround {
  /** The namespace whose callers the routes are for. */
  readonly callers: string;
  readonly trouble: ClusterTrouble;
}

const CONNECT = { upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }], timeout: '0s' };

/** CONNECT to an HTTP service is answered, and what comes through it is a request like any other. */
const INTO_LOOPBACK: Route = {
  name: 'connect',
  match: { connect_matcher: {} },
  route: { cluster: LOOPBACK_CLUSTER, ...CONNECT },
};

/** The requests for an HTTP service. */
export function httpRoutes(service: MeshService, { callers, trouble }: RouteGround): Route[] {
  const routes = routesFor(service.httpRoutes, service, callers);
  return routes.length > 0 ? translateHttpRoutes(routes, trouble) : [defaultHttpRoute(service, trouble)];
}

/** The TCPRoute that holds for the callers of a service: of several the oldest. */
export function tcpRouteOf(service: MeshService, callers: string): ResourceOf<'TCPRoute'> | undefined {
  return routesFor(service.tcpRoutes, service, callers)[0];
}

function tcpRoutes(service: MeshService, { callers, trouble }: RouteGround): Route[] {
  const resource = tcpRouteOf(service, callers);
  const to = tcpDestination(service, resource ? [resource] : [], trouble);
  const action =
    to.type === 'cluster' || to.type === 'weighted'
      ? towards(to, CONNECT)
      : directResponse(503, `${service.key} cannot be reached${to.type === 'missing' ? `: ${to.reason}` : ''}`);
  const name = resource ? `TCPRoute/${resource.namespace}/${resource.name}/0/0@${resource.revision}` : 'default';
  const source = resource ?? service.declared;
  const rule = resource ? (resource.spec.rules[0]?.name ?? '0') : undefined;
  const plain = `${service.key} speaks TCP, not HTTP: reach it by CONNECT, or by a local port of its own`;
  return [
    { name, match: { connect_matcher: {} }, ...action, ...(source ? { metadata: origin(source, rule) } : {}) },
    { name: 'not-http', match: { prefix: '/' }, ...directResponse(400, plain) },
  ];
}

/** A service among those that callers reach by HTTP_PROXY. */
export function virtualHost(service: MeshService, ground: RouteGround): VirtualHost {
  const routes =
    service.protocol === 'http' ? [INTO_LOOPBACK, ...httpRoutes(service, ground)] : tcpRoutes(service, ground);
  return { name: service.key, domains: hostNames(service, ground.callers), routes };
}

const NOBODY =
  'weft: no service answers to "%REQ(:AUTHORITY)%"; services of the mesh are named <service>.mesh or <service>.<namespace>.mesh\n';

/** Hosts that are not in the mesh. */
const UNKNOWN: VirtualHost = {
  name: 'unknown',
  domains: ['*'],
  routes: [{ connect_matcher: {} }, { prefix: '/' }].map((match) => ({
    name: 'unknown',
    match,
    direct_response: { status: 404, body_format: { text_format_source: { inline_string: NOBODY } } },
  })),
};

/** The routes of the listener for HTTP_PROXY. */
export function outboundRoutes(name: string, hosts: readonly VirtualHost[]): RouteConfiguration {
  return { name, virtual_hosts: [...hosts, UNKNOWN], ignore_port_in_host_matching: true };
}

/** The routes of the local port of an upstream: whatever host is named, the service is meant. */
export function upstreamRoutes(name: string, service: MeshService, ground: RouteGround): RouteConfiguration {
  const host = { name: service.key, domains: ['*'], routes: httpRoutes(service, ground) };
  return { name, virtual_hosts: [host], ignore_port_in_host_matching: true };
}

/** The routes of an inbound listener: everything goes to the application. */
export function inboundRoutes(cluster: string): RouteConfiguration {
  const route: Route = {
    name: 'default',
    match: { prefix: '/' },
    route: { cluster, timeout: '0s' },
    // The mark of a call that never arrived is the proxy's alone to make.
    response_headers_to_remove: ['x-weft-refused'],
  };
  return {
    name: cluster,
    virtual_hosts: [{ name: cluster, domains: ['*'], routes: [route] }],
    ignore_port_in_host_matching: true,
  };
}
