/** Short names of the messages that the mesh builds and reads most. */
import type { Messages } from '../gen/types.ts';

export type Bootstrap = Messages['envoy.config.bootstrap.v3.Bootstrap'];
export type Node = Messages['envoy.config.core.v3.Node'];
export type Address = Messages['envoy.config.core.v3.Address'];
export type TransportSocket = Messages['envoy.config.core.v3.TransportSocket'];
export type HeaderValueOption = Messages['envoy.config.core.v3.HeaderValueOption'];
export type ConfigSource = Messages['envoy.config.core.v3.ConfigSource'];
export type Listener = Messages['envoy.config.listener.v3.Listener'];
export type FilterChain = Messages['envoy.config.listener.v3.FilterChain'];
export type NetworkFilter = Messages['envoy.config.listener.v3.Filter'];
export type Cluster = Messages['envoy.config.cluster.v3.Cluster'];
export type ClusterLoadAssignment = Messages['envoy.config.endpoint.v3.ClusterLoadAssignment'];
export type LocalityLbEndpoints = Messages['envoy.config.endpoint.v3.LocalityLbEndpoints'];
export type LbEndpoint = Messages['envoy.config.endpoint.v3.LbEndpoint'];
export type RouteConfiguration = Messages['envoy.config.route.v3.RouteConfiguration'];
export type VirtualHost = Messages['envoy.config.route.v3.VirtualHost'];
export type Route = Messages['envoy.config.route.v3.Route'];
export type RouteMatch = Messages['envoy.config.route.v3.RouteMatch'];
export type RouteAction = Messages['envoy.config.route.v3.RouteAction'];
export type RetryPolicy = Messages['envoy.config.route.v3.RetryPolicy'];
export type HttpConnectionManager =
  Messages['envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'];
export type HttpFilter = Messages['envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter'];
export type TcpProxy = Messages['envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'];
export type AccessLog = Messages['envoy.config.accesslog.v3.AccessLog'];
export type Secret = Messages['envoy.extensions.transport_sockets.tls.v3.Secret'];
export type UpstreamTlsContext = Messages['envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'];
export type DownstreamTlsContext = Messages['envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'];
export type CommonTlsContext = Messages['envoy.extensions.transport_sockets.tls.v3.CommonTlsContext'];
export type CertificateValidationContext =
  Messages['envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext'];
export type DiscoveryRequest = Messages['envoy.service.discovery.v3.DiscoveryRequest'];
export type DiscoveryResponse = Messages['envoy.service.discovery.v3.DiscoveryResponse'];
export type DeltaDiscoveryRequest = Messages['envoy.service.discovery.v3.DeltaDiscoveryRequest'];
export type DeltaDiscoveryResponse = Messages['envoy.service.discovery.v3.DeltaDiscoveryResponse'];
export type Resource = Messages['envoy.service.discovery.v3.Resource'];
export type StreamAccessLogsMessage = Messages['envoy.service.accesslog.v3.StreamAccessLogsMessage'];
export type HttpAccessLogEntry = Messages['envoy.data.accesslog.v3.HTTPAccessLogEntry'];
export type TcpAccessLogEntry = Messages['envoy.data.accesslog.v3.TCPAccessLogEntry'];
