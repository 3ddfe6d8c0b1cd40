/**
 * The hosts of a cluster as balancers see them: by priority, by health, by locality. Made anew whenever hosts or their
 * health change, in time that grows with their number alone
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/upstream/load_balancing/load_balancers).
 */
import type { Host } from '../host.ts';

/** What a load assignment says of all its endpoints. */
export interface AssignmentPolicy {
  /** 140: a priority, or locality, may lose 2 of 7 hosts before others help out. */
  readonly overprovisioningPercent: number;
  /** Whether the health of a priority is that of its weights, rather than of the number of its hosts. */
  readonly weighsHealth: boolean;
  /** The share of requests that is turned away, from 0 to 1. */
  readonly dropShare: number;
}

export const DEFAULT_POLICY: AssignmentPolicy = { overprovisioningPercent: 140, weighsHealth: false, dropShare: 0 };

/** Hosts of one locality. */
export interface LocalityHosts {
  readonly key: string;
  /** Its share where localities are weighted; 0: it gets nothing. */
  readonly weight: number;
  readonly hosts: readonly Host[];
  readonly healthy: readonly Host[];
  readonly degraded: readonly Host[];
  /** How many of `hosts` are counted neither as there nor as healthy. */
  readonly excluded: number;
}

/** Hosts of one priority. */
export interface HostSet {
  readonly hosts: readonly Host[];
  readonly healthy: readonly Host[];
  readonly degraded: readonly Host[];
  readonly excluded: number;
  /** The proxy's own locality first, where it is one of them; then in the order of their names. */
  readonly localities: readonly LocalityHosts[];
  /** Whether the first locality is the proxy's own. */
  readonly hasLocal: boolean;
  /** Healthy and degraded hosts in percent of all, overprovisioning counted, at most 100. */
  readonly healthyPercent: number;
  readonly degradedPercent: number;
  readonly policy: AssignmentPolicy;
}

export interface Place {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

/** Tells localities apart, and sorts them by region, zone and sub-zone. */
export function localityKey({ region, zone, subZone }: Place): string {
  return region === '' && zone === '' && subZone === '' ? '' : `${region}\0${zone}\0${subZone}`;
}

interface Group {
  readonly key: string;
  weight: number;
  readonly hosts: Host[];
  readonly healthy: Host[];
  readonly degraded: Host[];
  excluded: number;
}

const newGroup = (key: string, weight: number): Group => ({
  key,
  weight,
  hosts: [],
  healthy: [],
  degraded: [],
  excluded: 0,
});

function put(group: Group, host: Host, health: Host['health']): void {
  group.hosts.push(host);
  if (health === 'healthy') group.healthy.push(host);
  else if (health === 'degraded') group.degraded.push(host);
  if (host.isExcluded !== 'no') group.excluded++;
}

function sumOf(hosts: readonly Host[]): number {
  let sum = 0;
  for (const { endpoint } of hosts) sum += endpoint.weight;
  return sum;
}

/** Hosts of one priority, gathered one by one. */
class SetBuilder {
  readonly #all = newGroup('', 0);
  readonly #localities = new Map<string, Group>();
  #last: Group | undefined;

  add(host: Host): void {
    const { endpoint, health } = host;
    put(this.#all, host, health);
    const key = localityKey(endpoint);
    if (this.#last?.key !== key) {
      this.#last = this.#localities.get(key) ?? newGroup(key, endpoint.localityWeight);
      this.#localities.set(key, this.#last);
    }
    put(this.#last, host, health);
  }

  build(policy: AssignmentPolicy, localKey: string | undefined): HostSet {
    const { hosts, healthy, degraded, excluded } = this.#all;
    const sorted = [...this.#localities.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    const local = localKey === undefined ? undefined : this.#localities.get(localKey);
    const localities = local ? [local, ...sorted.filter((group) => group !== local)] : sorted;
    const measure = policy.weighsHealth ? sumOf : (list: readonly Host[]): number => list.length;
    const left = measure(hosts) - (excluded === 0 ? 0 : measure(hosts.filter(({ isExcluded }) => isExcluded !== 'no')));
    const percent = (list: readonly Host[]): number =>
      hosts.length === excluded
        ? 0
        : Math.min(100, Math.floor((policy.overprovisioningPercent * measure(list)) / left));
    return {
      hosts,
      healthy,
      degraded,
      excluded,
      localities,
      hasLocal: local !== undefined,
      healthyPercent: percent(healthy),
      degradedPercent: percent(degraded),
      policy,
    };
  }
}

/**
 * Hosts by priority; there is always priority 0. `localKey`: the {@link localityKey} of the proxy itself, where it has
 * one.
 */
export function hostSets(
  hosts: readonly Host[],
  policy: AssignmentPolicy,
  localKey: string | undefined,
): readonly HostSet[] {
  const builders: SetBuilder[] = [new SetBuilder()];
  for (const host of hosts) {
    const { priority } = host.endpoint;
    while (builders.length <= priority) builders.push(new SetBuilder());
    (builders[priority] as SetBuilder).add(host);
  }
  return builders.map((builder) => builder.build(policy, localKey));
}
