/** Where the endpoints of a cluster come from, by its type. */
import { type Clock, Deadline } from '../clock.ts';
import { type ClusterConfig, clusterLoadAssignment } from '../config/cluster.ts';
import { type ConfigIssue, Place } from '../config/schema.ts';
import type { Warming } from '../warming.ts';
import type { Subscriptions } from '../xds/subscriptions.ts';
import type { Cluster } from './cluster.ts';
import { endpointsOf, policyOf, resolvedEndpoints } from './endpoints.ts';
import type { Endpoint } from './host.ts';

/** Gives the addresses of a name, or throws. */
export type ResolveHost = (host: string, family: ClusterConfig['dns_lookup_family']) => Promise<readonly string[]>;

export interface SourceContext {
  readonly subscriptions: Subscriptions;
  readonly resolve: ResolveHost;
  readonly clock: Clock;
}

/** Keeps a cluster's endpoints current; gives what ends that. */
export function keepEndpoints(cluster: Cluster, warming: Warming, context: SourceContext): () => void {
  const { config } = cluster;
  switch (config.type) {
    case 'STATIC':
      if (config.load_assignment) cluster.update(endpointsOf(config.load_assignment), policyOf(config.load_assignment));
      return () => undefined;
    case 'STRICT_DNS':
    case 'LOGICAL_DNS':
      return new DnsSource(cluster, warming, context).start();
    case 'EDS':
      return watchEndpoints(cluster, warming, context);
    case 'ORIGINAL_DST':
      return sweepHosts(cluster, context.clock);
  }
}

/** Hosts of an original destination come with requests, and go when nobody asks for them any more. */
function sweepHosts(cluster: Cluster, clock: Clock): () => void {
  let cancel = (): void => undefined;
  const wait = (): void => {
    cancel = clock.after(cluster.config.cleanup_interval, () => {
      cluster.sweep();
      wait();
    });
  };
  wait();
  return () => cancel();
}

function watchEndpoints(cluster: Cluster, warming: Warming, { subscriptions, clock }: SourceContext): () => void {
  const eds = cluster.config.eds_cluster_config;
  if (!eds) return () => undefined;
  const name = eds.service_name === '' ? cluster.name : eds.service_name;
  const what = `the endpoints of ${name}`;
  warming.waitFor(what, eds.eds_config.initialFetchTimeoutMs);
  cluster.stats.update_attempt++;
  const staleness = new Deadline(clock, () => {
    // Nobody has said for too long that the endpoints are still there.
    cluster.stats.assignment_stale++;
    cluster.update([]);
  });
  const stop = subscriptions.watch(eds.eds_config, 'endpoint', name, {
    onResource(resource): readonly ConfigIssue[] {
      const place = new Place();
      const assignment = clusterLoadAssignment.parse(resource, place);
      if (place.issues.length > 0) {
        cluster.stats.update_failure++;
        return place.issues;
      }
      cluster.stats.update_success++;
      const endpoints = endpointsOf(assignment);
      if (endpoints.length === 0) cluster.stats.update_empty++;
      cluster.update(endpoints, policyOf(assignment));
      const staleAfterMs = assignment.policy?.endpoint_stale_after;
      if (staleAfterMs !== undefined) cluster.stats.assignment_timeout_received++;
      staleness.set(staleAfterMs ?? 0);
      warming.arrived(what);
      return [];
    },
    onRemoved() {
      staleness.clear();
      cluster.update([]);
      warming.arrived(what);
    },
  });
  return () => {
    staleness.dispose();
    stop();
  };
}

/** Resolves the names of a cluster again and again; the last good answer holds while a resolver fails. */
class DnsSource {
  readonly #cluster: Cluster;
  readonly #warming: Warming;
  readonly #context: SourceContext;
  readonly #endpoints: readonly Endpoint[];
  readonly #answers = new Map<Endpoint, readonly Endpoint[]>();
  readonly #isLogical: boolean;
  #isClosed = false;
  #cancelTimer: () => void = () => undefined;

  constructor(cluster: Cluster, warming: Warming, context: SourceContext) {
    this.#cluster = cluster;
    this.#warming = warming;
    this.#context = context;
    const { load_assignment, type } = cluster.config;
    this.#endpoints = load_assignment ? endpointsOf(load_assignment) : [];
    this.#isLogical = type === 'LOGICAL_DNS';
  }

  start(): () => void {
    this.#warming.waitFor('the first answer of DNS', this.#cluster.config.connect_timeout);
    void this.#refresh();
    return () => {
      this.#isClosed = true;
      this.#cancelTimer();
    };
  }

  async #refresh(): Promise<void> {
    await Promise.all(this.#endpoints.map((endpoint) => this.#resolve(endpoint)));
    if (this.#isClosed) return;
    const { load_assignment: assignment } = this.#cluster.config;
    this.#cluster.update(
      this.#endpoints.flatMap((endpoint) => this.#answers.get(endpoint) ?? []),
      assignment && policyOf(assignment),
    );
    this.#warming.arrived('the first answer of DNS');
    this.#cancelTimer = this.#context.clock.after(this.#cluster.config.dns_refresh_rate, () => void this.#refresh());
  }

  async #resolve(endpoint: Endpoint): Promise<void> {
    const { stats, config } = this.#cluster;
    if (endpoint.address.type === 'unix') {
      this.#answers.set(endpoint, [endpoint]);
      return;
    }
    stats.update_attempt++;
    try {
      const hosts = await this.#context.resolve(endpoint.address.host, config.dns_lookup_family);
      stats.update_success++;
      const taken = this.#isLogical ? hosts.slice(0, 1) : [...new Set(hosts)];
      this.#answers.set(endpoint, resolvedEndpoints(endpoint, taken));
    } catch {
      // The names that resolved before stay in use: a resolver that fails is no reason to forget them.
      stats.update_failure++;
    }
  }
}
