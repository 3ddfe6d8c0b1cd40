/**
 * Subsets of the hosts by their metadata: a request goes to those that have what its route asks for. The fallback of a
 * selector counts wherever it is listed; Envoy forgets that of one whose keys begin the sorted keys of one before it
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/upstream/load_balancing/subsets).
 */
import type { SubsetFallback, SubsetSelector, SubsetsConfig } from '../../config/subsets.ts';
import type { Balancer } from '../balancer.ts';
import type { Host, LbMetadata } from '../host.ts';
import { NO_CONTEXT, type PickContext } from '../pick-context.ts';
import { type HostSet, hostSets } from './host-sets.ts';
import { hasAll, keyText, MetadataMatch, subsetKey } from './metadata-match.ts';
import type { BalancerStats } from './stats.ts';

const FALLBACK_LIST = 'fallback_list';

export interface SubsetBalancerOptions {
  readonly config: SubsetsConfig;
  /** Makes the balancer of one subset. */
  readonly makeBalancer: () => Balancer;
  /** The locality of the proxy itself. */
  readonly localKey: string | undefined;
  readonly stats: BalancerStats;
}

type Pairs = readonly (readonly [key: string, value: unknown])[];

/** Keys and values of the subsets that a host is in; a list is any of its values, or one value as a whole. */
function pairsOf(metadata: LbMetadata, keys: readonly string[], listIsAny: boolean): readonly Pairs[] {
  let found: Pairs[] = [[]];
  for (const key of keys) {
    if (!Object.hasOwn(metadata, key)) return [];
    const value = metadata[key];
    const values: readonly unknown[] = listIsAny && Array.isArray(value) ? value : [value];
    found = found.flatMap((pairs) => values.map((one): Pairs => [...pairs, [key, one]]));
  }
  return found;
}

interface Subset {
  readonly balancer: Balancer | undefined;
  /** Of a subset that has one host by its rule. */
  single: Host | undefined;
}

interface Members {
  readonly hosts: Host[];
  readonly isSingle: boolean;
}

export class SubsetBalancer implements Balancer {
  readonly #options: SubsetBalancerOptions;
  readonly #subsets = new Map<string, Subset>();
  readonly #any: Balancer | undefined;
  readonly #default: Balancer | undefined;
  readonly #selectors = new Map<string, SubsetSelector>();
  readonly #withoutList = new WeakMap<MetadataMatch, MetadataMatch>();

  constructor(options: SubsetBalancerOptions) {
    this.#options = options;
    const { config, makeBalancer } = options;
    const uses = (fallback: SubsetFallback): boolean =>
      config.fallback === fallback || config.selectors.some((selector) => selector.fallback === fallback);
    if (uses('any') || config.panicsToAny) this.#any = makeBalancer();
    if (uses('default')) this.#default = makeBalancer();
    for (const selector of config.selectors) {
      const text = keyText(selector.keys);
      if (!this.#selectors.has(text)) this.#selectors.set(text, selector);
    }
  }

  update(sets: readonly HostSet[], local: HostSet | undefined): void {
    const { config, stats } = this.#options;
    const all = sets.flatMap(({ hosts }) => hosts);
    this.#any?.update(this.#sets(all, sets), local);
    this.#default?.update(
      this.#sets(
        all.filter(({ endpoint }) => hasAll(endpoint.metadata, config.defaultSubset, config.listIsAny)),
        sets,
      ),
      local,
    );
    const members = this.#members(all);
    for (const key of this.#subsets.keys()) {
      if (members.has(key)) continue;
      this.#subsets.delete(key);
      stats.lb_subsets_active--;
      stats.lb_subsets_removed++;
    }
    for (const [key, { hosts, isSingle }] of members) {
      const subset = this.#subsets.get(key) ?? this.#add(key, isSingle);
      if (isSingle) subset.single = hosts[0];
      else subset.balancer?.update(this.#sets(hosts, sets), local);
    }
  }

  #members(hosts: readonly Host[]): ReadonlyMap<string, Members> {
    const { selectors, listIsAny } = this.#options.config;
    const members = new Map<string, Members>();
    for (const host of hosts) {
      for (const { keys, hasSingleHosts } of selectors) {
        for (const pairs of pairsOf(host.endpoint.metadata, keys, listIsAny)) {
          const key = subsetKey(pairs);
          const known = members.get(key);
          if (!known) members.set(key, { hosts: [host], isSingle: hasSingleHosts });
          else if (known.hosts.at(-1) !== host) known.hosts.push(host);
        }
      }
    }
    return members;
  }

  #add(key: string, isSingle: boolean): Subset {
    const { makeBalancer, stats } = this.#options;
    const subset: Subset = { balancer: isSingle ? undefined : makeBalancer(), single: undefined };
    this.#subsets.set(key, subset);
    stats.lb_subsets_active++;
    stats.lb_subsets_created++;
    return subset;
  }

  /** Some hosts as a balancer takes them; the weights of localities shrink with the hosts that they have left. */
  #sets(hosts: readonly Host[], whole: readonly HostSet[]): readonly HostSet[] {
    const [first] = whole;
    if (!first) return [];
    const sets = hostSets(hosts, first.policy, this.#options.localKey);
    if (!this.#options.config.scalesLocalities) return sets;
    return sets.map((set, priority) => {
      const sizes = new Map(whole[priority]?.localities.map((locality) => [locality.key, locality.hosts.length]));
      const localities = set.localities.map((locality) => {
        const size = sizes.get(locality.key) ?? 1;
        return { ...locality, weight: Math.round((locality.weight * locality.hosts.length) / size) };
      });
      return { ...set, localities };
    });
  }

  pick(context: PickContext = NO_CONTEXT): Host | undefined {
    const match = context.metadataMatch;
    const list = this.#options.config.usesFallbackList ? match?.values[FALLBACK_LIST] : undefined;
    if (!match || list === undefined) return this.#pick(match, context);
    const base = this.#without(match);
    if (!Array.isArray(list) || list.length === 0) return this.#pick(base, context);
    for (const values of list as readonly LbMetadata[]) {
      const host = this.#pick(base.with(values), context);
      if (host) return host;
    }
    return undefined;
  }

  /** What is asked for beside the list of what may be asked for. */
  #without(match: MetadataMatch): MetadataMatch {
    const known = this.#withoutList.get(match);
    if (known) return known;
    const { [FALLBACK_LIST]: _, ...rest } = match.values;
    const made = new MetadataMatch(rest);
    this.#withoutList.set(match, made);
    return made;
  }

  #pick(asked: MetadataMatch | undefined, context: PickContext): Host | undefined {
    const { config, stats } = this.#options;
    const match = asked && config.allowsMoreKeys ? this.#forSelector(asked) : asked;
    if (match) {
      const subset = this.#subsets.get(match.subset);
      if (subset) {
        stats.lb_subsets_selected++;
        return subset.balancer ? subset.balancer.pick(context) : subset.single;
      }
      const selector = this.#selectors.get(match.keyText);
      if (selector?.fallback === 'keys') return this.#pick(match.part(selector.fallbackKeys), context);
      if (selector?.fallback) return this.#fallback(selector.fallback)?.pick(context);
    }
    if (config.fallback === 'none') return undefined;
    const host = this.#fallback(config.fallback)?.pick(context);
    if (host) {
      stats.lb_subsets_fallback++;
      return host;
    }
    const any = config.panicsToAny ? this.#any?.pick(context) : undefined;
    if (any) stats.lb_subsets_fallback_panic++;
    return any;
  }

  #fallback(kind: SubsetFallback): Balancer | undefined {
    switch (kind) {
      case 'none':
        return undefined;
      case 'any':
        return this.#any;
      case 'default':
        return this.#default;
    }
  }

  /** The part of what is asked for that the first selector has whose keys are all asked for; else all of it. */
  #forSelector(asked: MetadataMatch): MetadataMatch {
    for (const { keys } of this.#options.config.selectors) {
      const part = asked.part(keys);
      if (part?.keys.length === keys.length) return part;
    }
    return asked;
  }
}
