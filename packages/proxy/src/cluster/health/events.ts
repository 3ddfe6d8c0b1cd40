/**
 * What checks make of hosts, a line of JSON for each event, as Envoy has them
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/data/core/v3/health_check_event.proto).
 */
import type { Clock } from '../../clock.ts';
import type { NetworkAddress } from '../../config/core.ts';
import type { HealthCheckConfig } from '../../config/health-check.ts';
import type { Host } from '../host.ts';

/** Where lines go. */
export type WriteLine = (line: string) => void;

export type HealthEvent =
  | { readonly type: 'eject_unhealthy_event'; readonly failure: FailureType; readonly status: number }
  | { readonly type: 'add_healthy_event'; readonly isFirst: boolean }
  | {
      readonly type: 'health_check_failure_event';
      readonly failure: FailureType;
      readonly isFirst: boolean;
      readonly status: number;
    }
  | { readonly type: 'degraded_healthy_host' | 'no_longer_degraded_host' | 'successful_health_check_event' };

export type FailureType = 'ACTIVE' | 'PASSIVE' | 'NETWORK' | 'NETWORK_TIMEOUT';

/** Those that Envoy writes ahead of the time, by the numbers of their fields. */
const BEFORE_TIME: ReadonlySet<HealthEvent['type']> = new Set(['eject_unhealthy_event', 'add_healthy_event']);

function addressOf(address: NetworkAddress): object {
  if (address.type === 'unix') return { pipe: { path: address.path, mode: 0 } };
  return {
    socket_address: {
      protocol: 'TCP',
      address: address.host,
      port_value: address.port,
      resolver_name: '',
      ipv4_compat: false,
      network_namespace_filepath: '',
    },
  };
}

function contentOf(event: HealthEvent): object {
  switch (event.type) {
    case 'eject_unhealthy_event':
      return { failure_type: event.failure, http_status_code: event.status };
    case 'add_healthy_event':
      return { first_check: event.isFirst };
    case 'health_check_failure_event':
      return { failure_type: event.failure, first_check: event.isFirst, http_status_code: event.status };
    case 'degraded_healthy_host':
    case 'no_longer_degraded_host':
    case 'successful_health_check_event':
      return {};
  }
}

function checkerType(config: HealthCheckConfig): 'HTTP' | 'TCP' | 'GRPC' {
  if (config.http_health_check) return 'HTTP';
  return config.grpc_health_check ? 'GRPC' : 'TCP';
}

/** Tells of the hosts of one cluster. */
export class HealthEvents {
  readonly #type: 'HTTP' | 'TCP' | 'GRPC';
  readonly #cluster: string;
  readonly #clock: Clock;
  readonly #write: readonly WriteLine[];

  constructor(config: HealthCheckConfig, cluster: string, clock: Clock, write: readonly WriteLine[]) {
    this.#type = checkerType(config);
    this.#cluster = cluster;
    this.#clock = clock;
    this.#write = write;
  }

  tell({ address, endpoint }: Host, event: HealthEvent): void {
    const content = { [event.type]: contentOf(event) };
    const isBefore = BEFORE_TIME.has(event.type);
    const line = JSON.stringify({
      health_checker_type: this.#type,
      host: addressOf(address),
      cluster_name: this.#cluster,
      ...(isBefore && content),
      timestamp: new Date(this.#clock.wallMs()).toISOString(),
      ...(!isBefore && event.type !== 'successful_health_check_event' && content),
      metadata: { filter_metadata: endpoint.filterMetadata ?? {}, typed_filter_metadata: {} },
      locality: { region: endpoint.region, zone: endpoint.zone, sub_zone: endpoint.subZone },
      ...(event.type === 'successful_health_check_event' && content),
    });
    for (const write of this.#write) write(`${line}\n`);
  }
}

/** The files that a configuration names; none: nobody is told. */
export function eventPaths({ event_log_path: path, event_logger: sinks }: HealthCheckConfig): readonly string[] {
  const named = sinks.map(({ typed_config: sink }) => sink.value.event_log_path);
  return path === '' ? named : [path, ...named];
}
