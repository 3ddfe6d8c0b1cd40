/** Answers requests that ask for the health of what is served here (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/health_check_filter). */
import type { ResponseHead } from '../../http/message.ts';
import type { LocalReply } from '../../stack/local-reply.ts';
import { FLAG } from '../../stack/response-flags.ts';
import { headerMatches } from '../../stack/route-match.ts';
import type { FilterContext, FilteredRequest, FilterVerdict, HttpFilter } from '../filter.ts';
import type { HealthCheckConfig } from './schema.ts';

/** `http.<prefix>.health_check.` */
class HealthCheckStats {
  cached_response = 0;
  degraded = 0;
  failed = 0;
  failed_cluster_empty = 0;
  failed_cluster_not_found = 0;
  failed_cluster_unhealthy = 0;
  ok = 0;
  request_total = 0;
}

const passed = (details: string): LocalReply => ({ status: 200, body: '', flags: 0, details });
const failed = (details: string): LocalReply => ({ status: 503, body: '', flags: FLAG.LH, details });

const OK = passed('health_check_ok');
const CLUSTERS_OK = passed('health_check_ok_cluster_healthy');
const FAILED = failed('health_check_failed');
const NO_CLUSTER = failed('health_check_failed_no_cluster_found');
const EMPTY_CLUSTER = failed('health_check_failed_cluster_empty');
const UNHEALTHY_CLUSTER = failed('health_check_failed_cluster_unhealthy');

/** Of a check: nobody reads it. */
const MAX_BODY_BYTES = 65_536;

/** What the upstream answered last. */
interface Cached {
  readonly status: number;
  readonly isDegraded: boolean;
  readonly untilMs: number;
}

class HealthCheckFilter implements HttpFilter {
  readonly #config: HealthCheckConfig;
  readonly #context: FilterContext;
  readonly #stats: HealthCheckStats;
  #cached: Cached | undefined;

  constructor(config: HealthCheckConfig, context: FilterContext) {
    this.#config = config;
    this.#context = context;
    const { stats, statPrefix } = context;
    const labels = { envoy_http_conn_manager_prefix: statPrefix };
    const prefix = `http.${statPrefix}.health_check.`;
    this.#stats = stats.share(prefix, 'http_health_check_', labels, () => new HealthCheckStats());
  }

  onRequest(request: FilteredRequest): FilterVerdict {
    if (!this.#config.headers.every((header) => headerMatches(header, request.head))) {
      // The server may fail before the response is there.
      request.onResponse(this.#tellFailure);
      return 'pass';
    }
    request.info.isHealthCheck = true;
    request.onResponse(this.#finish);
    const reply = this.#reply();
    if (!reply) return 'pass';
    this.#count(reply);
    // The answer waits for the body, so that the connection can be kept; one that is too long is not waited for.
    if (request.isComplete) request.answer(reply);
    else request.holdBody(MAX_BODY_BYTES, () => request.answer(reply));
    return 'stop';
  }

  /** What others are told while the server is failed: to send no more, without waiting for the next check. */
  readonly #tellFailure = ({ headers }: ResponseHead): void => {
    if (this.#context.isFailed()) headers.set('x-envoy-immediate-health-check-fail', 'true');
  };

  onEarlyAnswer(_request: FilteredRequest, _levels: unknown, head: ResponseHead): void {
    this.#tellFailure(head);
  }

  /** Undefined: the upstream is to answer. */
  #reply(): LocalReply | undefined {
    if (this.#context.isFailed()) return FAILED;
    if (this.#config.pass_through_mode) return this.#cachedReply();
    return this.#config.cluster_min_healthy_percentages.size === 0 ? OK : this.#clusterReply();
  }

  #cachedReply(): LocalReply | undefined {
    const cached = this.#cached;
    if (!cached || this.#context.clock.monotonicMs() >= cached.untilMs) return undefined;
    this.#stats.cached_response++;
    const isGood = cached.status >= 200 && cached.status < 300;
    return {
      status: cached.status,
      body: '',
      flags: isGood ? 0 : FLAG.LH,
      details: 'health_check_cached',
      headers: cached.isDegraded ? [['x-envoy-degraded', '']] : [],
    };
  }

  #clusterReply(): LocalReply {
    for (const [name, percent] of this.#config.cluster_min_healthy_percentages) {
      const cluster = this.#context.findCluster(name);
      if (!cluster) {
        this.#stats.failed_cluster_not_found++;
        return NO_CLUSTER;
      }
      const { membership_total: total, membership_healthy: healthy, membership_degraded: degraded } = cluster.stats;
      if (total === 0) {
        if (percent === 0) continue;
        this.#stats.failed_cluster_empty++;
        return EMPTY_CLUSTER;
      }
      if ((healthy + degraded) * 100 < total * percent) {
        this.#stats.failed_cluster_unhealthy++;
        return UNHEALTHY_CLUSTER;
      }
    }
    return CLUSTERS_OK;
  }

  #count({ flags, headers }: LocalReply): void {
    this.#stats.request_total++;
    if (flags === 0) this.#stats.ok++;
    else this.#stats.failed++;
    if (headers !== undefined && headers.length > 0) this.#stats.degraded++;
  }

  /**
   * What every answer to a check says; that of the upstream is kept for the next ones. Envoy keeps the 503 of a server that
   * is failed, too, and goes on with it although the server is not failed any more.
   */
  readonly #finish = ({ status, headers }: ResponseHead): void => {
    const { cache_time: cacheMs } = this.#config;
    const { clock, serviceCluster } = this.#context;
    if (cacheMs !== undefined && cacheMs > 0 && !this.#context.isFailed()) {
      const nowMs = clock.monotonicMs();
      if (!this.#cached || nowMs >= this.#cached.untilMs) {
        this.#cached = { status, isDegraded: headers.has('x-envoy-degraded'), untilMs: nowMs + cacheMs };
      }
    }
    headers.set('x-envoy-upstream-healthchecked-cluster', serviceCluster);
  };
}

/** A filter that answers health checks, or lets the upstream answer them. */
export function makeHealthCheck(config: HealthCheckConfig, context: FilterContext): HttpFilter {
  return new HealthCheckFilter(config, context);
}
