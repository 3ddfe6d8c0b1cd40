/** What the RBAC filters count, under Envoy's names. */

import { type StatsRegistry, statName } from '../../stats/registry.ts';
import type { Labels } from '../../stats/sample.ts';

/** Where counters stand: `http.ingress.rbac.` and what Prometheus makes of it. */
export interface RbacStatsPlace {
  readonly prefix: string;
  readonly metricPrefix: string;
  readonly labels: Labels;
}

/** Counters of one prefix. Several filters may count there, not all of them the same. */
function counters<K extends string>(
  registry: StatsRegistry,
  { prefix, metricPrefix, labels }: RbacStatsPlace,
  ...names: readonly K[]
): Record<K, number> {
  const values = registry.share<Record<string, number>>(prefix, metricPrefix, labels, () => ({}));
  for (const name of names) values[name] ??= 0;
  return values as Record<K, number>;
}

/** `prefix` with a dot after it, where there is one. */
function joined(prefix: string): string {
  return prefix === '' || prefix.endsWith('.') ? prefix : `${prefix}.`;
}

/** Where counters of an HTTP filter stand. */
export function httpPlace(statPrefix: string, rulesPrefix: string): RbacStatsPlace {
  const own = joined(statName(rulesPrefix));
  return {
    prefix: `http.${statPrefix}.rbac.${own}`,
    metricPrefix: 'http_rbac_',
    labels: {
      ...(own === '' ? {} : { envoy_rbac_http_prefix: own.slice(0, -1) }),
      envoy_http_conn_manager_prefix: statPrefix,
    },
  };
}

/** Where counters of a network filter stand. */
export function networkPlace(statPrefix: string, rulesPrefix: string): RbacStatsPlace {
  const prefix = statName(statPrefix).replace(/\.$/, '');
  const own = joined(statName(rulesPrefix));
  return {
    prefix: `${prefix}.rbac.${own}`,
    metricPrefix: `rbac_${own.replaceAll('.', '_')}`,
    labels: { envoy_rbac_prefix: prefix },
  };
}

/** Counts verdicts; those of single policies too, where that is asked for. */
export class VerdictStats<K extends string> {
  readonly #registry: StatsRegistry;
  readonly #place: RbacStatsPlace;
  readonly #values: Record<K, number>;
  readonly #allowed: K;
  readonly #denied: K;
  readonly #byPolicy = new Map<string, Record<K, number>>();

  /** `allowed` and `denied` are the names of the counters. */
  constructor(registry: StatsRegistry, place: RbacStatsPlace, allowed: K, denied: K) {
    this.#registry = registry;
    this.#place = place;
    this.#allowed = allowed;
    this.#denied = denied;
    this.#values = counters(registry, place, allowed, denied);
  }

  count(isAllowed: boolean): void {
    if (isAllowed) this.#values[this.#allowed]++;
    else this.#values[this.#denied]++;
  }

  countPolicy(policy: string, isAllowed: boolean): void {
    const name = isAllowed ? this.#allowed : this.#denied;
    const values = this.#byPolicy.get(policy) ?? this.#addPolicy(policy);
    values[name] = (values[name] ?? 0) + 1;
  }

  #addPolicy(policy: string): Record<K, number> {
    const { prefix, metricPrefix, labels } = this.#place;
    const place: RbacStatsPlace = {
      prefix: `${prefix}policy.${statName(policy)}.`,
      metricPrefix: `${metricPrefix}policy_`,
      labels: { envoy_rbac_policy_name: policy, ...labels },
    };
    const values = counters<K>(this.#registry, place);
    this.#byPolicy.set(policy, values);
    return values;
  }
}
