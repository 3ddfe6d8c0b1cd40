/** What an attempt of the router stands on: a host of a cluster, and what is counted while it runs. */
import type { Clock } from '../../clock.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { Host } from '../../cluster/host.ts';
import type { ClusterLimits } from '../../cluster/limits.ts';
import type { ResponseHead } from '../../http/message.ts';
import { grpcStatusIn } from '../../stack/grpc.ts';
import { type AnswerStats, countUpstreamClass } from '../../stats/groups.ts';

/** Counts one request on a host from the moment it has a connection until its end. */
export class AttemptCount {
  readonly #cluster: Cluster;
  readonly #host: Host;
  readonly #clock: Clock;
  readonly #limits: ClusterLimits;
  readonly startMs: number;
  #isAnswered = false;
  #isOver = false;

  constructor(cluster: Cluster, host: Host, clock: Clock, limits = cluster.limits) {
    this.#cluster = cluster;
    this.#host = host;
    this.#clock = clock;
    this.#limits = limits;
    this.startMs = clock.monotonicMs();
    limits.countRequest(1);
    cluster.stats.upstream_rq_total++;
    cluster.stats.upstream_rq_active++;
    host.requestsActive++;
    host.requestsTotal++;
    host.outlier?.connected(false);
  }

  /**
   * The upstream answered. `isGrpc`: the request was of gRPC, whose own status counts where the head holds it.
   * `isDropped`: nobody gets the answer, since the request is sent again.
   */
  answered(head: ResponseHead, isGrpc: boolean, isDropped = false): void {
    const host = this.#host;
    const { status } = head;
    this.#isAnswered = true;
    countAnswer(isDropped ? this.#cluster.retriedStats : this.#cluster.stats, status);
    if (status >= 500) host.requestsFailed++;
    else host.requestsSucceeded++;
    if (host.outlier) host.outlier.answered(isGrpc ? judgedStatus(head) : status);
    if (host.failCheck && head.headers.has('x-envoy-immediate-health-check-fail')) host.failCheck();
  }

  timedOut(): void {
    this.#host.requestsTimedOut++;
    if (!this.#isAnswered) this.#host.outlier?.timedOut();
  }

  /** The attempt is over; `isComplete`: with a whole response, whose time is recorded. */
  end(isComplete: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#limits.countRequest(-1);
    this.#cluster.stats.upstream_rq_active--;
    this.#host.requestsActive--;
    if (isComplete) this.#cluster.stats.upstream_rq_time.record(this.#clock.monotonicMs() - this.startMs);
  }
}

/** Counts a status that a request to the cluster came to, from the upstream or from the router in its place. */
export function countStatus(cluster: Cluster, status: number): void {
  countAnswer(cluster.stats, status);
}

function countAnswer(stats: AnswerStats, status: number): void {
  stats.upstream_rq_completed++;
  countUpstreamClass(stats, status);
  stats.upstream_rq_.add(status);
}

/** By gRPC's status, the HTTP status that stands for it. */
const GRPC_AS_HTTP: readonly number[] = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
];

/** What outlier detection takes an answer to a gRPC request for. */
function judgedStatus({ status, headers }: ResponseHead): number {
  const grpc = grpcStatusIn(headers);
  return grpc === undefined ? status : (GRPC_AS_HTTP[grpc] ?? status);
}
