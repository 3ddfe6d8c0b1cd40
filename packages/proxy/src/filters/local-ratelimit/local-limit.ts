/** One configuration of the local rate limit filter, with what is left of its limits: all that use it share them. */
import type { Clock } from '../../clock.ts';
import type { Counts } from '../../counts/cells.ts';
import type { DownstreamInfo } from '../../stack/stream-info.ts';
import { type StatsRegistry, statName } from '../../stats/registry.ts';
import { LocalLimiter } from './limiter.ts';
import type { LocalRateLimitConfig } from './schema.ts';

/** `<stat prefix>.http_local_rate_limit.` */
export class LocalRateLimitStats {
  enabled = 0;
  enforced = 0;
  ok = 0;
  rate_limited = 0;
  shadow_mode = 0;
}

export class LocalLimit {
  readonly config: LocalRateLimitConfig;
  #limiter: LocalLimiter | undefined;
  #ofConnections: WeakMap<DownstreamInfo, LocalLimiter> | undefined;
  #stats: LocalRateLimitStats | undefined;

  readonly #identity: string;

  /** `identity`: where the configuration stands. */
  constructor(config: LocalRateLimitConfig, identity: string) {
    this.config = config;
    this.#identity = identity;
  }

  stats(registry: StatsRegistry): LocalRateLimitStats {
    if (this.#stats) return this.#stats;
    const prefix = statName(this.config.stat_prefix);
    const labels = { envoy_local_http_ratelimit_prefix: prefix };
    this.#stats = registry.share(
      `${prefix}.http_local_rate_limit.`,
      'http_local_rate_limit_',
      labels,
      () => new LocalRateLimitStats(),
    );
    return this.#stats;
  }

  #make(clock: Clock, counts: Counts | undefined): LocalLimiter {
    const { config } = this;
    const rules = config.descriptors.map(({ entries, token_bucket: size, shadow_mode: isShadow }) => ({
      entries,
      size,
      isShadow,
    }));
    const options = {
      size: config.token_bucket,
      rules,
      alwaysTakesFromAll: config.always_consume_default_token_bucket,
      maxDynamic: config.max_dynamic_descriptors,
      shared: counts && { counts, name: this.#identity },
    };
    return new LocalLimiter(options, clock);
  }

  /** That of the connection, where each has one of its own. */
  limiter(clock: Clock, connection: DownstreamInfo, counts?: Counts): LocalLimiter {
    if (!this.config.local_rate_limit_per_downstream_connection) {
      this.#limiter ??= this.#make(clock, counts);
      return this.#limiter;
    }
    this.#ofConnections ??= new WeakMap();
    const known = this.#ofConnections.get(connection);
    if (known) return known;
    const limiter = this.#make(clock, undefined);
    this.#ofConnections.set(connection, limiter);
    return limiter;
  }
}
