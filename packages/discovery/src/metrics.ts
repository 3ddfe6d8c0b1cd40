/** What discovery tells of itself at `/metrics`. */
import type { Health } from '@weft/contracts/bus';
import { Counter, Gauge, type Registry } from 'prom-client';

export interface DiscoveryMetrics {
  readonly expired: Counter;
  readonly registered: Counter;
  readonly deregistered: Counter;
  readonly heartbeats: Counter;
}

const HEALTHS: readonly Health[] = ['STARTING', 'READY', 'UNREADY', 'DRAINING'];

export function discoveryMetrics(
  registry: Registry,
  workloadsByHealth: () => ReadonlyMap<Health, number>,
): DiscoveryMetrics {
  new Gauge({
    name: 'weft_discovery_workloads',
    help: 'Workloads in the registry.',
    labelNames: ['health'],
    registers: [registry],
    collect() {
      const counts = workloadsByHealth();
      for (const health of HEALTHS) this.set({ health: health.toLowerCase() }, counts.get(health) ?? 0);
    },
  });
  const counter = (name: string, help: string) =>
    new Counter({ name: `weft_discovery_${name}_total`, help, registers: [registry] });
  return {
    expired: counter('expired', 'Workloads that this instance took out of the registry because they were silent.'),
    registered: counter('registrations', 'Registrations that this instance took in.'),
    deregistered: counter('deregistrations', 'Workloads that deregistered at this instance.'),
    heartbeats: counter('heartbeats', 'Heartbeats that this instance heard.'),
  };
}
