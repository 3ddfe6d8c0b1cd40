/**
 * The client of the xDS protocol in both of its variants: the aggregated stream, streams of single types for sources
 * that have their own, and files that hold what a server would say: https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol.
 */
import type { Node, ResourceType } from '@weft/envoy-api';
import type { Clock } from '../clock.ts';
import type { Random } from '../cluster/balancer.ts';
import type { ResourceSource, XdsService, XdsVariant } from '../config/config-source.ts';
import type { Log } from '../log.ts';
import { ControlPlaneStats } from '../stats/groups.ts';
import type { StatsRegistry } from '../stats/registry.ts';
import type { StreamFactory } from '../streams.ts';
import { DiscoveryStream } from './discovery-stream.ts';
import { FileSource, watchFolder } from './file-source.ts';
import { SubscriptionCounts } from './statistics.ts';
import type { CollectionListener, ResourceListener, Subscriptions, Unwatch } from './subscriptions.ts';
import { TypeSubscription } from './type-subscription.ts';
import { pathOf } from './wire.ts';

export interface XdsClientOptions {
  readonly streams: StreamFactory;
  /** Where the aggregated stream goes; undefined where the bootstrap has none. */
  readonly ads: XdsService | undefined;
  /** Who the proxy says that it is, in the first message of each stream. */
  readonly node: Node;
  readonly stats: StatsRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** What gives the subscriptions of a type. */
interface Source {
  type(type: ResourceType): TypeSubscription;
  close(): void;
}

const NOT_WATCHED: Unwatch = () => undefined;

/** Resources by subscription. Streams are opened when something is first wanted of their source. */
export class XdsClient implements Subscriptions {
  readonly #options: XdsClientOptions;
  readonly #node: Node;
  readonly #sources = new Map<string, Source>();
  #isClosed = false;

  constructor(options: XdsClientOptions) {
    this.#options = options;
    this.#node = { user_agent_name: 'weft', ...options.node };
  }

  watch(source: ResourceSource, type: ResourceType, name: string, listener: ResourceListener): Unwatch {
    return this.#sourceOf(source, type)?.type(type).watch(name, listener) ?? NOT_WATCHED;
  }

  watchAll(source: ResourceSource, type: ResourceType, listener: CollectionListener): Unwatch {
    return this.#sourceOf(source, type)?.type(type).watchAll(listener) ?? NOT_WATCHED;
  }

  /** Ends all streams. Nobody is told anything any more. */
  close(): void {
    this.#isClosed = true;
    for (const source of this.#sources.values()) source.close();
    this.#sources.clear();
  }

  #sourceOf(source: ResourceSource, type: ResourceType): Source | undefined {
    if (this.#isClosed) return undefined;
    const { ads, log } = this.#options;
    switch (source.type) {
      case 'ads':
        if (ads) return this.#shared(['ads'], (onIdle) => this.#stream(ads, undefined, onIdle));
        log.error({ type }, 'a resource is to come over ADS, and the bootstrap has no dynamic_resources.ads_config');
        return undefined;
      case 'grpc': {
        const { service } = source;
        return this.#shared(['grpc', service, type], (onIdle) => this.#stream(service, type, onIdle));
      }
      case 'file': {
        const { path, folder } = source;
        return this.#shared(['file', path, folder, type], (onIdle) => this.#file(source, type, onIdle));
      }
      case 'none':
        return undefined;
    }
  }

  /** The source of that key, which goes when nobody wants anything of it any more. */
  #shared(parts: readonly unknown[], make: (onIdle: () => void) => Source): Source {
    const key = JSON.stringify(parts);
    const known = this.#sources.get(key);
    if (known) return known;
    const made = make(() => {
      this.#sources.delete(key);
      made.close();
    });
    this.#sources.set(key, made);
    return made;
  }

  #file(file: Extract<ResourceSource, { type: 'file' }>, type: ResourceType, onIdle: () => void): Source {
    const { log } = this.#options;
    const subscription = (onChange: () => void) => this.#subscription(type, 'state-of-the-world', onChange, false);
    return new FileSource({ file, type, log, subscription, watch: watchFolder, onIdle });
  }

  #stream(service: XdsService, only: ResourceType | undefined, onIdle: () => void): Source {
    const { streams, stats, clock, random, log } = this.#options;
    const { cluster, variant, metadata, authority, saysNodeOnce, limit } = service;
    const path = pathOf(variant, only);
    return new DiscoveryStream({
      name: only ? `the stream of ${only} resources from ${cluster}` : `the aggregated stream to ${cluster}`,
      open: (signal) => streams(cluster, path, signal, { metadata, authority }),
      node: this.#node,
      variant,
      // Not all servers keep what they know of a stream.
      saysNodeAlways: !saysNodeOnce,
      limit,
      clock,
      random,
      log,
      stats: only ? new ControlPlaneStats() : stats.share('control_plane.', 'control_plane_', {}, newControlPlaneStats),
      subscription: (type, onChange) => this.#subscription(type, variant, onChange),
      only,
      onIdle,
    });
  }

  #subscription(type: ResourceType, variant: XdsVariant, onChange: () => void, countsBegin = true): TypeSubscription {
    const { stats, clock, log } = this.#options;
    const counts = new SubscriptionCounts(stats, type, countsBegin);
    return new TypeSubscription({ type, variant, counts, clock, log, onChange });
  }
}

function newControlPlaneStats(): ControlPlaneStats {
  return new ControlPlaneStats();
}
