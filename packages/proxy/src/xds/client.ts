/**
 * The client of the xDS protocol in its delta variant: the aggregated stream, and streams of single types for sources
 * that have their own: https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol.
 */
import type { Node, ResourceType } from '@weft/envoy-api';
import type { Clock } from '../clock.ts';
import type { Random } from '../cluster/balancer.ts';
import type { ResourceSource } from '../config/core.ts';
import type { Log } from '../log.ts';
import { ControlPlaneStats } from '../stats/groups.ts';
import type { StatsRegistry } from '../stats/registry.ts';
import type { StreamFactory } from '../streams.ts';
import { DeltaStream } from './delta-stream.ts';
import { SubscriptionCounts } from './statistics.ts';
import type { CollectionListener, ResourceListener, Subscriptions, Unwatch } from './subscriptions.ts';
import { TypeSubscription } from './type-subscription.ts';
import { AGGREGATED_PATH, PATHS } from './wire.ts';

export interface XdsClientOptions {
  readonly streams: StreamFactory;
  /** The cluster of the aggregated stream; undefined where the bootstrap has none. */
  readonly adsCluster: string | undefined;
  /** Who the proxy says that it is, in the first message of each stream. */
  readonly node: Node;
  readonly stats: StatsRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

interface Target {
  readonly cluster: string;
  /** Undefined: all types share the stream. */
  readonly only: ResourceType | undefined;
}

const NOT_WATCHED: Unwatch = () => undefined;

/** Resources by subscription. Streams are opened when something is first wanted of their source. */
export class XdsClient implements Subscriptions {
  readonly #options: XdsClientOptions;
  readonly #node: Node;
  readonly #streams = new Map<string, DeltaStream>();
  #isClosed = false;

  constructor(options: XdsClientOptions) {
    this.#options = options;
    this.#node = { user_agent_name: 'weft', ...options.node };
  }

  watch(source: ResourceSource, type: ResourceType, name: string, listener: ResourceListener): Unwatch {
    return this.#streamOf(source, type)?.type(type).watch(name, listener) ?? NOT_WATCHED;
  }

  watchAll(source: ResourceSource, type: ResourceType, listener: CollectionListener): Unwatch {
    return this.#streamOf(source, type)?.type(type).watchAll(listener) ?? NOT_WATCHED;
  }

  /** Ends all streams. Nobody is told anything any more. */
  close(): void {
    this.#isClosed = true;
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
  }

  #targetOf(source: ResourceSource, type: ResourceType): Target | undefined {
    switch (source.type) {
      case 'ads':
        return this.#aggregated(type);
      case 'grpc':
        return { cluster: source.cluster, only: type };
      case 'none':
        return undefined;
    }
  }

  #aggregated(type: ResourceType): Target | undefined {
    const { adsCluster, log } = this.#options;
    if (adsCluster !== undefined) return { cluster: adsCluster, only: undefined };
    log.error({ type }, 'a resource is to come over ADS, and the bootstrap has no dynamic_resources.ads_config');
    return undefined;
  }

  #streamOf(source: ResourceSource, type: ResourceType): DeltaStream | undefined {
    const target = this.#isClosed ? undefined : this.#targetOf(source, type);
    if (!target) return undefined;
    const key = JSON.stringify([target.cluster, target.only]);
    const known = this.#streams.get(key);
    if (known) return known;
    const made = this.#make(target, () => {
      this.#streams.delete(key);
      made.close();
    });
    this.#streams.set(key, made);
    return made;
  }

  #make({ cluster, only }: Target, onIdle: () => void): DeltaStream {
    const { streams, stats, clock, random, log } = this.#options;
    const path = only ? PATHS[only] : AGGREGATED_PATH;
    return new DeltaStream({
      name: only ? `the stream of ${only} resources from ${cluster}` : `the aggregated stream to ${cluster}`,
      open: (signal) => streams(cluster, path, signal),
      node: this.#node,
      clock,
      random,
      log,
      stats: only ? new ControlPlaneStats() : this.#controlPlaneStats(),
      subscription: (type, onChange) =>
        new TypeSubscription({ type, counts: new SubscriptionCounts(stats, type), clock, log, onChange }),
      only,
      onIdle,
    });
  }

  #controlPlaneStats(): ControlPlaneStats {
    return this.#options.stats.share('control_plane.', 'control_plane_', {}, () => new ControlPlaneStats());
  }
}
