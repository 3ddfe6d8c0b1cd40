/** Schemas of the local rate limit filter. */
import { headerAddition } from '../../config/core.ts';
import { statusOf } from '../../config/http-status.ts';
import { rateLimit } from '../../config/rate-limit.ts';
import { runtimeFraction } from '../../config/runtime.ts';
import {
  built,
  choice,
  flag,
  list,
  message,
  name,
  number,
  optional,
  type Parsed,
  type Place,
  required,
  text,
  whole,
} from '../../config/schema.ts';
import type { DescriptorEntry, RateLimitRule } from '../../stack/rate-limit-actions.ts';
import { entriesKey } from './limiter.ts';
import { LocalLimit } from './local-limit.ts';
import { tokenBucket } from './token-bucket.ts';

const DEFAULT_STATUS = 429;
const MAX_STAGE = 10;
const MAX_ADDITIONS = 10;

/** What is no error is answered as 429, as Envoy does. */
const status = built(message('envoy.type.v3.HttpStatus', { code: required(whole()) }), ({ code }, place) => {
  const given = statusOf(code);
  if (given === undefined) place.within('code', () => place.refuse(`${String(code)} is no status of HTTP`));
  return given === undefined || given < 400 ? DEFAULT_STATUS : given;
});

const entry = message('envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry', { key: name(), value: text() });

const descriptor = message('envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor', {
  entries: list(entry, { min: 1 }),
  token_bucket: required(tokenBucket),
  shadow_mode: flag(),
});

const localRateLimit = message(
  'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
  {
    stat_prefix: name(),
    status: optional(status),
    token_bucket: optional(tokenBucket),
    filter_enabled: optional(runtimeFraction),
    filter_enforced: optional(runtimeFraction),
    request_headers_to_add_when_not_enforced: list(headerAddition, { max: MAX_ADDITIONS }),
    response_headers_to_add: list(headerAddition, { max: MAX_ADDITIONS }),
    descriptors: list(descriptor),
    stage: number(0, { max: MAX_STAGE }),
    local_rate_limit_per_downstream_connection: flag(),
    enable_x_ratelimit_headers: choice(['OFF', 'DRAFT_VERSION_03']),
    vh_rate_limits: choice(['OVERRIDE', 'INCLUDE', 'IGNORE']),
    always_consume_default_token_bucket: flag(true),
    rate_limited_as_resource_exhausted: flag(),
    rate_limits: list(rateLimit),
    max_dynamic_descriptors: number(20, { min: 1, max: 0xffff_ffff }),
    enable_retry_after_header: flag(),
  },
  checkDescriptors,
);

export type LocalRateLimitConfig = Parsed<typeof localRateLimit>;

interface Described {
  readonly descriptors: readonly { readonly entries: readonly DescriptorEntry[] }[];
  readonly rate_limits: readonly RateLimitRule[];
}

function checkDescriptors({ descriptors, rate_limits: rules }: Described, place: Place): void {
  const known = new Set<string>();
  place.within('descriptors', () => {
    for (const [index, { entries }] of descriptors.entries()) {
      const key = entriesKey(entries);
      if (known.has(key)) place.within(index, () => place.refuse('has the entries of another descriptor'));
      known.add(key);
    }
  });
  place.within('rate_limits', () => {
    for (const [index, { isOnEnd, disableKey, stage }] of rules.entries()) {
      if (isOnEnd) place.within(index, () => place.refuse('apply_on_stream_done has no meaning here'));
      if (disableKey !== '') place.within(index, () => place.refuse('disable_key has no meaning here'));
      if (stage !== 0) place.within(index, () => place.refuse('stage has no meaning here'));
    }
  });
}

export const localRateLimitFilter = built(localRateLimit, (config, place) => new LocalLimit(config, place.identity));

/** What a route says has a bucket of its own. */
export const localRateLimitPerRoute = built(localRateLimit, (config, place) => {
  if (!config.token_bucket) place.within('token_bucket', () => place.refuse('is needed here'));
  return new LocalLimit(config, place.identity);
});
