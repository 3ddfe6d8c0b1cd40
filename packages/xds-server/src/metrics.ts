/** What the xds-server tells of itself at `/metrics`. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface XdsMetrics {
  readonly pushed: (typeUrl: string) => void;
  readonly refused: (typeUrl: string) => void;
  /** From a new snapshot until the proxy had accepted all of it. */
  readonly accepted: (milliseconds: number) => void;
}

/** `Cluster` of `type.googleapis.com/envoy.config.cluster.v3.Cluster`; clients cannot make up labels. */
function shortType(typeUrl: string): string {
  const name = typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
  return ['Cluster', 'ClusterLoadAssignment', 'Listener', 'RouteConfiguration'].includes(name) ? name : 'other';
}

export function xdsMetrics(registry: Registry, proxies: () => number): XdsMetrics {
  new Gauge({
    name: 'weft_xds_server_proxies',
    help: 'Proxies that are connected.',
    registers: [registry],
    collect() {
      this.set(proxies());
    },
  });
  const counter = (name: string, help: string) =>
    new Counter({ name: `weft_xds_server_${name}_total`, help, labelNames: ['type'], registers: [registry] });
  const pushes = counter('pushes', 'Responses that were sent to proxies.');
  const nacks = counter('nacks', 'Responses that proxies refused.');
  const duration = new Histogram({
    name: 'weft_xds_server_push_duration_seconds',
    help: 'From a new snapshot of a proxy until it had accepted all of it.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [registry],
  });
  return {
    pushed: (typeUrl) => pushes.inc({ type: shortType(typeUrl) }),
    refused: (typeUrl) => nacks.inc({ type: shortType(typeUrl) }),
    accepted: (milliseconds) => duration.observe(milliseconds / 1000),
  };
}
