/**
 * Endpoints whose names are resolved again and again
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/upstream/service_discovery#strict-dns).
 */
import type { Clock } from '../clock.ts';
import type { ClusterConfig } from '../config/cluster.ts';
import type { Warming } from '../warming.ts';
import type { Random } from './balancer.ts';
import type { Cluster } from './cluster.ts';
import { endpointsOf, policyOf, resolvedEndpoints } from './endpoints.ts';
import type { Endpoint } from './host.ts';

export type LookupFamily = ClusterConfig['dns_lookup_family'];

/** Gives the addresses of a name, or throws. */
export type ResolveHost = (host: string, family: LookupFamily) => Promise<readonly string[]>;

/** For how long name servers say that the addresses of a name hold; undefined where none says so. */
export type ReadTtlMs = (host: string, family: LookupFamily) => Promise<number | undefined>;

export interface DnsContext {
  readonly resolve: ResolveHost;
  readonly readTtlMs: ReadTtlMs;
  readonly clock: Clock;
  readonly random: Random;
}

/** One name, resolved again and again; each has its own time. */
class NameWatch {
  readonly #config: ClusterConfig;
  readonly #context: DnsContext;
  readonly #host: string;
  readonly #stats: Cluster['stats'];
  readonly #onAnswer: (hosts: readonly string[] | undefined) => void;
  /** In a row. */
  #failures = 0;
  #isClosed = false;
  #cancelTimer: () => void = () => undefined;

  /** `onAnswer`: undefined where there is none this time. */
  constructor(
    host: string,
    { config, stats }: Cluster,
    context: DnsContext,
    onAnswer: (hosts: readonly string[] | undefined) => void,
  ) {
    this.#host = host;
    this.#config = config;
    this.#stats = stats;
    this.#context = context;
    this.#onAnswer = onAnswer;
  }

  async refresh(): Promise<void> {
    const { dns_lookup_family: family, respect_dns_ttl: respectsTtl } = this.#config;
    const { resolve, readTtlMs, clock } = this.#context;
    this.#stats.update_attempt++;
    const ttl = respectsTtl ? readTtlMs(this.#host, family).catch(() => undefined) : undefined;
    const hosts = await resolve(this.#host, family).catch(() => undefined);
    if (this.#isClosed) return;
    this.#failures = hosts ? 0 : this.#failures + 1;
    if (hosts) this.#stats.update_success++;
    else this.#stats.update_failure++;
    this.#onAnswer(hosts);
    const waitMs = this.#waitMs(await ttl);
    if (!this.#isClosed) this.#cancelTimer = clock.after(waitMs, () => void this.refresh());
  }

  #waitMs(ttlMs: number | undefined): number {
    const { dns_refresh_rate: rateMs, dns_failure_refresh_rate: failing, dns_jitter: jitterMs } = this.#config;
    const { random } = this.#context;
    if (this.#failures > 0 && failing) {
      // As Envoy's exponential back-off has it: anywhere below a bound that doubles.
      const boundMs = Math.min(failing.max_interval, failing.base_interval * 2 ** (this.#failures - 1));
      return Math.max(1, random() * boundMs);
    }
    const wantedMs = this.#failures === 0 && ttlMs !== undefined && ttlMs > 0 ? ttlMs : rateMs;
    return wantedMs + random() * jitterMs;
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTimer();
  }
}

const FIRST_ANSWER = 'the first answer of DNS';

/** The names of one cluster; the last good answer of each holds while a resolver fails. */
export class DnsSource {
  readonly #cluster: Cluster;
  readonly #warming: Warming;
  readonly #context: DnsContext;
  readonly #endpoints: readonly Endpoint[];
  readonly #answers = new Map<Endpoint, readonly Endpoint[]>();
  readonly #unanswered = new Set<Endpoint>();
  readonly #watches: NameWatch[] = [];

  constructor(cluster: Cluster, warming: Warming, context: DnsContext) {
    this.#cluster = cluster;
    this.#warming = warming;
    this.#context = context;
    const { load_assignment: assignment } = cluster.config;
    this.#endpoints = assignment ? endpointsOf(assignment) : [];
  }

  /** Gives what ends it. */
  start(): () => void {
    const { config } = this.#cluster;
    if (config.wait_for_warm_on_init) this.#warming.waitFor(FIRST_ANSWER, config.connect_timeout);
    for (const endpoint of this.#endpoints) {
      const { address } = endpoint;
      if (address.type === 'unix') this.#answers.set(endpoint, [endpoint]);
      else {
        this.#unanswered.add(endpoint);
        const onAnswer = (hosts: readonly string[] | undefined) => this.#onAnswer(endpoint, hosts);
        this.#watches.push(new NameWatch(address.host, this.#cluster, this.#context, onAnswer));
      }
    }
    if (this.#unanswered.size === 0) this.#update();
    for (const watch of this.#watches) void watch.refresh();
    return () => {
      for (const watch of this.#watches) watch.close();
    };
  }

  #onAnswer(endpoint: Endpoint, hosts: readonly string[] | undefined): void {
    if (hosts) {
      const taken = this.#cluster.config.type === 'LOGICAL_DNS' ? hosts.slice(0, 1) : [...new Set(hosts)];
      this.#answers.set(endpoint, resolvedEndpoints(endpoint, taken));
    }
    this.#unanswered.delete(endpoint);
    // Until all names have been asked for, hosts would come one after another.
    if (this.#unanswered.size === 0) this.#update();
  }

  #update(): void {
    const { load_assignment: assignment } = this.#cluster.config;
    this.#cluster.update(
      this.#endpoints.flatMap((endpoint) => this.#answers.get(endpoint) ?? []),
      assignment && policyOf(assignment),
    );
    this.#warming.arrived(FIRST_ANSWER);
  }
}
