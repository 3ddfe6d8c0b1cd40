/** Type URLs of the xDS resources: https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol. */

export const TYPE_PREFIX = 'type.googleapis.com/';

/** The xDS resource types that proxies ask for, in the order in which additions are safe to make: make before break. */
export const RESOURCE_TYPES = {
  secret: 'envoy.extensions.transport_sockets.tls.v3.Secret',
  cluster: 'envoy.config.cluster.v3.Cluster',
  endpoint: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'envoy.config.listener.v3.Listener',
  route: 'envoy.config.route.v3.RouteConfiguration',
  runtime: 'envoy.service.runtime.v3.Runtime',
} as const;

export type ResourceType = keyof typeof RESOURCE_TYPES;

/** The type URL of a message: `type.googleapis.com/envoy.config.cluster.v3.Cluster`. */
export function typeUrl(messageName: string): string {
  return TYPE_PREFIX + messageName;
}
