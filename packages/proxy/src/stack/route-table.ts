/** Route tables: compiled once when configuration arrives, looked up for each request. */
import { lbValues, type MetadataMatch, metadataMatch } from '../cluster/balancing/metadata-match.ts';
import type { RouteFilter, RouteFilterConfig } from '../config/filters.ts';
import type {
  HeaderChangesConfig,
  RouteActionConfig,
  RouteConfig,
  RouteConfigurationConfig,
  VirtualHostConfig,
} from '../config/route.ts';
import { withoutPort } from '../http/authority.ts';
import type { RequestHead } from '../http/message.ts';
import { Runtime } from '../runtime/runtime.ts';
import { atOnce, type Steps } from '../slices.ts';
import { compileHashPolicy, type HashPolicy } from './hash-policy.ts';
import { changeLevels, type HeaderChanges } from './header-changes.ts';
import { compileRedirectPolicy, type RedirectPolicy } from './internal-redirect.ts';
import { compileMirrorPolicy, type MirrorPolicy } from './mirror-policy.ts';
import { TLS_REDIRECT } from './redirect.ts';
import { compileRetryPolicy, type RetryPolicy } from './retry-policy.ts';
import { OrderedRoutes } from './route-index.ts';
import { compileConditions, compilePath, type PathMatch, pathOnly, type RouteQuery } from './route-match.ts';
import { type ChooseCluster, compileChoice } from './weighted-choice.ts';

/** A cluster that a route may choose, with its share. */
export interface WeightedCluster {
  readonly name: string;
  /** The field of the request that names the cluster; '' where the name is given. */
  readonly header: string;
  readonly weight: number;
  readonly hostRewrite: string | undefined;
  readonly requestChanges: readonly HeaderChanges[];
  readonly responseChanges: readonly HeaderChanges[];
  /** What hosts are to have, the route's own among it; undefined where nothing is asked for. */
  readonly metadataMatch: MetadataMatch | undefined;
  /** What is said of filters, at all levels; undefined where the cluster adds nothing to what the route says. */
  readonly filters: ReadonlyMap<string, FilterLevels> | undefined;
}

export interface ForwardAction {
  readonly type: 'forward';
  readonly config: RouteActionConfig;
  /** Undefined where the route has no weighted clusters. */
  readonly choose: ChooseCluster | undefined;
  readonly retry: RetryPolicy | undefined;
  /** Undefined where no request of the route is mirrored. */
  readonly mirrors: readonly MirrorPolicy[] | undefined;
  /** Undefined where clients follow redirects themselves. */
  readonly redirects: RedirectPolicy | undefined;
  /** By the lower-case name of a protocol, `connect` among them, whether it may be switched to. */
  readonly upgrades: ReadonlyMap<string, boolean>;
  readonly rewritesPath: boolean;
  readonly rewritesHost: boolean;
  /** What hosts are to have; undefined where nothing is asked for. */
  readonly metadataMatch: MetadataMatch | undefined;
  /** Undefined where any host will do for any request. */
  readonly hash: HashPolicy | undefined;
}

export type RouteActionKind =
  | ForwardAction
  | { readonly type: 'redirect'; readonly config: NonNullable<RouteConfig['redirect']> }
  | { readonly type: 'direct'; readonly config: NonNullable<RouteConfig['direct_response']> };

export interface Route {
  readonly name: string;
  readonly virtualHost: VirtualHostConfig;
  readonly path: PathMatch;
  readonly isConnect: boolean;
  readonly conditions: ((head: RequestHead, info: RouteQuery) => boolean) | undefined;
  readonly action: RouteActionKind;
  readonly requestChanges: readonly HeaderChanges[];
  readonly responseChanges: readonly HeaderChanges[];
  readonly bufferLimit: number | undefined;
  readonly metadata: RouteConfig['metadata'];
  readonly tracing: RouteConfig['tracing'];
  readonly decorator: RouteConfig['decorator'];
  /** What the route, and what it is part of, say of filters, by the filter's name; undefined where they say nothing. */
  readonly filters: ReadonlyMap<string, FilterLevels> | undefined;
}

/** What all levels together say of one filter. */
export interface FilterLevels {
  /** Whether the filter takes part; undefined where no level says so, and its own configuration counts. */
  readonly isDisabled: boolean | undefined;
  /** The most specific last. */
  readonly configs: readonly RouteFilterConfig[];
}

interface VirtualHost {
  readonly config: VirtualHostConfig;
  readonly routes: OrderedRoutes;
  /** Where requests go that came without TLS; undefined where they may. */
  readonly toTls: Route | undefined;
}

const requestChanges = (config: HeaderChangesConfig): HeaderChanges => ({
  remove: config.request_headers_to_remove,
  add: config.request_headers_to_add,
});

const responseChanges = (config: HeaderChangesConfig): HeaderChanges => ({
  remove: config.response_headers_to_remove,
  add: config.response_headers_to_add,
});

/** The policies of the most specific level that has any. */
function mirrorPolicies(
  levels: readonly { readonly request_mirror_policies: RouteActionConfig['request_mirror_policies'] }[],
  runtime: Runtime,
): readonly MirrorPolicy[] | undefined {
  const policies = levels.find((level) => level.request_mirror_policies.length > 0)?.request_mirror_policies;
  return policies?.map((policy) => compileMirrorPolicy(policy, runtime));
}

const NO_UPGRADES: ReadonlyMap<string, boolean> = new Map();

function upgradesOf({ upgrade_configs: configs }: RouteActionConfig): ReadonlyMap<string, boolean> {
  if (configs.length === 0) return NO_UPGRADES;
  return new Map(configs.map(({ upgrade_type, enabled }) => [upgrade_type.toLowerCase(), enabled]));
}

function forwardAction(
  config: RouteActionConfig,
  virtualHost: VirtualHostConfig,
  table: RouteConfigurationConfig,
  runtime: Runtime,
  levels: readonly ReadonlyMap<string, RouteFilter>[],
): ForwardAction {
  const clusters = (config.weighted_clusters?.clusters ?? []).map(
    (choice): WeightedCluster => ({
      name: choice.name,
      header: choice.cluster_header.toLowerCase(),
      weight: choice.weight,
      hostRewrite: choice.host_rewrite_literal,
      requestChanges: changeLevels([requestChanges(choice)]),
      responseChanges: changeLevels([responseChanges(choice)]),
      metadataMatch: metadataMatch(lbValues(config.metadata_match), lbValues(choice.metadata_match)),
      filters:
        choice.typed_per_filter_config.size > 0 ? filterLevels([...levels, choice.typed_per_filter_config]) : undefined,
    }),
  );
  const hash = compileHashPolicy(config.hash_policy);
  const retry = config.retry_policy ?? virtualHost.retry_policy;
  return {
    type: 'forward',
    config,
    choose: compileChoice(config.weighted_clusters, clusters, hash, runtime),
    redirects: compileRedirectPolicy(config.internal_redirect_policy),
    retry: retry && compileRetryPolicy(retry),
    mirrors: mirrorPolicies([config, virtualHost, table], runtime),
    upgrades: upgradesOf(config),
    metadataMatch: metadataMatch(lbValues(config.metadata_match)),
    hash,
    rewritesPath: config.prefix_rewrite !== '' || !!config.regex_rewrite || !!config.path_rewrite_policy,
    rewritesHost:
      config.host_rewrite_literal !== undefined ||
      config.host_rewrite_header !== undefined ||
      config.host_rewrite_path_regex !== undefined ||
      config.auto_host_rewrite ||
      clusters.some(({ hostRewrite }) => hostRewrite !== undefined),
  };
}

function actionOf(
  config: RouteConfig,
  virtualHost: VirtualHostConfig,
  table: RouteConfigurationConfig,
  runtime: Runtime,
  levels: readonly ReadonlyMap<string, RouteFilter>[],
): RouteActionKind {
  if (config.redirect) return { type: 'redirect', config: config.redirect };
  if (config.direct_response) return { type: 'direct', config: config.direct_response };
  return forwardAction(config.route as RouteActionConfig, virtualHost, table, runtime, levels);
}

function filterLevels(
  levels: readonly ReadonlyMap<string, RouteFilter>[],
): ReadonlyMap<string, FilterLevels> | undefined {
  const found = new Map<string, FilterLevels>();
  for (const level of levels) {
    for (const [name, { isDisabled, config }] of level) {
      const configs = found.get(name)?.configs ?? [];
      found.set(name, { isDisabled, configs: config ? [...configs, config] : configs });
    }
  }
  return found.size === 0 ? undefined : found;
}

function compileRoute(
  config: RouteConfig,
  host: VirtualHostConfig,
  table: RouteConfigurationConfig,
  runtime: Runtime,
): Route {
  const levels: readonly HeaderChangesConfig[] = table.most_specific_header_mutations_wins
    ? [table, host, config]
    : [config, host, table];
  const filters = [table.typed_per_filter_config, host.typed_per_filter_config, config.typed_per_filter_config];
  return {
    name: config.name,
    virtualHost: host,
    path: compilePath(config.match),
    isConnect: config.match.connect_matcher,
    conditions: compileConditions(config.match, runtime),
    action: actionOf(config, host, table, runtime, filters),
    requestChanges: changeLevels(levels.map(requestChanges)),
    responseChanges: changeLevels(levels.map(responseChanges)),
    bufferLimit:
      config.request_body_buffer_limit ??
      config.per_request_buffer_limit_bytes ??
      host.request_body_buffer_limit ??
      host.per_request_buffer_limit_bytes,
    metadata: config.metadata,
    tracing: config.tracing,
    decorator: config.decorator,
    filters: filterLevels(filters),
  };
}

function tlsRoute(host: VirtualHostConfig): Route | undefined {
  if (host.require_tls === 'NONE') return undefined;
  return {
    name: '',
    virtualHost: host,
    path: { test: () => true, prefixLength: () => 0 },
    isConnect: false,
    conditions: undefined,
    action: { type: 'redirect', config: TLS_REDIRECT },
    requestChanges: [],
    responseChanges: [],
    bufferLimit: undefined,
    metadata: undefined,
    tracing: undefined,
    decorator: undefined,
    filters: undefined,
  };
}

function needsTls({ require_tls }: VirtualHostConfig, { headers, scheme }: RequestHead): boolean {
  if ((headers.joined('x-forwarded-proto') ?? scheme) === 'https') return false;
  return require_tls === 'ALL' || headers.get('x-envoy-internal') !== 'true';
}

/** Virtual hosts under the fixed part of a wildcard, by its length, the longest first. */
class WildcardDomains {
  readonly #byLength: { readonly length: number; readonly hosts: Map<string, VirtualHost> }[] = [];

  add(fixed: string, host: VirtualHost): void {
    let entry = this.#byLength.find(({ length }) => length === fixed.length);
    if (!entry) {
      entry = { length: fixed.length, hosts: new Map() };
      this.#byLength.push(entry);
      this.#byLength.sort((a, b) => b.length - a.length);
    }
    entry.hosts.set(fixed, host);
  }

  find(name: string, part: (name: string, length: number) => string): VirtualHost | undefined {
    for (const { length, hosts } of this.#byLength) {
      if (length >= name.length) continue;
      const found = hosts.get(part(name, length));
      if (found) return found;
    }
    return undefined;
  }
}

function* compileHosts(config: RouteConfigurationConfig, runtime: Runtime): Steps<readonly VirtualHost[]> {
  const hosts: VirtualHost[] = [];
  for (const host of config.virtual_hosts) {
    const routes: Route[] = [];
    for (const route of host.routes) {
      routes.push(compileRoute(route, host, config, runtime));
      yield;
    }
    hosts.push({ config: host, routes: yield* OrderedRoutes.inSteps(routes), toTls: tlsRoute(host) });
  }
  return hosts;
}

/** A path without the parameters that its end may have: `/a;v=1` is `/a`. */
function bare(path: string): string {
  const semicolon = path.indexOf(';');
  return semicolon === -1 ? path : path.slice(0, semicolon);
}

export class RouteTable {
  readonly name: string;
  readonly config: RouteConfigurationConfig;
  readonly #exact = new Map<string, VirtualHost>();
  readonly #suffixes = new WildcardDomains();
  readonly #prefixes = new WildcardDomains();
  #any: VirtualHost | undefined;
  /** The field that tells the virtual host; '' where the authority does. */
  readonly #hostField: string;

  constructor(
    config: RouteConfigurationConfig,
    runtime = new Runtime(undefined, Math.random),
    hosts = atOnce(compileHosts(config, runtime)),
  ) {
    this.name = config.name;
    this.config = config;
    this.#hostField = config.vhost_header.toLowerCase();
    for (const host of hosts) for (const domain of host.config.domains) this.#addDomain(domain, host);
  }

  /** Compiles a table a route at a time. */
  static *inSteps(config: RouteConfigurationConfig, runtime: Runtime): Steps<RouteTable> {
    return new RouteTable(config, runtime, yield* compileHosts(config, runtime));
  }

  #addDomain(domain: string, host: VirtualHost): void {
    if (domain === '*') this.#any = host;
    else if (domain.startsWith('*')) this.#suffixes.add(domain.slice(1), host);
    else if (domain.endsWith('*')) this.#prefixes.add(domain.slice(0, -1), host);
    else this.#exact.set(domain, host);
  }

  #virtualHost(authority: string): VirtualHost | undefined {
    const name = this.config.ignore_port_in_host_matching ? withoutPort(authority) : authority;
    return this.#exact.get(name) ?? this.#findVirtualHost(name.toLowerCase());
  }

  #findVirtualHost(name: string): VirtualHost | undefined {
    return (
      this.#exact.get(name) ??
      this.#suffixes.find(name, (text, length) => text.slice(-length)) ??
      this.#prefixes.find(name, (text, length) => text.slice(0, length)) ??
      this.#any
    );
  }

  /** The first route of the request's virtual host that is for it. */
  match(head: RequestHead, info?: RouteQuery): Route | undefined {
    const authority = this.#hostField === '' ? head.authority : head.headers.get(this.#hostField);
    if (authority === undefined) return undefined;
    const host = this.#virtualHost(authority);
    if (host?.toTls && needsTls(host.config, head)) return host.toTls;
    const path = pathOnly(head.path);
    return host?.routes.match(head, this.config.ignore_path_parameters_in_path_matching ? bare(path) : path, info);
  }
}
