/** What an attempt of the router stands on: a host of a cluster, and what is counted while it runs. */
import type { Clock } from '../../clock.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { Host } from '../../cluster/host.ts';
import { countUpstreamClass } from '../../stats/groups.ts';

/** Counts one request on a host from the moment it has a connection until its end. */
export class AttemptCount {
  readonly #cluster: Cluster;
  readonly #host: Host;
  readonly #clock: Clock;
  readonly startMs: number;
  #isOver = false;

  constructor(cluster: Cluster, host: Host, clock: Clock) {
    this.#cluster = cluster;
    this.#host = host;
    this.#clock = clock;
    this.startMs = clock.monotonicMs();
    cluster.limits.requests++;
    cluster.stats.upstream_rq_total++;
    cluster.stats.upstream_rq_active++;
    host.requestsActive++;
    host.requestsTotal++;
  }

  /** The upstream answered. */
  answered(status: number): void {
    countStatus(this.#cluster, status);
    if (status >= 500) this.#host.requestsFailed++;
    else this.#host.requestsSucceeded++;
  }

  timedOut(): void {
    this.#host.requestsTimedOut++;
  }

  /** The attempt is over; `isComplete`: with a whole response, whose time is recorded. */
  end(isComplete: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cluster.limits.requests--;
    this.#cluster.stats.upstream_rq_active--;
    this.#host.requestsActive--;
    if (isComplete) this.#cluster.stats.upstream_rq_time.record(this.#clock.monotonicMs() - this.startMs);
  }
}

/** Counts a status that a request to the cluster came to, from the upstream or from the router in its place. */
export function countStatus(cluster: Cluster, status: number): void {
  const { stats } = cluster;
  stats.upstream_rq_completed++;
  countUpstreamClass(stats, status);
  stats.upstream_rq_.add(status);
}
