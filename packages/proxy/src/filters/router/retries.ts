/** What one request may still be tried again, and what its tries count against: the policy, and the cluster's limits. */
import type { Clock } from '../../clock.ts';
import type { Random } from '../../cluster/balancer.ts';
import type { HostSet } from '../../cluster/balancing/host-sets.ts';
import type { PriorityLoad } from '../../cluster/balancing/priority-load.ts';
import { PreviousPriorities } from '../../cluster/balancing/retry-priority.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { Host } from '../../cluster/host.ts';
import type { ClusterLimits } from '../../cluster/limits.ts';
import type { ResponseHead } from '../../http/message.ts';
import type { UpstreamReset } from '../../http/stream.ts';
import { backOffMs, type RetryPolicy, rateLimitedMs, retriesReset, retriesResponse } from '../../stack/retry-policy.ts';

export class Retries {
  readonly #cluster: Cluster;
  readonly #limits: ClusterLimits;
  readonly #policy: RetryPolicy;
  #left: number;
  #isRunning = false;
  readonly #priorities: PreviousPriorities | undefined;
  /** The hosts of all attempts, where the policy looks at them. */
  readonly #tried: Host[] | undefined;

  constructor(cluster: Cluster, limits: ClusterLimits, policy: RetryPolicy) {
    this.#cluster = cluster;
    this.#limits = limits;
    this.#policy = policy;
    this.#left = policy.maxRetries;
    const frequency = policy.priorityUpdateFrequency;
    if (frequency !== undefined) this.#priorities = new PreviousPriorities(frequency);
    if (policy.passesOver) this.#tried = [];
  }

  /** How often a host that was tried before is passed over. */
  get hostAttempts(): number {
    return this.#policy.hostAttempts;
  }

  passesOver(host: Host): boolean {
    return this.#isRunning && this.#policy.passesOver?.(host, this.#tried ?? []) === true;
  }

  /** A host was chosen for an attempt. */
  attempted(host: Host): void {
    this.#priorities?.attempted(host);
    this.#tried?.push(host);
  }

  priorityLoad(load: PriorityLoad, sets: readonly HostSet[]): PriorityLoad {
    return this.#priorities && this.#isRunning ? this.#priorities.priorityLoad(load, sets) : load;
  }

  /** Whether this attempt is another one. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  wantsAfterReset(reset: UpstreamReset): boolean {
    return retriesReset(this.#policy, reset);
  }

  wantsAfterResponse(head: ResponseHead): boolean {
    return retriesResponse(this.#policy, head);
  }

  /** Whether another attempt may begin; `isWhole`: all of the request is kept. Counts why where it may not. */
  allows(isWhole: boolean): 'yes' | 'no' | 'limit-reached' | 'overflow' {
    const { stats } = this.#cluster;
    if (!isWhole) {
      stats.retry_or_shadow_abandoned++;
      return 'no';
    }
    if (this.#left === 0) {
      stats.upstream_rq_retry_limit_exceeded++;
      return 'limit-reached';
    }
    this.end();
    if (this.#limits.canRetry()) return 'yes';
    stats.upstream_rq_retry_overflow++;
    return 'overflow';
  }

  /**
   * Begins another attempt after `attempts` of them: gives the milliseconds to wait before it. `answer`: what was answered
   * to the last one; undefined where nothing was.
   */
  begin(attempts: number, answer: ResponseHead | undefined, clock: Clock, random: Random): number {
    const { stats } = this.#cluster;
    const policy = this.#policy;
    this.#left--;
    this.#isRunning = true;
    this.#limits.countRetry(1);
    stats.upstream_rq_retry++;
    const waitMs = answer && rateLimitedMs(policy, answer, clock.wallMs(), random);
    if (waitMs === undefined) stats.upstream_rq_retry_backoff_exponential++;
    else stats.upstream_rq_retry_backoff_ratelimited++;
    return waitMs ?? backOffMs(policy, attempts, random);
  }

  /** The attempt came to an end, or to an answer that is passed on. */
  end(): void {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.#limits.countRetry(-1);
  }
}
