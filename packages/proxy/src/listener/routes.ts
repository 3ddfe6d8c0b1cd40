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
import { SubscriptionStats } from '../stats/groups.ts';
import { type StatsRegistry, statName } from '../stats/registry.ts';
import type { Warming } from '../warming.ts';
import { versionNumber } from '../xds/statistics.ts';
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
  readonly stats: SubscriptionStats;

  constructor(name: string, stats: SubscriptionStats) {
    this.name = name;
    this.stats = stats;
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

export interface RouteStoreOptions {
  /** Which clusters there are, for tables that want to be checked; default: any. */
  readonly knowsCluster?: KnowsCluster;
  /** Where what becomes of tables is counted; default: nowhere, as in threads that get them from another. */
  readonly stats?: StatsRegistry | undefined;
}

export class RouteStore {
  readonly #subscriptions: Subscriptions;
  readonly #clock: Clock;
  readonly #runtime: Runtime;
  readonly #options: RouteStoreOptions;
  readonly #shared = new Map<string, SharedRoutes>();

  constructor(subscriptions: Subscriptions, clock: Clock, runtime: Runtime, options: RouteStoreOptions = {}) {
    this.#options = options;
    this.#subscriptions = subscriptions;
    this.#clock = clock;
    this.#runtime = runtime;
  }

  /**
   * The routes of that name, now and as they change; `warming` waits for them. `statPrefix`: of the connection manager that
   * uses them, by the first of which they are counted.
   */
  use(source: ResourceSource, name: string, warming: Warming, statPrefix: string): RouteUse {
    const key = `${JSON.stringify(source)} ${name}`;
    const shared = this.#shared.get(key) ?? this.#begin(key, source, name, statPrefix);
    shared.users++;
    if (!shared.isKnown) {
      const what = `the routes ${name}`;
      warming.waitFor(what, source.initialFetchTimeoutMs, () => shared.stats.init_fetch_timeout++);
      shared.waiting.add(() => warming.arrived(what));
    }
    return { routes: shared, close: () => this.#release(key, shared) };
  }

  #statsOf(name: string, statPrefix: string): SubscriptionStats {
    const [manager, routes] = [statName(statPrefix), statName(name)];
    const labels = { envoy_http_conn_manager_prefix: manager, envoy_rds_route_config: routes };
    const make = () => new SubscriptionStats();
    return this.#options.stats?.share(`http.${manager}.rds.${routes}.`, 'http_rds_', labels, make) ?? make();
  }

  #begin(key: string, source: ResourceSource, name: string, statPrefix: string): SharedRoutes {
    const shared = new SharedRoutes(name, this.#statsOf(name, statPrefix));
    this.#shared.set(key, shared);
    shared.stats.update_attempt++;
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
    const { knowsCluster } = this.#options;
    if (knowsCluster && place.issues.length === 0) checkTableClusters(config, knowsCluster, place);
    return place.issues;
  }

  #onResource(shared: SharedRoutes, resource: unknown, version: string): readonly ConfigIssue[] {
    const { stats } = shared;
    const { issues, table } = this.#compile(shared, resource);
    stats.update_attempt++;
    if (!table) {
      stats.update_rejected++;
      return issues;
    }
    stats.update_success++;
    stats.config_reload++;
    stats.update_time = this.#clock.wallMs();
    stats.version = versionNumber(version);
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
