/** Workloads for tests. */
import type { Workload } from '@weft/contracts/bus';

export interface WorkloadSketch extends Partial<Omit<Workload, 'ports'>> {
  readonly service: string;
  readonly protocol?: 'HTTP' | 'TCP';
  /** 0: it only calls. */
  readonly inboundPort?: number;
  readonly applicationPort?: number;
  readonly serviceAccount?: string;
}

/** A READY workload of the namespace `shop` with one port, unless told otherwise. */
export function sketchWorkload(sketch: WorkloadSketch): Workload {
  const { serviceAccount, protocol = 'HTTP', inboundPort = 15001, applicationPort = 8080, ...rest } = sketch;
  const namespace = sketch.namespace ?? 'shop';
  return {
    id: `${sketch.service}-1`,
    namespace,
    spiffeId: `spiffe://weft.test/ns/${namespace}/sa/${serviceAccount ?? sketch.service}`,
    labels: {},
    address: '10.0.0.1',
    ports: inboundPort === 0 ? [] : [{ applicationPort, protocol, inboundPort }],
    outboundPort: 15002,
    upstreams: [],
    dataPlane: 'ENVOY',
    health: 'READY',
    registeredAtMs: 1,
    incarnation: 'a',
    host: 'host',
    ...rest,
  };
}
