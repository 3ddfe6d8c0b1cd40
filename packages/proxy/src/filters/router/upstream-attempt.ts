/** What an attempt of the router stands on: a host of a cluster, and what is counted while it runs. */
import type { Clock } from '../../clock.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { Host } from '../../cluster/host.ts';
import type { ClusterLimits } from '../../cluster/limits.ts';
import type { Protocol, ResponseHead } from '../../http/message.ts';
import type { UpstreamReset } from '../../http/stream.ts';
import { grpcStatusIn } from '../../stack/grpc.ts';
import { type AnswerStats, countUpstreamClass, type RequestOrigin } from '../../stats/groups.ts';

/** What the count of an attempt depends on, beside its host. */
export interface AttemptTraits {
  /** What the connection speaks; undefined: no HTTP. */
  readonly protocol: Protocol | undefined;
  readonly origin: RequestOrigin;
  /** Absent: those of the cluster's requests of default priority. */
  readonly limits?: ClusterLimits;
}

/** Counts one request on a host from the moment it has a connection until its end. */
export class AttemptCount {
  readonly #cluster: Cluster;
  readonly #host: Host;
  readonly #clock: Clock;
  readonly #limits: ClusterLimits;
  readonly #traits: AttemptTraits;
  readonly startMs: number;
  #isAnswered = false;
  #isOver = false;

  constructor(cluster: Cluster, host: Host, clock: Clock, traits: AttemptTraits) {
    const { limits = cluster.limits } = traits;
    this.#cluster = cluster;
    this.#host = host;
    this.#clock = clock;
    this.#limits = limits;
    this.#traits = traits;
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
    if (isDropped) countAnswer(this.#cluster.retriedStats, status);
    else countStatus(this.#cluster, status, this.#traits.origin);
    if (status >= 500) host.requestsFailed++;
    else host.requestsSucceeded++;
    if (host.outlier) host.outlier.answered(isGrpc ? judgedStatus(head) : status);
    if (host.failCheck && head.headers.has('x-envoy-immediate-health-check-fail')) host.failCheck();
  }

  /** An informational response came. */
  informed({ status }: ResponseHead): void {
    countStatus(this.#cluster, status, this.#traits.origin);
  }

  /** There will be no answer, or no more of it. Only HTTP/2 has streams that end alone: with HTTP/1.1 it is the connection. */
  broken({ type }: UpstreamReset): void {
    if (this.#traits.protocol !== 'HTTP/2') return;
    const { stats } = this.#cluster;
    if (type === 'remote-reset') stats.upstream_rq_rx_reset++;
    else if (type === 'protocol-error') stats.upstream_rq_tx_reset++;
    else if (type === 'connection-termination') stats.upstream_rq_pending_failure_eject++;
  }

  /** This side does not want the rest of the answer. */
  takenBack(): void {
    if (this.#traits.protocol === 'HTTP/2') this.#cluster.stats.upstream_rq_tx_reset++;
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
    if (!isComplete) return;
    const tookMs = this.#clock.monotonicMs() - this.startMs;
    this.#cluster.stats.upstream_rq_time.record(tookMs);
    this.#cluster.originStats(this.#traits.origin).recordTime(tookMs);
  }
}

/** Counts a status that a request to the cluster came to, from the upstream or from the router in its place. */
export function countStatus(cluster: Cluster, status: number, origin: RequestOrigin): void {
  countAnswer(cluster.stats, status);
  countAnswer(cluster.originStats(origin), status);
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
