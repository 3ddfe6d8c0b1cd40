/** What a workload says of itself to discovery. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Workload } from '@weft/contracts/bus';
import type { AgentSettings } from './options.ts';
import type { ProxyPorts } from './ports.ts';

/** The workload as it is registered, STARTING, with a new incarnation. */
export function makeWorkload(settings: AgentSettings, ports: ProxyPorts, address: string): Workload {
  const { id, namespace, service, labels, upstreams, port, protocol, dataPlane } = settings;
  const applicationPorts =
    port === undefined
      ? []
      : [
          {
            applicationPort: port,
            protocol: protocol === 'tcp' ? ('TCP' as const) : ('HTTP' as const),
            inboundPort: ports.inbound,
          },
        ];
  return {
    id,
    namespace,
    service,
    spiffeId: '',
    labels,
    address,
    ports: applicationPorts,
    outboundPort: ports.outbound,
    upstreams,
    dataPlane: dataPlane === 'envoy' ? 'ENVOY' : 'WEFT',
    health: 'STARTING',
    registeredAtMs: 0,
    incarnation: randomUUID(),
    host: hostname(),
  };
}
