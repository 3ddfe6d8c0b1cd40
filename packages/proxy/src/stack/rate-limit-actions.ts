/**
 * What a request is counted under: descriptors, made of it by the actions that its route and virtual host list
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/rate_limit_filter#composing-actions).
 */
import { valueAt } from '../config/metadata-path.ts';
import type { RateLimitActionConfig, RateLimitConfig } from '../config/rate-limit.ts';
import type { RequestHead } from '../http/message.ts';
import { percentDecoded } from '../http/percent.ts';
import { maskedAddress } from './masked-address.ts';
import { headerMatches, queryParameter } from './route-match.ts';
import type { Route } from './route-table.ts';
import type { StreamInfo } from './stream-info.ts';

/** What descriptors are made of. */
export interface DescribedRequest {
  readonly head: RequestHead;
  readonly info: StreamInfo;
  readonly route: Route | undefined;
}

export interface DescriptorEntry {
  readonly key: string;
  readonly value: string;
}

/** A limit that a request brings along, in place of the service's own. */
export interface LimitOverride {
  readonly requestsPerUnit: number;
  readonly unit: string;
}

export interface Descriptor {
  readonly entries: readonly DescriptorEntry[];
  readonly limit: LimitOverride | undefined;
  /** How many hits the request counts as; undefined: one, or what the filter says. */
  readonly hits: number | undefined;
  /** Whether hits are given back rather than taken. */
  readonly isGivenBack: boolean;
  /** What the rule says of `x-ratelimit-*` fields in the response. */
  readonly fields: RateLimitConfig['x_ratelimit_option'];
}

/** Adds entries; false: there is no descriptor for this request. */
type Action = (request: DescribedRequest, entries: DescriptorEntry[], serviceCluster: string) => boolean;

/** The cluster to which a route leads; '' where that is not known before a weighted one is chosen. */
export function clusterOf({ route, head }: Pick<DescribedRequest, 'route' | 'head'>): string {
  if (route?.action.type !== 'forward') return '';
  const { cluster, cluster_header: field } = route.action.config;
  return cluster ?? (field === undefined ? '' : (head.headers.get(field.toLowerCase()) ?? ''));
}

/** A value of the query with its escapes undone; those that mean nothing stay. */
function decodedParameter(path: string, name: string): string | undefined {
  const value = queryParameter(path, name);
  return value && percentDecoded(value);
}

/** The value at a path of metadata; '' where it is no text. */
function textAt(metadata: unknown, path: readonly string[]): string {
  const value = valueAt(metadata, path);
  return typeof value === 'string' ? value : '';
}

function routeMetadata(route: Route | undefined, filter: string): unknown {
  const metadata = route?.metadata as { readonly filter_metadata?: Readonly<Record<string, unknown>> } | undefined;
  return metadata?.filter_metadata?.[filter];
}

type Of<K extends keyof RateLimitActionConfig> = NonNullable<RateLimitActionConfig[K]>;

/** What a client sends is bytes, one character each; descriptors are text. */
function decoded(bytes: string): string {
  return /^[\x20-\x7e]*$/.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString();
}

function requestHeadersAction({ header_name, descriptor_key: key, skip_if_absent }: Of<'request_headers'>): Action {
  const name = header_name.toLowerCase();
  return ({ head }, entries) => {
    const value = firstField(head, name);
    if (value === undefined) return skip_if_absent;
    entries.push({ key, value: decoded(value) });
    return true;
  };
}

function firstField(head: RequestHead, name: string): string | undefined {
  switch (name) {
    case ':path':
      return head.path;
    case ':method':
      return head.method;
    case ':authority':
    case 'host':
      return head.authority;
    default:
      return head.headers.get(name);
  }
}

function queryParametersAction(config: Of<'query_parameters'>): Action {
  const { query_parameter_name: name, descriptor_key: key, skip_if_absent } = config;
  return ({ head }, entries) => {
    const value = decodedParameter(head.path, name);
    if (value === undefined) return skip_if_absent;
    entries.push({ key, value: decoded(value) });
    return true;
  };
}

function metadataAction(config: Of<'metadata'>): Action {
  const { descriptor_key: key, metadata_key: from, default_value: otherwise, source, skip_if_absent } = config;
  return ({ info, route }, entries) => {
    const metadata = source === 'DYNAMIC' ? info.dynamicMetadata?.get(from.filter) : routeMetadata(route, from.filter);
    const value = textAt(metadata, from.path) || otherwise;
    if (value === '') return skip_if_absent;
    entries.push({ key, value });
    return true;
  };
}

interface Valued {
  readonly descriptor_key: string;
  readonly descriptor_value: string;
}

/** An entry for each request that passes the test. */
function valueAction(config: Valued, defaultKey: string, test: (request: DescribedRequest) => boolean): Action {
  const entry: DescriptorEntry = { key: config.descriptor_key || defaultKey, value: config.descriptor_value };
  return (request, entries) => {
    if (!test(request)) return false;
    entries.push(entry);
    return true;
  };
}

function fixedAction(
  entry: (request: DescribedRequest, serviceCluster: string) => DescriptorEntry | undefined,
): Action {
  return (request, entries, serviceCluster) => {
    const made = entry(request, serviceCluster);
    if (made) entries.push(made);
    return made !== undefined;
  };
}

function addressAction(config: RateLimitActionConfig): Action {
  const { masked_remote_address: mask } = config;
  if (!mask) {
    return fixedAction(({ info }) =>
      info.remoteHost === '' ? undefined : { key: 'remote_address', value: info.remoteHost },
    );
  }
  return fixedAction(({ info }) => {
    const value = maskedAddress(info.remoteHost, mask.v4_prefix_mask_len, mask.v6_prefix_mask_len);
    return value === undefined ? undefined : { key: 'masked_remote_address', value };
  });
}

function compileAction(config: RateLimitActionConfig): Action {
  const {
    header_value_match: byHeader,
    query_parameter_value_match: byQuery,
    remote_address_match: byAddress,
  } = config;
  if (config.source_cluster) return fixedAction((_, value) => ({ key: 'source_cluster', value }));
  if (config.destination_cluster) {
    return fixedAction((request) => ({ key: 'destination_cluster', value: clusterOf(request) }));
  }
  if (config.request_headers) return requestHeadersAction(config.request_headers);
  if (config.query_parameters) return queryParametersAction(config.query_parameters);
  if (config.metadata) return metadataAction(config.metadata);
  if (config.generic_key) return valueAction(config.generic_key, 'generic_key', () => true);
  if (byHeader) {
    const { headers, expect_match } = byHeader;
    const test = ({ head }: DescribedRequest) =>
      headers.every((header) => headerMatches(header, head)) === expect_match;
    return valueAction(byHeader, 'header_match', test);
  }
  if (byQuery) {
    const { query_parameters: all, expect_match } = byQuery;
    const fits = ({ head }: DescribedRequest) => all.every((one) => one.matches(decodedParameter(head.path, one.name)));
    return valueAction(byQuery, 'query_match', (request) => fits(request) === expect_match);
  }
  if (byAddress) {
    const { ranges, invert_match } = byAddress.address_matcher;
    const test = ({ info }: DescribedRequest) =>
      ranges.some((range) => range.contains(info.remoteHost)) !== invert_match;
    return valueAction(byAddress, 'remote_address_match', test);
  }
  return addressAction(config);
}

/** One entry of `rate_limits`. */
export interface RateLimitRule {
  /** Of the filters that it is for. */
  readonly stage: number;
  readonly disableKey: string;
  /** Whether it counts once the request is over. */
  readonly isOnEnd: boolean;
  /** Undefined where the request lacks what an action needs. */
  describe(request: DescribedRequest, serviceCluster: string): Descriptor | undefined;
}

function overrideOf({ limit }: RateLimitConfig): (info: StreamInfo) => LimitOverride | undefined {
  if (limit?.rate_limit) {
    const { requests_per_unit: requestsPerUnit, unit } = limit.rate_limit;
    return () => ({ requestsPerUnit, unit });
  }
  const from = limit?.dynamic_metadata?.metadata_key;
  if (!from) return () => undefined;
  return ({ dynamicMetadata }) => {
    const value = valueAt(dynamicMetadata?.get(from.filter), from.path) as
      | Readonly<Record<string, unknown>>
      | undefined;
    const { requests_per_unit: requestsPerUnit, unit } = value ?? {};
    return typeof requestsPerUnit === 'number' && typeof unit === 'string' ? { requestsPerUnit, unit } : undefined;
  };
}

/** `none`: what should be a number is none, and there is no descriptor. */
function hitsOf({ hits_addend: addend }: RateLimitConfig): (info: StreamInfo) => number | undefined | 'none' {
  if (addend?.number !== undefined) return () => addend.number;
  const format = addend?.format;
  if (!format) return () => undefined;
  return (info) => {
    const text = format(info);
    return /^\d{1,15}$/.test(text) ? Number(text) : 'none';
  };
}

export function compileRateLimit(config: RateLimitConfig): RateLimitRule {
  const actions = config.actions.map(compileAction);
  const limitOf = overrideOf(config);
  const hitsFor = hitsOf(config);
  const isGivenBack = config.hits_addend?.is_negative_hits ?? false;
  return {
    stage: config.stage,
    disableKey: config.disable_key,
    isOnEnd: config.apply_on_stream_done,
    describe(request, serviceCluster) {
      const entries: DescriptorEntry[] = [];
      for (const action of actions) if (!action(request, entries, serviceCluster)) return undefined;
      const { info } = request;
      const hits = hitsFor(info);
      if (hits === 'none') return undefined;
      return { entries, limit: limitOf(info), hits, isGivenBack, fields: config.x_ratelimit_option };
    },
  };
}

/** What a filter says of the limits of virtual hosts. */
export type VirtualHostLimits = 'OVERRIDE' | 'INCLUDE' | 'IGNORE';

const NONE: readonly RateLimitRule[] = [];

/**
 * The rules for a request: of its route, and of its virtual host where the route includes those, or the filter does, or,
 * for `OVERRIDE`, where the route has none of its own. None where the route does not lead to a cluster.
 */
export function rateLimitsOf(
  route: Route | undefined,
  virtualHostLimits: VirtualHostLimits,
): readonly [ofRoute: readonly RateLimitRule[], ofVirtualHost: readonly RateLimitRule[]] {
  if (route?.action.type !== 'forward') return [NONE, NONE];
  const { rate_limits: own, include_vh_rate_limits: includes } = route.action.config;
  const takesHost =
    includes || virtualHostLimits === 'INCLUDE' || (virtualHostLimits === 'OVERRIDE' && own.length === 0);
  return [own, takesHost ? route.virtualHost.rate_limits : NONE];
}

/** The descriptors of a request, by the rules of one stage. */
export function describeRequest(
  request: DescribedRequest,
  rules: Iterable<RateLimitRule>,
  stage: number,
  serviceCluster: string,
  into: Descriptor[] = [],
): Descriptor[] {
  for (const rule of rules) {
    if (rule.stage !== stage) continue;
    const descriptor = rule.describe(request, serviceCluster);
    if (descriptor) into.push(descriptor);
  }
  return into;
}
