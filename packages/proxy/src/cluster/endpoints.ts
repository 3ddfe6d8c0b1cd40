/** Load assignments as lists of endpoints. */
import type { ClusterLoadAssignmentConfig } from '../config/cluster.ts';
import { addressText, type NetworkAddress } from '../config/core.ts';
import { type AssignmentPolicy, DEFAULT_POLICY } from './balancing/host-sets.ts';
import { lbValues } from './balancing/metadata-match.ts';
import type { Endpoint, LbMetadata } from './host.ts';

type HealthStatus = ClusterLoadAssignmentConfig['endpoints'][number]['lb_endpoints'][number]['health_status'];

const HEALTH: { readonly [K in HealthStatus]: Endpoint['health'] } = {
  UNKNOWN: 'healthy',
  HEALTHY: 'healthy',
  DEGRADED: 'degraded',
  UNHEALTHY: 'unhealthy',
  DRAINING: 'unhealthy',
  TIMEOUT: 'unhealthy',
};

/** What a load assignment says of all its endpoints. */
export function policyOf({ policy }: ClusterLoadAssignmentConfig): AssignmentPolicy {
  if (!policy) return DEFAULT_POLICY;
  const drop = policy.drop_overloads[0]?.drop_percentage;
  return {
    overprovisioningPercent: policy.overprovisioning_factor,
    weighsHealth: policy.weighted_priority_health,
    dropShare: drop ? drop.numerator / drop.denominator : 0,
  };
}

const NO_METADATA: LbMetadata = {};

type Metadata = { readonly filter_metadata: LbMetadata | undefined } | undefined;

/** By what an endpoint's transport socket is chosen: its own metadata, which goes before, and that of its locality. */
function socketValues(own: Metadata, ofLocality: Metadata): readonly LbMetadata[] | undefined {
  const [first, second] = [own, ofLocality].map((metadata) => {
    const values = metadata?.filter_metadata?.['envoy.transport_socket_match'];
    return typeof values === 'object' && values !== null ? (values as LbMetadata) : undefined;
  });
  if (second) return [first ?? NO_METADATA, second];
  return first && [first];
}

/** The endpoints of a load assignment; of an address that stands there twice the first counts. */
export function endpointsOf(assignment: ClusterLoadAssignmentConfig): readonly Endpoint[] {
  const endpoints = new Map<string, Endpoint>();
  for (const { locality, lb_endpoints, priority, ...rest } of assignment.endpoints) {
    const { load_balancing_weight: localityWeight = 0, metadata: localityMetadata } = rest;
    const { region = '', zone = '', sub_zone: subZone = '' } = locality ?? {};
    for (const { endpoint, health_status, load_balancing_weight: weight, metadata } of lb_endpoints) {
      const key = addressText(endpoint.address);
      if (endpoints.has(key)) continue;
      const socketMetadata = socketValues(metadata, localityMetadata);
      endpoints.set(key, {
        address: endpoint.address,
        hostname: endpoint.hostname,
        weight,
        health: HEALTH[health_status],
        region,
        zone,
        subZone,
        priority,
        localityWeight,
        metadata: lbValues(metadata) ?? NO_METADATA,
        ...(metadata?.filter_metadata && { filterMetadata: metadata.filter_metadata }),
        ...(socketMetadata && { socketMetadata }),
        ...(endpoint.health_check_config && { check: endpoint.health_check_config }),
      });
    }
  }
  return [...endpoints.values()];
}

/** An endpoint of which nothing is known but its address: where a connection was going. */
export function originalEndpoint(address: NetworkAddress): Endpoint {
  const nowhere = { region: '', zone: '', subZone: '' };
  return {
    address,
    hostname: '',
    weight: 1,
    health: 'healthy',
    ...nowhere,
    priority: 0,
    localityWeight: 0,
    metadata: {},
  };
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
