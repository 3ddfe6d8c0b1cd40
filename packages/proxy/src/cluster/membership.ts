/** The hosts of a cluster, kept as endpoints come and go, and what balancers see of them. */
import { addressText } from '../config/core.ts';
import type { ClusterStats } from '../stats/groups.ts';
import { type AssignmentPolicy, DEFAULT_POLICY, type HostSet, hostSets } from './balancing/host-sets.ts';
import { type Endpoint, Host } from './host.ts';

export interface MembershipOptions {
  readonly stats: ClusterStats;
  /** The locality of the proxy itself; undefined where it has none. */
  readonly localKey: string | undefined;
  /** Whether hosts that left stay in use until their checks fail. */
  readonly keepsHealthy: boolean;
  readonly now: () => number;
}

/** Which hosts came and went. */
export interface MembershipChange {
  readonly added: readonly Host[];
  readonly removed: readonly Host[];
}

const passesChecks = ({ check, endpoint }: Host): boolean =>
  (check === 'healthy' || check === 'degraded') && endpoint.health !== 'unhealthy';

export class Membership {
  readonly #options: MembershipOptions;
  #hosts = new Map<string, Host>();
  #list: readonly Host[] | undefined;
  #policy = DEFAULT_POLICY;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  get list(): readonly Host[] {
    this.#list ??= [...this.#hosts.values()];
    return this.#list;
  }

  get policy(): AssignmentPolicy {
    return this.#policy;
  }

  find(key: string): Host | undefined {
    return this.#hosts.get(key);
  }

  /** Takes these endpoints from now on; hosts at the same address stay what they are. */
  take(endpoints: readonly Endpoint[], policy: AssignmentPolicy): MembershipChange {
    const next = new Map<string, Host>();
    const added: Host[] = [];
    for (const endpoint of endpoints) {
      const key = addressText(endpoint.address);
      if (next.has(key)) continue;
      const kept = this.#hosts.get(key);
      if (kept) {
        kept.endpoint = endpoint;
        kept.isLeaving = false;
      } else added.push(this.#make(endpoint));
      next.set(key, kept ?? (added.at(-1) as Host));
    }
    const removed: Host[] = [];
    for (const [key, host] of this.#hosts) {
      if (next.has(key)) continue;
      host.isLeaving = this.#options.keepsHealthy && passesChecks(host);
      if (host.isLeaving) next.set(key, host);
      else removed.push(host);
    }
    this.#hosts = next;
    this.#policy = policy;
    this.#changed(added.length + removed.length > 0);
    return { added, removed };
  }

  #make(endpoint: Endpoint): Host {
    const host = new Host(endpoint);
    host.healthySinceMs = this.#options.now();
    return host;
  }

  add(endpoint: Endpoint): Host {
    const host = this.#make(endpoint);
    this.#hosts.set(host.key, host);
    this.#changed(true);
    return host;
  }

  remove(hosts: readonly Host[]): void {
    for (const { key } of hosts) this.#hosts.delete(key);
    this.#changed(hosts.length > 0);
  }

  #changed(isOther: boolean): void {
    const { stats } = this.#options;
    this.#list = undefined;
    stats.membership_total = this.#hosts.size;
    if (isOther) stats.membership_change++;
  }

  /** Looks at the health of all hosts again. Gives those that had left, and that nothing keeps any more. */
  checked(): readonly Host[] {
    const gone: Host[] = [];
    for (const host of this.#hosts.values()) {
      const passes = passesChecks(host);
      if (passes && !host.hasPassed) host.healthySinceMs = this.#options.now();
      host.hasPassed = passes;
      if (host.isLeaving && !passes) gone.push(host);
    }
    if (gone.length > 0) this.remove(gone);
    return gone;
  }

  /** The hosts as balancers see them, by priority; counts them. */
  sets(): readonly HostSet[] {
    const { stats, localKey } = this.#options;
    const sets = hostSets(this.list, this.#policy, localKey);
    const count = (of: (set: HostSet) => number): number => sets.reduce((total, set) => total + of(set), 0);
    stats.membership_healthy = count(({ healthy }) => healthy.length);
    stats.membership_degraded = count(({ degraded }) => degraded.length);
    stats.membership_excluded = count(({ excluded }) => excluded);
    let most = 0;
    for (const { endpoint } of this.list) most = Math.max(most, endpoint.weight);
    stats.max_host_weight = most;
    return sets;
  }
}
