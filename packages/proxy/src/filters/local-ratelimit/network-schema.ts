/** Schema of the local rate limit filter for connections. */
import { runtimeFlag } from '../../config/runtime.ts';
import { built, message, name, optional, type Parsed, required } from '../../config/schema.ts';
import { tokenBucket } from './token-bucket.ts';

/** `share_key` is refused by name: each chain has a bucket of its own. */
export const networkLocalRateLimit = built(
  message('envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit', {
    stat_prefix: name(),
    token_bucket: required(tokenBucket),
    runtime_enabled: optional(runtimeFlag),
  }),
  (config, place) => ({ ...config, identity: place.identity }),
);

export type NetworkLocalRateLimitConfig = Parsed<typeof networkLocalRateLimit>;
