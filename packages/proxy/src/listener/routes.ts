/** Route tables by name, as they arrive and change; listeners that name the same one share it. */
import type { Clock } from '../clock.ts';
import type { ResourceSource } from '../config/config-source.ts';
import { type RouteConfigurationConfig, routeConfiguration } from '../config/route.ts';
import { checkTableClusters, type KnowsCluster } from '../config/route-clusters.ts';
import { routeConfigurationInSteps } from '../config/route-steps.ts';
import { type ConfigIssue, Place } from '../config/schema.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Steps } from '../slices.ts';
import type { RouteSource } from '../stack/http-manager.ts';
import { RouteTable } from '../stack/route-table.ts';
import type { Warming } from '../warming.ts';
import type { Subscriptions, Unwatch } from '../xds/subscriptions.ts';

/** A route table with what it came from. */
export interface ManagedRoutes {
  readonly name: string;
  readonly resource: unknown;
  readonly version: string;
  readonly updatedMs: number;
}

/** A resource, and what became of it. */
interface Compiled {
  readonly resource: unknown;
  readonly issues: readonly ConfigIssue[];
  /** Undefined where something is wrong. */
  readonly table: RouteTable | undefined;
}

class SharedRoutes implements RouteSource {
  readonly name: string;
  readonly waiting = new Set<() => void>();
  users = 0;
  unwatch: Unwatch = () => undefined;
  current: RouteTable | undefined;
  managed: ManagedRoutes | undefined;
  /** Of a large table that is told of next. */
  ahead: Compiled | undefined;
  /** Whether the source has spoken: with routes, or to say that there are none. */
  isKnown = false;

  constructor(name: string) {
    this.name = name;
  }

  /** Whoever waits for the source's word waits no more. */
  known(): void {
    this.isKnown = true;
    for (const arrived of this.waiting) arrived();
    this.waiting.clear();
  }
}

export interface RouteUse {
  readonly routes: RouteSource;
  close(): void;
}

export class RouteStore {
  readonly #subscriptions: Subscriptions;
  readonly #clock: Clock;
  readonly #runtime: Runtime;
  readonly #knowsCluster: KnowsCluster | undefined;
  readonly #shared = new Map<string, SharedRoutes>();

  /** `knowsCluster`: which clusters there are, for tables that want to be checked. */
  constructor(subscriptions: Subscriptions, clock: Clock, runtime: Runtime, knowsCluster?: KnowsCluster) {
    this.#knowsCluster = knowsCluster;
    this.#subscriptions = subscriptions;
    this.#clock = clock;
    this.#runtime = runtime;
  }

  /** The routes of that name, now and as they change; `warming` waits for them. */
  use(source: ResourceSource, name: string, warming: Warming): RouteUse {
    const key = `${JSON.stringify(source)} ${name}`;
    const shared = this.#shared.get(key) ?? this.#begin(key, source, name);
    shared.users++;
    if (!shared.isKnown) {
      const what = `the routes ${name}`;
      warming.waitFor(what, source.initialFetchTimeoutMs);
      shared.waiting.add(() => warming.arrived(what));
    }
    return { routes: shared, close: () => this.#release(key, shared) };
  }

  #begin(key: string, source: ResourceSource, name: string): SharedRoutes {
    const shared = new SharedRoutes(name);
    this.#shared.set(key, shared);
    shared.unwatch = this.#subscriptions.watch(source, 'route', name, {
      prepare: (resource) => this.#prepare(shared, resource),
      onResource: (resource, version) => this.#onResource(shared, resource, version),
      // Routes that were there go with those who use them: until then they are better than none.
      onRemoved: () => shared.known(),
    });
    return shared;
  }

  *#prepare(shared: SharedRoutes, resource: unknown): Steps<void> {
    const place = new Place('', `routes ${shared.name}`, new Map());
    const config = yield* routeConfigurationInSteps(resource, place);
    const issues = this.#check(config, place);
    const table = issues.length > 0 ? undefined : yield* RouteTable.inSteps(config, this.#runtime);
    shared.ahead = { resource, issues, table };
  }

  #compile(shared: SharedRoutes, resource: unknown): Compiled {
    const { ahead } = shared;
    shared.ahead = undefined;
    if (ahead && ahead.resource === resource) return ahead;
    const place = new Place('', `routes ${shared.name}`);
    const config = routeConfiguration.parse(resource, place);
    const issues = this.#check(config, place);
    return { resource, issues, table: issues.length > 0 ? undefined : new RouteTable(config, this.#runtime) };
  }

  #check(config: RouteConfigurationConfig, place: Place): readonly ConfigIssue[] {
    if (this.#knowsCluster && place.issues.length === 0) checkTableClusters(config, this.#knowsCluster, place);
    return place.issues;
  }

  #onResource(shared: SharedRoutes, resource: unknown, version: string): readonly ConfigIssue[] {
    const { issues, table } = this.#compile(shared, resource);
    if (!table) return issues;
    shared.current = table;
    shared.managed = { name: shared.name, resource, version, updatedMs: this.#clock.wallMs() };
    shared.known();
    return [];
  }

  #release(key: string, shared: SharedRoutes): void {
    if (--shared.users > 0) return;
    shared.unwatch();
    this.#shared.delete(key);
  }

  /** Every route table that is in use. */
  *all(): Generator<ManagedRoutes> {
    for (const { managed } of this.#shared.values()) if (managed) yield managed;
  }
}
