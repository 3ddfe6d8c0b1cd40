/**
 * Asks a rate limit service whether a request is within the limits that its route and virtual host count it under
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/rate_limit_filter).
 */
import type { RouteFilterConfig } from '../../config/filters.ts';
import type { RuntimeShare } from '../../config/runtime.ts';
import { fieldOf } from '../../http/field-text.ts';
import type { HeaderList } from '../../http/header-list.ts';
import { asFieldValue } from '../../http1/characters.ts';
import { applyChanges, changeLevels, type HeaderChanges } from '../../stack/header-changes.ts';
import {
  clusterOf,
  type Descriptor,
  describeRequest,
  type RateLimitRule,
  rateLimitsOf,
} from '../../stack/rate-limit-actions.ts';
import { FLAG } from '../../stack/response-flags.ts';
import type { Route } from '../../stack/route-table.ts';
import { statName } from '../../stats/registry.ts';
import { isChangeable } from '../changeable-field.ts';
import type { FilterContext, FilteredRequest, FilterVerdict, HttpFilter } from '../filter.ts';
import { countStatus } from '../router/upstream-attempt.ts';
import { addLimitFields } from './limit-fields.ts';
import type { RateLimitFilterConfig, RateLimitPerRouteConfig } from './schema.ts';
import { askRateLimits, type RateLimitResponse } from './service.ts';

const NAME = 'envoy.filters.http.ratelimit';
const BAD_REQUEST = 400;
const TOO_MANY_REQUESTS = 429;
const INTERNAL_SERVER_ERROR = 500;
const RESOURCE_EXHAUSTED = 8;
const UNAVAILABLE = 14;

type AddedHeaders = RateLimitResponse['response_headers_to_add'];

/** `cluster.<the route's cluster>.ratelimit.` */
class RateLimitStats {
  error = 0;
  failure_mode_allowed = 0;
  ok = 0;
  over_limit = 0;
}

/** What is known of one request while the service is asked. */
interface Asked {
  readonly request: FilteredRequest;
  readonly descriptors: readonly Descriptor[];
}

class RateLimit implements HttpFilter {
  readonly #config: RateLimitFilterConfig;
  readonly #context: FilterContext;
  readonly #overLimitChanges: readonly HeaderChanges[];

  constructor(config: RateLimitFilterConfig, context: FilterContext) {
    this.#config = config;
    this.#context = context;
    this.#overLimitChanges = changeLevels([{ remove: [], add: config.response_headers_to_add }]);
  }

  onRequest(request: FilteredRequest, levels: readonly RouteFilterConfig[]): FilterVerdict {
    const { route } = request;
    if (!route || !this.#isOf(this.#config.filter_enabled) || !this.#isForKind(request)) return 'pass';
    const level = levels.at(-1);
    const own = level?.type === 'ratelimit' ? level.value : undefined;
    const lists = rulesFor(route, own);
    const domain = own?.domain || this.#config.domain;
    const { stage } = this.#config;
    const descriptors: Descriptor[] = [];
    for (const rules of lists) {
      for (const rule of rules) {
        if (rule.stage !== stage) continue;
        if (rule.isOnEnd) this.#askAtEnd(request, rule, domain);
        else describeRequest(request, [rule], stage, this.#context.serviceCluster, descriptors);
      }
    }
    if (descriptors.length === 0) return 'pass';
    void this.#ask({ request, descriptors }, domain);
    return 'stop';
  }

  #isOf(share: RuntimeShare | undefined): boolean {
    return !share || this.#context.runtime.isEnabled(share);
  }

  #isForKind({ head }: FilteredRequest): boolean {
    const { request_type: wanted } = this.#config;
    if (wanted === 'both') return true;
    return (head.headers.get('x-envoy-internal') === 'true') === (wanted === 'internal');
  }

  /** Counts a request that is over; what the service says of it matters to nobody any more. */
  #askAtEnd(request: FilteredRequest, rule: RateLimitRule, domain: string): void {
    request.onEnd(() => {
      const descriptor = rule.describe(request, this.#context.serviceCluster);
      if (descriptor) void this.#tell(request, [descriptor], domain);
    });
  }

  async #tell({ info }: FilteredRequest, descriptors: readonly Descriptor[], domain: string): Promise<void> {
    const { rate_limit_service: service, timeout } = this.#config;
    try {
      await askRateLimits(this.#context.calls, service.grpc_service, domain, descriptors, timeout, info);
    } catch (error) {
      this.#context.log.debug({ error: (error as Error).message }, 'the rate limit service was not told of a request');
    }
  }

  async #ask(asked: Asked, domain: string): Promise<void> {
    const { request, descriptors } = asked;
    const { rate_limit_service: service, timeout } = this.#config;
    const abort = new AbortController();
    request.onEnd(() => abort.abort());
    const { calls, log } = this.#context;
    let response: RateLimitResponse | undefined;
    try {
      const target = service.grpc_service;
      response = await askRateLimits(calls, target, domain, descriptors, timeout, request.info, abort.signal);
    } catch (error) {
      log.debug({ error: (error as Error).message }, 'the rate limit service gave no answer');
    }
    if (abort.signal.aborted) return;
    if (response) this.#act(asked, response);
    else this.#fail(request);
  }

  #act(asked: Asked, response: RateLimitResponse): void {
    const { request } = asked;
    if (response.dynamic_metadata) {
      request.info.addMetadata(this.#config.metadata_namespace || NAME, response.dynamic_metadata);
    }
    if (response.overall_code === 'OVER_LIMIT') {
      this.#count(request, 'over_limit');
      if (this.#isOf(this.#config.filter_enforced)) {
        this.#refuse(asked, response);
        return;
      }
    } else this.#count(request, 'ok');
    for (const [name, value] of fieldsOf(response.request_headers_to_add)) request.head.headers.add(name, value);
    request.onResponse(({ headers }) => {
      addFields(headers, response.response_headers_to_add);
      this.#addLimitFields(asked, response, headers);
    });
    request.resume();
  }

  #addLimitFields({ descriptors }: Asked, { statuses = [] }: RateLimitResponse, headers: HeaderList): void {
    const byDefault = this.#config.enable_x_ratelimit_headers;
    const told = statuses.filter((_, i) => {
      const own = descriptors[i]?.fields ?? 'UNSPECIFIED';
      return (own === 'UNSPECIFIED' ? byDefault : own) === 'DRAFT_VERSION_03';
    });
    addLimitFields(headers, told);
  }

  #refuse(asked: Asked, response: RateLimitResponse): void {
    const { request } = asked;
    const wanted = this.#config.rate_limited_status ?? TOO_MANY_REQUESTS;
    // What is no error would say that all is well.
    const status = wanted < BAD_REQUEST ? TOO_MANY_REQUESTS : wanted;
    const cluster = this.#context.findCluster(clusterOf(request));
    if (cluster) countStatus(cluster, status, 'internal');
    request.onResponse(({ headers }) => {
      for (const [name] of fieldsOf(response.response_headers_to_add))
        if (name === 'content-type') headers.remove(name);
      addFields(headers, response.response_headers_to_add);
      if (!this.#config.disable_x_envoy_ratelimited_header) headers.set('x-envoy-ratelimited', 'true');
      this.#addLimitFields(asked, response, headers);
      applyChanges(this.#overLimitChanges, headers, request.info);
    });
    request.answer({
      status,
      body: Buffer.from(response.raw_body ?? '', 'base64').toString(),
      flags: FLAG.RL,
      details: 'request_rate_limited',
      grpcStatus: this.#config.rate_limited_as_resource_exhausted ? RESOURCE_EXHAUSTED : UNAVAILABLE,
    });
  }

  #fail(request: FilteredRequest): void {
    this.#count(request, 'error');
    const { failure_mode_deny: denies, failure_mode_deny_percent: share, status_on_error: status } = this.#config;
    if (share ? this.#isOf(share) : denies) {
      request.answer({
        status: status ?? INTERNAL_SERVER_ERROR,
        body: '',
        flags: FLAG.RLSE,
        details: 'rate_limiter_error',
      });
      return;
    }
    this.#count(request, 'failure_mode_allowed');
    request.resume();
  }

  #count(request: FilteredRequest, what: keyof RateLimitStats): void {
    const cluster = clusterOf(request);
    if (cluster === '' || !this.#context.findCluster(cluster)) return;
    const own = this.#config.stat_prefix === '' ? '' : `${statName(this.#config.stat_prefix)}.`;
    const metric = `cluster_ratelimit_${own.replaceAll('.', '_')}`;
    const labels = { envoy_cluster_name: cluster };
    const prefix = `cluster.${statName(cluster)}.ratelimit.${own}`;
    this.#context.stats.share(prefix, metric, labels, () => new RateLimitStats())[what]++;
  }
}

/** The rules that count for a request: those of the filter's own configuration at the route, else the route's. */
function rulesFor(route: Route, own: RateLimitPerRouteConfig | undefined): readonly (readonly RateLimitRule[])[] {
  return own && own.rate_limits.length > 0 ? [own.rate_limits] : rateLimitsOf(route, own?.vh_rate_limits ?? 'OVERRIDE');
}

function fieldsOf(added: AddedHeaders): readonly (readonly [name: string, value: string])[] {
  return (added ?? []).flatMap(({ key = '', value = '' }) => {
    const name = key.toLowerCase();
    return isChangeable(name) ? [[name, asFieldValue(fieldOf(value))] as const] : [];
  });
}

function addFields(headers: HeaderList, added: AddedHeaders): void {
  for (const [name, value] of fieldsOf(added)) headers.add(name, value);
}

/** A filter that lets a rate limit service decide over requests that count under a descriptor. */
export function makeRateLimit(config: RateLimitFilterConfig, context: FilterContext): HttpFilter {
  return new RateLimit(config, context);
}
