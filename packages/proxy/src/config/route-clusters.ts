/**
 * Whether the clusters exist that routes name: asked of routes that stand in a listener, unless they say otherwise, and of
 * route tables that say so (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/route/v3/route.proto, `validate_clusters`).
 */
import type { ListenerConfig } from './listener.ts';
import type { RouteActionConfig, RouteConfigurationConfig } from './route.ts';
import type { Place } from './schema.ts';

export type KnowsCluster = (name: string) => boolean;

type Mirrors = RouteConfigurationConfig['request_mirror_policies'];

class Check {
  readonly #knows: KnowsCluster;
  readonly #place: Place;

  constructor(knows: KnowsCluster, place: Place) {
    this.#knows = knows;
    this.#place = place;
  }

  #each<T>(field: string, items: readonly T[], look: (item: T) => void): void {
    const place = this.#place;
    place.within(field, () => {
      for (const [index, item] of items.entries()) place.within(index, () => look(item));
    });
  }

  #name(field: string, name: string | undefined): void {
    if (name === undefined || name === '' || this.#knows(name)) return;
    this.#place.within(field, () => this.#place.refuse(`there is no cluster ${name}`));
  }

  #mirrors(mirrors: Mirrors): void {
    this.#each('request_mirror_policies', mirrors, ({ cluster }) => this.#name('cluster', cluster));
  }

  #action(action: RouteActionConfig): void {
    const { cluster, weighted_clusters: weighted, request_mirror_policies: mirrors } = action;
    this.#name('cluster', cluster);
    this.#place.within('weighted_clusters', () =>
      this.#each('clusters', weighted?.clusters ?? [], ({ name }) => this.#name('name', name)),
    );
    this.#mirrors(mirrors);
  }

  table({ virtual_hosts: hosts, request_mirror_policies: mirrors }: RouteConfigurationConfig): void {
    const place = this.#place;
    this.#each('virtual_hosts', hosts, (host) => {
      this.#each('routes', host.routes, ({ route }) => {
        if (route) place.within('route', () => this.#action(route));
      });
      this.#mirrors(host.request_mirror_policies);
    });
    this.#mirrors(mirrors);
  }

  listener({ filter_chains: chains, default_filter_chain: fallback }: ListenerConfig): void {
    const look = (chain: ListenerConfig['filter_chains'][number]) =>
      this.#each('filters', chain.filters, ({ typed_config: typed }) => {
        const table = typed.type === 'http' ? typed.value.route_config : undefined;
        if (!table || table.validate_clusters === false) return;
        this.#place.within('typed_config', () => this.#place.within('route_config', () => this.table(table)));
      });
    this.#each('filter_chains', chains, look);
    if (fallback) this.#place.within('default_filter_chain', () => look(fallback));
  }
}

/** Refuses names of clusters that do not exist in a listener's own routes; the listener is one that was read well. */
export function checkListenerClusters(listener: ListenerConfig, knows: KnowsCluster, place: Place): void {
  new Check(knows, place).listener(listener);
}

/** The same of a route table that wants it. */
export function checkTableClusters(table: RouteConfigurationConfig, knows: KnowsCluster, place: Place): void {
  if (table.validate_clusters === true) new Check(knows, place).table(table);
}
