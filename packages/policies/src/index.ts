export { directResponse, retryPolicy, towards } from './http-route/action.ts';
export { defaultHttpRoute, translateHttpRoutes } from './http-route/translate.ts';
export { KIND_SCHEMAS, readResource } from './kinds.ts';
export { serviceCluster, serviceEndpoints } from './service/translate.ts';
export type { ClusterTrouble, Destination } from './shared/backends.ts';
export {
  ADS,
  AGENT_CLUSTER,
  CONNECT_TIMEOUT,
  httpProtocol,
  mutualTls,
  NO_LIMITS,
  type Peers,
  socketAddress,
  TCP_KEEPALIVE,
} from './shared/envoy.ts';
export { LOOPBACK_CLUSTER, origin, outboundName } from './shared/names.ts';
export { tcpDestination } from './tcp-route/translate.ts';
export { type CheckedChangeSet, validateChangeSet } from './validate/change-set.ts';
