/**
 * Lets so many connections pass in a time, and closes the others
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/network_filters/local_rate_limit_filter). The
 * threads of a proxy with several share the bucket.
 */
import type { NetworkFilter, NetworkFilterContext } from '../../listener/network-filters.ts';
import { FLAG } from '../../stack/response-flags.ts';
import { statName } from '../../stats/registry.ts';
import type { NetworkLocalRateLimitConfig } from './network-schema.ts';
import { makeBucket } from './token-bucket.ts';

/** `local_rate_limit.<stat prefix>.` */
class NetworkLocalRateLimitStats {
  rate_limited = 0;
}

/** A filter that takes a token for each connection. */
export function makeNetworkLocalRateLimit(
  config: NetworkLocalRateLimitConfig,
  { clock, runtime, counts, stats: registry }: NetworkFilterContext,
): NetworkFilter {
  const prefix = statName(config.stat_prefix);
  const labels = { envoy_local_network_ratelimit_prefix: prefix };
  const stats = registry.share(
    `local_rate_limit.${prefix}.`,
    'local_rate_limit_',
    labels,
    () => new NetworkLocalRateLimitStats(),
  );
  const bucket = makeBucket(config.token_bucket, config.identity, counts, clock.monotonicMs());
  const { runtime_enabled: enabled } = config;
  return {
    onConnection({ refuse }) {
      if (enabled && !runtime.isOn(enabled)) return 'pass';
      if (bucket.take(clock.monotonicMs())) return 'pass';
      stats.rate_limited++;
      refuse({ details: 'local_ratelimit_close_over_limit', flags: FLAG.URX });
      return 'stop';
    },
  };
}
