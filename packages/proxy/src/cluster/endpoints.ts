/** Load assignments as lists of endpoints. */
import type { ClusterLoadAssignmentConfig } from '../config/cluster.ts';
import { addressText, type NetworkAddress } from '../config/core.ts';
import type { Endpoint } from './host.ts';

type HealthStatus = ClusterLoadAssignmentConfig['endpoints'][number]['lb_endpoints'][number]['health_status'];

const HEALTH: { readonly [K in HealthStatus]: Endpoint['health'] } = {
  UNKNOWN: 'healthy',
  HEALTHY: 'healthy',
  DEGRADED: 'degraded',
  UNHEALTHY: 'unhealthy',
  DRAINING: 'unhealthy',
  TIMEOUT: 'unhealthy',
};

/** The endpoints of a load assignment; an address that stands there twice counts once. */
export function endpointsOf(assignment: ClusterLoadAssignmentConfig): readonly Endpoint[] {
  const endpoints = new Map<string, Endpoint>();
  for (const { locality, lb_endpoints } of assignment.endpoints) {
    for (const { endpoint, health_status, load_balancing_weight } of lb_endpoints) {
      endpoints.set(addressText(endpoint.address), {
        address: endpoint.address,
        hostname: endpoint.hostname,
        weight: load_balancing_weight,
        health: HEALTH[health_status],
        region: locality?.region ?? '',
        zone: locality?.zone ?? '',
        subZone: locality?.sub_zone ?? '',
        ...(endpoint.health_check_config && { check: endpoint.health_check_config }),
      });
    }
  }
  return [...endpoints.values()];
}

/** The endpoint at each of the addresses that a name stands for. */
export function resolvedEndpoints(endpoint: Endpoint, hosts: readonly string[]): readonly Endpoint[] {
  if (endpoint.address.type === 'unix') return [endpoint];
  const { host, port } = endpoint.address;
  return hosts.map((ip): Endpoint => {
    const address: NetworkAddress = { type: 'tcp', host: ip, port };
    return { ...endpoint, address, hostname: endpoint.hostname === '' ? host : endpoint.hostname };
  });
}
