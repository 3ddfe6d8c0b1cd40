/** Schemas of the filter that asks a rate limit service. */
import { headerAddition } from '../../config/core.ts';
import { httpStatus } from '../../config/http-status.ts';
import { rateLimit } from '../../config/rate-limit.ts';
import { runtimeFraction } from '../../config/runtime.ts';
import {
  built,
  choice,
  durationMs,
  flag,
  list,
  message,
  name,
  number,
  optional,
  type Parsed,
  required,
  type Schema,
  text,
} from '../../config/schema.ts';
import { grpcTarget, transportApiVersion } from '../../config/services.ts';

const V3 = 'envoy.extensions.filters.http.ratelimit.v3';
const MAX_STAGE = 10;
const DEFAULT_TIMEOUT_MS = 20;

const service = message('envoy.config.ratelimit.v3.RateLimitServiceConfig', {
  grpc_service: required(grpcTarget),
  transport_api_version: transportApiVersion,
});

type RequestType = 'internal' | 'external' | 'both';

const requestType: Schema<RequestType> = built(text(), (given, place) => {
  if (given === '' || given === 'both') return 'both';
  if (given === 'internal' || given === 'external') return given;
  place.refuse('must be internal, external or both');
  return 'both';
});

export const rateLimitFilter = message(`${V3}.RateLimit`, {
  domain: name(),
  stage: number(0, { max: MAX_STAGE }),
  request_type: requestType,
  timeout: durationMs(DEFAULT_TIMEOUT_MS),
  failure_mode_deny: flag(),
  rate_limited_as_resource_exhausted: flag(),
  rate_limit_service: required(service),
  enable_x_ratelimit_headers: choice(['OFF', 'DRAFT_VERSION_03']),
  disable_x_envoy_ratelimited_header: flag(),
  rate_limited_status: optional(httpStatus),
  response_headers_to_add: list(headerAddition, { max: 10 }),
  status_on_error: optional(httpStatus),
  stat_prefix: text(),
  filter_enabled: optional(runtimeFraction),
  filter_enforced: optional(runtimeFraction),
  failure_mode_deny_percent: optional(runtimeFraction),
  metadata_namespace: text(),
});

export type RateLimitFilterConfig = Parsed<typeof rateLimitFilter>;

export const rateLimitPerRoute = message(`${V3}.RateLimitPerRoute`, {
  vh_rate_limits: choice(['OVERRIDE', 'INCLUDE', 'IGNORE']),
  override_option: choice(['DEFAULT']),
  rate_limits: list(rateLimit),
  domain: text(),
});

export type RateLimitPerRouteConfig = Parsed<typeof rateLimitPerRoute>;
