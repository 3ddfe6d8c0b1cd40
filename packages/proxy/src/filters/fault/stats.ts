/** What the fault filter counts. */
import type { Cells, Counts } from '../../counts/cells.ts';
import { type StatsRegistry, statName } from '../../stats/registry.ts';

/** `http.<prefix>.fault.` */
export class FaultStats {
  aborts_injected = 0;
  active_faults = 0;
  delays_injected = 0;
  faults_overflow = 0;
  response_rl_injected = 0;
}

/** How many services are counted apart: their names come with requests, and what clients send must not fill memory. */
const MAX_SERVICES = 256;

/** Counts faults of all requests, and of those that name the service that they come from. */
export class FaultCounts {
  readonly all: FaultStats;
  /** How many there are in all threads; undefined: as many as `all` says. */
  readonly #active: Cells | undefined;
  readonly #registry: StatsRegistry;
  readonly #prefix: string;
  readonly #byService = new Map<string, Record<string, number>>();

  constructor(registry: StatsRegistry, prefix: string, counts?: Counts) {
    this.#active = counts?.cells(`fault/${prefix}`);
    this.#registry = registry;
    this.#prefix = prefix;
    const labels = { envoy_http_conn_manager_prefix: prefix };
    this.all = registry.share(`http.${prefix}.fault.`, 'http_fault_', labels, () => new FaultStats());
  }

  /** How many requests with faults are under way. */
  get active(): number {
    return this.#active?.get(0) ?? this.all.active_faults;
  }

  /** One more is, or (-1) one less. */
  countActive(change: 1 | -1): void {
    this.#active?.add(0, change);
    this.all.active_faults += change;
  }

  count(name: 'aborts_injected' | 'delays_injected', service: string): void {
    this.all[name]++;
    const values = service === '' ? undefined : (this.#byService.get(service) ?? this.#add(service));
    if (values) values[name] = (values[name] ?? 0) + 1;
  }

  #add(service: string): Record<string, number> | undefined {
    if (this.#byService.size >= MAX_SERVICES) return undefined;
    const labels = { envoy_fault_downstream_cluster: service, envoy_http_conn_manager_prefix: this.#prefix };
    const prefix = `http.${this.#prefix}.fault.${statName(service)}.`;
    const values = this.#registry.share<Record<string, number>>(prefix, 'http_fault_', labels, () => ({}));
    this.#byService.set(service, values);
    return values;
  }
}
