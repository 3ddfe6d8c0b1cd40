/** Schemas of route configurations. */

import { routeCorsPolicy } from '../filters/cors/schema.ts';
import { decorator, routeTracing } from '../tracing/schema.ts';
import { dataSource, headerAddition, headerNames, metadata, regexRewrite, substitutionFormat } from './core.ts';
import { routeFilters } from './filters.ts';
import { hashPolicy } from './hash-policy.ts';
import { headerMatcher } from './header-match.ts';
import { internalRedirectPolicy } from './internal-redirect.ts';
import { routeRateLimit } from './rate-limit.ts';
import { routeMatch } from './route-match.ts';
import { runtimeFraction } from './runtime.ts';
import {
  anyOf,
  built,
  choice,
  durationMs,
  flag,
  list,
  message,
  name,
  number,
  only,
  optional,
  type Parsed,
  type Place,
  readAhead,
  required,
  type Schema,
  text,
} from './schema.ts';
import { type RewritePart, type UriTemplate, uriTemplateRewrite } from './uri-template.ts';

/** Of durations that must be more than nothing: the API counts nanoseconds. */
const LEAST_MS = 0.000001;

const headerChanges = {
  request_headers_to_add: list(headerAddition),
  request_headers_to_remove: headerNames,
  response_headers_to_add: list(headerAddition),
  response_headers_to_remove: headerNames,
};

/** Conditions of `retry_on` that are supported. */
export type RetryCondition =
  | '5xx'
  | 'gateway-error'
  | 'reset'
  | 'reset-before-request'
  | 'connect-failure'
  | 'refused-stream'
  | 'retriable-4xx'
  | 'envoy-ratelimited'
  | 'retriable-status-codes'
  | 'retriable-headers'
  | 'cancelled'
  | 'deadline-exceeded'
  | 'internal'
  | 'resource-exhausted'
  | 'unavailable';

const RETRY_CONDITIONS: ReadonlySet<string> = new Set<RetryCondition>([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'refused-stream',
  'retriable-4xx',
  'envoy-ratelimited',
  'retriable-status-codes',
  'retriable-headers',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);

/** The condition of that name; undefined where there is none. */
export function retryCondition(word: string): RetryCondition | undefined {
  return RETRY_CONDITIONS.has(word) ? (word as RetryCondition) : undefined;
}

const retryOn: Schema<ReadonlySet<RetryCondition>> = built(text(), (words, place) => {
  const conditions = words
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  for (const word of conditions) {
    if (!RETRY_CONDITIONS.has(word)) place.refuse(`${word} is not supported, only ${[...RETRY_CONDITIONS].join(', ')}`);
  }
  return new Set(conditions as RetryCondition[]);
});

const previousHosts = message('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate', {});

const omitCanary = message('envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate', {});

const omitMetadata = message('envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig', {
  metadata_match: optional(metadata),
});

const retryPriority = message('envoy.config.route.v3.RetryPolicy.RetryPriority', {
  name: text(),
  typed_config: anyOf({
    'previous-priorities': message('envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig', {
      update_frequency: required(number(0, { min: 1 })),
    }),
  }),
});

const retryHostPredicate = message('envoy.config.route.v3.RetryPolicy.RetryHostPredicate', {
  name: text(),
  typed_config: anyOf({ 'previous-hosts': previousHosts, 'omit-canary': omitCanary, 'omit-metadata': omitMetadata }),
});

const retryBackOff = message(
  'envoy.config.route.v3.RetryPolicy.RetryBackOff',
  { base_interval: required(durationMs()), max_interval: optional(durationMs()) },
  ({ base_interval, max_interval }, place) => {
    if (base_interval <= 0) place.within('base_interval', () => place.refuse('must be more than 0s'));
    if (max_interval !== undefined && max_interval < base_interval) {
      place.within('max_interval', () => place.refuse('must not be less than base_interval'));
    }
  },
);

const resetHeader = message('envoy.config.route.v3.RetryPolicy.ResetHeader', {
  name: name(),
  format: choice(['SECONDS', 'UNIX_TIMESTAMP']),
});

const rateLimitedBackOff = message('envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff', {
  reset_headers: list(resetHeader, { min: 1 }),
  max_interval: durationMs(300_000, { min: LEAST_MS }),
});

export const retryPolicy = message('envoy.config.route.v3.RetryPolicy', {
  retry_on: retryOn,
  num_retries: number(1),
  per_try_timeout: durationMs(),
  per_try_idle_timeout: durationMs(),
  retriable_status_codes: list(number()),
  retriable_headers: list(headerMatcher),
  retriable_request_headers: list(headerMatcher),
  retry_host_predicate: list(retryHostPredicate),
  retry_priority: optional(retryPriority),
  host_selection_retry_max_attempts: number(1),
  retry_back_off: optional(retryBackOff),
  rate_limited_retry_back_off: optional(rateLimitedBackOff),
});

export type RetryPolicyConfig = Parsed<typeof retryPolicy>;

const clusterWeight = message(
  'envoy.config.route.v3.WeightedCluster.ClusterWeight',
  {
    name: text(),
    cluster_header: text(),
    weight: number(0),
    metadata_match: optional(metadata),
    ...headerChanges,
    typed_per_filter_config: routeFilters,
    host_rewrite_literal: optional(text()),
  },
  ({ name: given, cluster_header: header }, place) => {
    if ((given === '') === (header === '')) place.refuse('needs either name or cluster_header');
  },
);

const weightedClusters = message(
  'envoy.config.route.v3.WeightedCluster',
  {
    clusters: list(clusterWeight, { min: 1 }),
    total_weight: optional(number()),
    runtime_key_prefix: text(),
    header_name: optional(name()),
    use_hash_policy: flag(),
  },
  ({ clusters, total_weight }, place) => {
    const sum = clusters.reduce((total, { weight }) => total + weight, 0);
    if (sum === 0) place.refuse('needs a weight that is more than 0');
    if (total_weight !== undefined && total_weight !== sum) place.refuse(`the weights add up to ${sum}`);
  },
);

export type WeightedClustersConfig = Parsed<typeof weightedClusters>;

const connectConfig = message('envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig', {});

const routeUpgrade = message('envoy.config.route.v3.RouteAction.UpgradeConfig', {
  upgrade_type: name(),
  enabled: flag(true),
  connect_config: optional(connectConfig),
});

const mirrorPolicy = message(
  'envoy.config.route.v3.RouteAction.RequestMirrorPolicy',
  {
    cluster: text(),
    cluster_header: text(),
    runtime_fraction: optional(runtimeFraction),
    trace_sampled: optional(flag()),
    disable_shadow_host_suffix_append: flag(),
  },
  ({ cluster, cluster_header }, place) => {
    if ((cluster === '') === (cluster_header === '')) place.refuse('needs either cluster or cluster_header');
  },
);

export type MirrorPolicyConfig = Parsed<typeof mirrorPolicy>;

const maxStreamDuration = message('envoy.config.route.v3.RouteAction.MaxStreamDuration', {
  max_stream_duration: optional(durationMs()),
  grpc_timeout_header_max: optional(durationMs()),
  grpc_timeout_header_offset: optional(durationMs()),
});

export type MaxStreamDurationConfig = Parsed<typeof maxStreamDuration>;

const routeAction = message(
  'envoy.config.route.v3.RouteAction',
  {
    cluster: optional(name()),
    cluster_header: optional(name()),
    weighted_clusters: optional(weightedClusters),
    metadata_match: optional(metadata),
    hash_policy: list(hashPolicy),
    cluster_not_found_response_code: choice(['SERVICE_UNAVAILABLE', 'NOT_FOUND', 'INTERNAL_SERVER_ERROR']),
    prefix_rewrite: text(),
    regex_rewrite: optional(regexRewrite),
    path_rewrite_policy: optional(uriTemplateRewrite),
    host_rewrite_literal: optional(text()),
    auto_host_rewrite: flag(),
    host_rewrite_header: optional(name()),
    host_rewrite_path_regex: optional(regexRewrite),
    append_x_forwarded_host: flag(),
    timeout: durationMs(15_000),
    idle_timeout: optional(durationMs()),
    max_stream_duration: optional(maxStreamDuration),
    retry_policy: optional(retryPolicy),
    request_mirror_policies: list(mirrorPolicy),
    internal_redirect_policy: optional(internalRedirectPolicy),
    upgrade_configs: list(routeUpgrade),
    cors: optional(routeCorsPolicy),
    rate_limits: list(routeRateLimit),
    include_vh_rate_limits: flag(),
    priority: choice(['DEFAULT', 'HIGH']),
  },
  (action, place) => {
    if (action.cluster === undefined && action.cluster_header === undefined && !action.weighted_clusters) {
      place.refuse('needs cluster, cluster_header or weighted_clusters');
    }
    const rewrites = [action.prefix_rewrite || undefined, action.regex_rewrite, action.path_rewrite_policy];
    if (rewrites.filter((rewrite) => rewrite !== undefined).length > 1) {
      place.refuse('has more than one of prefix_rewrite, regex_rewrite and path_rewrite_policy');
    }
  },
);

/** What a path is rewritten to may hold what the template of the match captures, and nothing else. */
function checkTemplate(
  parts: readonly RewritePart[] | undefined,
  template: UriTemplate | undefined,
  place: Place,
): void {
  if (!parts) return;
  if (!template) place.refuse('has a path_rewrite_policy, which needs a path_match_policy');
  for (const part of parts) {
    if (template && part.type === 'variable' && !template.variables.has(part.name)) {
      place.refuse(`rewrites the path with {${part.name}}, which the template of path_match_policy does not have`);
    }
  }
}

const redirect = message('envoy.config.route.v3.RedirectAction', {
  https_redirect: flag(),
  scheme_redirect: text(),
  host_redirect: text(),
  port_redirect: number(0, { max: 65_535 }),
  path_redirect: text(),
  prefix_rewrite: text(),
  regex_rewrite: optional(regexRewrite),
  response_code: choice(['MOVED_PERMANENTLY', 'FOUND', 'SEE_OTHER', 'TEMPORARY_REDIRECT', 'PERMANENT_REDIRECT']),
  strip_query: flag(),
});

const directResponse = message('envoy.config.route.v3.DirectResponseAction', {
  status: number(0, { min: 200, max: 599 }),
  body: optional(dataSource),
  body_format: optional(substitutionFormat),
});

export const routeAlone = message(
  'envoy.config.route.v3.Route',
  {
    name: text(),
    match: required(routeMatch),
    route: optional(routeAction),
    redirect: optional(redirect),
    direct_response: optional(directResponse),
    metadata: optional(metadata),
    tracing: optional(routeTracing),
    decorator: optional(decorator),
    typed_per_filter_config: routeFilters,
    ...headerChanges,
    per_request_buffer_limit_bytes: optional(number()),
    request_body_buffer_limit: optional(number()),
    stat_prefix: only((given) => given === '', 'empty'),
  },
  (value, place) => {
    if (!value.route && !value.redirect && !value.direct_response) {
      place.refuse('needs route, redirect or direct_response');
    }
    checkTemplate(value.route?.path_rewrite_policy, value.match?.path_match_policy, place);
  },
);

const route = readAhead(routeAlone);

const DOMAIN = /^(?:\*[^*]*|[^*]+\*?)$/;

const domain: Schema<string> = built(name(), (text, place) => {
  if (!DOMAIN.test(text)) place.refuse(`${text} is not a domain: an exact name, *suffix, prefix* or * alone`);
  return text.toLowerCase();
});

export const virtualHostAlone = message('envoy.config.route.v3.VirtualHost', {
  name: name(),
  domains: list(domain, { min: 1 }),
  routes: list(route),
  ...headerChanges,
  typed_per_filter_config: routeFilters,
  retry_policy: optional(retryPolicy),
  request_mirror_policies: list(mirrorPolicy),
  include_request_attempt_count: flag(),
  include_attempt_count_in_response: flag(),
  include_is_timeout_retry_header: flag(),
  per_request_buffer_limit_bytes: optional(number()),
  request_body_buffer_limit: optional(number()),
  cors: optional(routeCorsPolicy),
  rate_limits: list(routeRateLimit),
  metadata: optional(metadata),
  require_tls: choice(['NONE', 'EXTERNAL_ONLY', 'ALL']),
});

const virtualHost = readAhead(virtualHostAlone);

const DEFAULT_MAX_DIRECT_RESPONSE_BYTES = 4096;

function checkUniqueDomains(virtualHosts: readonly Parsed<typeof virtualHost>[], place: Place): void {
  const owners = new Map<string, string>();
  for (const host of virtualHosts) {
    for (const name of host.domains) {
      const owner = owners.get(name);
      if (owner !== undefined) place.refuse(`the domain ${name} is in the virtual hosts ${owner} and ${host.name}`);
      owners.set(name, host.name);
    }
  }
}

export const routeConfiguration = message(
  'envoy.config.route.v3.RouteConfiguration',
  {
    name: text(),
    virtual_hosts: list(virtualHost),
    typed_per_filter_config: routeFilters,
    ...headerChanges,
    request_mirror_policies: list(mirrorPolicy),
    most_specific_header_mutations_wins: flag(),
    ignore_port_in_host_matching: flag(),
    ignore_path_parameters_in_path_matching: flag(),
    vhost_header: text(),
    validate_clusters: optional(flag()),
    max_direct_response_body_size_bytes: number(DEFAULT_MAX_DIRECT_RESPONSE_BYTES),
    metadata: optional(metadata),
  },
  (config, place) => {
    checkUniqueDomains(config.virtual_hosts, place);
    for (const host of config.virtual_hosts) {
      for (const { direct_response: answer, name } of host.routes) {
        if ((answer?.body?.length ?? 0) > config.max_direct_response_body_size_bytes) {
          place.refuse(
            `the body of the route ${name} is longer than ${config.max_direct_response_body_size_bytes} bytes`,
          );
        }
      }
    }
  },
);

export type RouteConfigurationConfig = Parsed<typeof routeConfiguration>;
export type VirtualHostConfig = Parsed<typeof virtualHost>;
export type RouteConfig = Parsed<typeof route>;
export type RouteActionConfig = Parsed<typeof routeAction>;
export type RedirectConfig = Parsed<typeof redirect>;
export type DirectResponseConfig = Parsed<typeof directResponse>;
export type ClusterWeightConfig = Parsed<typeof clusterWeight>;
export type HeaderChangesConfig = Pick<RouteConfig, keyof typeof headerChanges>;
