/** Where a request goes: the cluster that its route chooses, and what balancers ask about it to choose a host. */
import type { Hash64 } from '../../cluster/balancing/hash64.ts';
import type { HostSet } from '../../cluster/balancing/host-sets.ts';
import { type MetadataMatch, metadataMatch } from '../../cluster/balancing/metadata-match.ts';
import type { PriorityLoad } from '../../cluster/balancing/priority-load.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { Host } from '../../cluster/host.ts';
import type { ClusterLimits } from '../../cluster/limits.ts';
import type { PickContext } from '../../cluster/pick-context.ts';
import type { RequestHead } from '../../http/message.ts';
import type { HashedRequest } from '../../stack/hash-policy.ts';
import type { ForwardAction, Route } from '../../stack/route-table.ts';
import type { StreamInfo } from '../../stack/stream-info.ts';
import type { Retries } from './retries.ts';
import type { RouterContext, RouterOwner } from './router.ts';

export abstract class HostChoice implements PickContext, HashedRequest {
  protected readonly owner: RouterOwner;
  protected readonly context: RouterContext;
  protected readonly route: Route;
  protected readonly action: ForwardAction;
  protected cluster: Cluster | undefined;
  /** Undefined where the request is not to be tried again. */
  protected retries: Retries | undefined;
  #isHashed = false;
  #hash: Hash64 | undefined;
  /** What the client is told to come back with, so that it gets to the same host. */
  protected cookies: string[] | undefined;

  constructor(owner: RouterOwner, route: Route, action: ForwardAction, context: RouterContext) {
    this.owner = owner;
    this.context = context;
    this.route = route;
    this.action = action;
  }

  /** The name of the cluster; '' where the request should say it and does not. */
  protected chooseCluster(): string {
    const { config } = this.action;
    if (config.cluster !== undefined) return config.cluster;
    if (config.cluster_header !== undefined) return this.head.headers.get(config.cluster_header.toLowerCase()) ?? '';
    const { choice } = this.owner;
    if (!choice) return '';
    return choice.header === '' ? choice.name : (this.head.headers.get(choice.header) ?? '');
  }

  protected limitsOf(cluster: Cluster): ClusterLimits {
    return cluster.limitsOf(this.action.config.priority);
  }

  get head(): RequestHead {
    return this.owner.head;
  }

  get info(): StreamInfo {
    return this.owner.info;
  }

  // What balancers ask.

  get hash(): Hash64 | undefined {
    const { hash } = this.action;
    if (hash && !this.#isHashed) {
      this.#isHashed = true;
      this.#hash = hash(this);
    }
    return this.#hash;
  }

  setCookie(field: string): void {
    this.cookies ??= [];
    this.cookies.push(field);
  }

  get metadataMatch(): MetadataMatch | undefined {
    const { choice } = this.owner;
    const match = choice ? choice.metadataMatch : this.action.metadataMatch;
    const found = this.info.dynamicMetadata?.get('envoy.lb');
    return found ? (match?.with(found) ?? metadataMatch(found)) : match;
  }

  get originalDestination(): string | undefined {
    return this.info.downstream.originalDestination;
  }

  get hostAttempts(): number {
    return this.retries?.hostAttempts ?? 0;
  }

  passesOver(host: Host): boolean {
    return this.retries?.passesOver(host) === true;
  }

  priorityLoad(load: PriorityLoad, sets: readonly HostSet[]): PriorityLoad {
    return this.retries?.priorityLoad(load, sets) ?? load;
  }

  requestField(name: string): string | undefined {
    return this.head.headers.get(name);
  }
}
