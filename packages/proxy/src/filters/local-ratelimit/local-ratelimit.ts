/**
 * Lets so many requests pass in a time, and answers the others 429
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/local_rate_limit_filter). The threads of a
 * proxy with several (`--concurrency`) share what there is, but for the buckets of single connections.
 */
import type { ResponseHead } from '../../http/message.ts';
import { applyAddition } from '../../stack/header-changes.ts';
import { type Descriptor, describeRequest, rateLimitsOf } from '../../stack/rate-limit-actions.ts';
import { FLAG } from '../../stack/response-flags.ts';
import type { FilterContext, FilteredRequest, FilterVerdict, HttpFilter } from '../filter.ts';
import type { LimitVerdict } from './limiter.ts';
import type { LocalLimit } from './local-limit.ts';
import type { LocalRateLimitConfig } from './schema.ts';

const NO_DESCRIPTORS: readonly Descriptor[] = [];
/** gRPC's RESOURCE_EXHAUSTED. */
const RESOURCE_EXHAUSTED = 8;
const TOO_MANY_REQUESTS = 429;

class LocalRateLimit implements HttpFilter {
  readonly #own: LocalLimit;
  readonly #context: FilterContext;

  constructor(own: LocalLimit, context: FilterContext) {
    this.#own = own;
    this.#context = context;
    own.stats(context.stats);
  }

  onRequest(request: FilteredRequest, levels: Parameters<HttpFilter['onRequest']>[1]): FilterVerdict {
    const level = levels.at(-1);
    const limit = level?.type === 'local-ratelimit' ? level.value : this.#own;
    const { config } = limit;
    const { runtime, clock, counts } = this.#context;
    if (!config.filter_enabled || !runtime.isEnabled(config.filter_enabled)) return 'pass';
    const stats = limit.stats(this.#context.stats);
    stats.enabled++;
    const descriptors = config.descriptors.length === 0 ? NO_DESCRIPTORS : this.#describe(request, config);
    const verdict = limit.limiter(clock, request.info.downstream, counts).take(descriptors);
    if (verdict.bucket && tellsFields(config, verdict)) {
      request.onResponse((head) => this.#addFields(head, verdict));
    }
    if (verdict.isOverShadow) stats.shadow_mode++;
    if (verdict.isAllowed) {
      if (verdict.isOverShadow) stats.rate_limited++;
      else stats.ok++;
      return 'pass';
    }
    stats.rate_limited++;
    if (!config.filter_enforced || !runtime.isEnabled(config.filter_enforced)) {
      const { info, head } = request;
      for (const addition of config.request_headers_to_add_when_not_enforced)
        applyAddition(addition, head.headers, info);
      return 'pass';
    }
    stats.enforced++;
    this.#refuse(request, config, verdict);
    return 'stop';
  }

  #describe(request: FilteredRequest, config: LocalRateLimitConfig): readonly Descriptor[] {
    const { serviceCluster } = this.#context;
    if (config.rate_limits.length > 0) return describeRequest(request, config.rate_limits, 0, serviceCluster);
    const [ofRoute, ofHost] = rateLimitsOf(request.route, config.vh_rate_limits);
    const usable = [...ofRoute, ...ofHost].filter(({ disableKey }) => disableKey === '');
    return describeRequest(request, usable, config.stage, serviceCluster);
  }

  #refuse(request: FilteredRequest, config: LocalRateLimitConfig, { bucket }: LimitVerdict): void {
    const status = config.status ?? TOO_MANY_REQUESTS;
    request.onResponse(({ headers }) => {
      for (const addition of config.response_headers_to_add) applyAddition(addition, headers, request.info);
      if (!config.enable_retry_after_header || status !== TOO_MANY_REQUESTS || headers.has('retry-after')) return;
      const seconds = bucket?.resetSeconds(this.#context.clock.monotonicMs()) ?? 0;
      headers.add('retry-after', String(Math.max(1, seconds)));
    });
    request.answer({
      status,
      body: 'local_rate_limited',
      flags: FLAG.RL,
      details: 'local_rate_limited',
      ...(config.rate_limited_as_resource_exhausted ? { grpcStatus: RESOURCE_EXHAUSTED } : {}),
    });
  }

  #addFields({ headers }: ResponseHead, { bucket }: LimitVerdict): void {
    if (!bucket) return;
    const nowMs = this.#context.clock.monotonicMs();
    headers.add('x-ratelimit-limit', String(bucket.maxTokens));
    headers.add('x-ratelimit-remaining', String(bucket.remaining(nowMs)));
    headers.add('x-ratelimit-reset', String(bucket.resetSeconds(nowMs)));
  }
}

/** What the descriptor says of the fields goes before what the filter says. */
function tellsFields(config: LocalRateLimitConfig, { fields }: LimitVerdict): boolean {
  return (fields === 'UNSPECIFIED' ? config.enable_x_ratelimit_headers : fields) === 'DRAFT_VERSION_03';
}

/** A filter that takes a token for each request. */
export function makeLocalRateLimit(limit: LocalLimit, context: FilterContext): HttpFilter {
  return new LocalRateLimit(limit, context);
}
