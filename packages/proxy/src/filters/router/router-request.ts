/**
 * One request on its way through the router: to a host of a cluster and, where the policy says so, to another one. The
 * methods stand in the order in which a request meets them.
 */
import type { Cluster } from '../../cluster/cluster.ts';
import type { HeaderList } from '../../http/header-list.ts';
import type { RequestHead, ResponseHead } from '../../http/message.ts';
import type { UpstreamReset } from '../../http/stream.ts';
import { isGrpcType } from '../../stack/grpc.ts';
import type { RedirectPolicy } from '../../stack/internal-redirect.ts';
import type { LocalReply } from '../../stack/local-reply.ts';
import type { MirrorPolicy } from '../../stack/mirror-policy.ts';
import { FLAG } from '../../stack/response-flags.ts';
import { isSafe } from '../../stack/retry-policy.ts';
import { BodyBuffer } from './body-buffer.ts';
import { mirrorsOf } from './mirror.ts';
import { OutgoingRequest } from './outgoing-request.ts';
import {
  DROPPED,
  DROPPED_AND_TOLD,
  noCluster,
  RESPONSE_TIMEOUT,
  resetFailure,
  resetFlag,
  resetReply,
  TRY_IDLE_TIMEOUT,
  TRY_TIMEOUT,
} from './replies.ts';
import { finishRequestHead, takeLimits } from './request-head.ts';
import { Retries } from './retries.ts';
import { TryIdle } from './try-idle.ts';
import { type AttemptCount, countStatus } from './upstream-attempt.ts';

const NO_CHUNKS: readonly Buffer[] = [];
const CLUSTER_NOT_FOUND = { SERVICE_UNAVAILABLE: 503, NOT_FOUND: 404, INTERNAL_SERVER_ERROR: 500 } as const;

export class RouterRequest extends OutgoingRequest {
  #timeoutMs = 0;
  #hidesTimeout = false;
  #wasResent = false;
  #isTunnel = false;

  // The request: head, body, end.

  start(end: boolean): void {
    this.isRequestComplete = end;
    if (!end) this.body = new BodyBuffer(this.route.bufferLimit ?? this.context.bufferLimit);
    const { head, info } = this.owner;
    const name = this.chooseCluster();
    this.cluster = this.context.findCluster(name);
    if (!this.cluster) {
      this.context.onNoCluster();
      this.isOver = true;
      this.owner.reply(noCluster(CLUSTER_NOT_FOUND[this.action.config.cluster_not_found_response_code]));
      return;
    }
    info.cluster = name;
    info.clusterConfig = this.cluster.config;
    if (this.#isDropped(this.cluster)) return;
    const suppresses = this.context.config.suppress_envoy_headers;
    this.#chooseLimits(head, this.cluster);
    finishRequestHead(head, info, this.route, this.action, this.owner.choice, suppresses);
    this.#tellTimeout(0);
    if (this.action.mirrors) this.#mirror(this.action.mirrors, end);
    if (end) this.startTimeouts();
    this.attempt();
  }

  #mirror(policies: readonly MirrorPolicy[], end: boolean): void {
    const { head, info } = this.owner;
    this.mirrors = mirrorsOf(policies, head, {
      ...this.context,
      timeoutMs: this.#timeoutMs,
      localHost: info.downstream.localHost,
    });
    this.mirrors?.start(end);
  }

  /** Requests that an overloaded service does not want are turned away before a host is looked for. */
  #isDropped(cluster: Cluster): boolean {
    if (cluster.dropShare === 0 || this.context.random() >= cluster.dropShare) return false;
    this.give(this.context.config.suppress_envoy_headers ? DROPPED : DROPPED_AND_TOLD);
    return true;
  }

  #chooseLimits(head: RequestHead, cluster: Cluster): void {
    const { timeoutMs, perTryTimeoutMs, retry, hidesTimeout } = takeLimits(head, this.action);
    if (retry) this.retries = new Retries(cluster, this.limitsOf(cluster), retry);
    this.#timeoutMs = timeoutMs;
    this.perTryTimeoutMs = perTryTimeoutMs;
    this.#hidesTimeout = hidesTimeout;
    if (retry && retry.perTryIdleMs > 0) {
      this.tryIdle = new TryIdle(this.context.clock, retry.perTryIdleMs, () => this.#onTryIdle());
    }
  }

  /** Lets the upstream know how long it is waited for: what is left of the whole, a try's own limit at most. */
  #tellTimeout(elapsedMs: number): void {
    const limitMs = this.perTryTimeoutMs || this.#timeoutMs;
    if (limitMs <= 0 || this.context.config.suppress_envoy_headers) return;
    const leftMs = this.#timeoutMs > 0 ? Math.max(1, this.#timeoutMs - elapsedMs) : limitMs;
    this.head.headers.set('x-envoy-expected-rq-timeout-ms', String(Math.min(limitMs, leftMs)));
  }

  /** The route's timeout counts from the end of the request: a slow upload is not a slow answer. */
  protected startTimeouts(): void {
    this.owner.timers.route.set(this.#timeoutMs);
    if (!this.upstream) return;
    this.owner.timers.perTry.set(this.perTryTimeoutMs);
    this.tryIdle?.moved();
  }

  // The response: head, body, end; or none.

  onUpstreamInformational(head: ResponseHead): void {
    this.count?.informed(head);
    this.owner.sendInformational(head);
  }

  onUpstreamHead(head: ResponseHead, end: boolean): void {
    const nowMs = this.context.clock.monotonicMs();
    const count = this.count as AttemptCount;
    this.info.firstUpstreamReceivedMs = nowMs;
    const isUnwanted = this.retries?.wantsAfterResponse(head) === true;
    const isDropped = isUnwanted && this.#canRetry();
    count.answered(head, this.#isGrpc(), isDropped);
    if (isDropped) {
      this.dropAnswer(head, end);
      this.#retry(head);
      return;
    }
    if (this.action.redirects?.statuses.has(head.status) && this.#redirect(head, end, this.action.redirects)) return;
    if (this.retries?.isRunning && !isUnwanted) (this.cluster as Cluster).stats.upstream_rq_retry_success++;
    this.#commit();
    if (!this.context.config.suppress_envoy_headers) {
      head.headers.set('x-envoy-upstream-service-time', String(Math.floor(nowMs - count.startMs)));
    }
    if (this.route.virtualHost.include_attempt_count_in_response) {
      head.headers.set('x-envoy-attempt-count', String(this.attempts));
    }
    if (this.cookies) for (const cookie of this.cookies) head.headers.add('set-cookie', cookie);
    this.#isTunnel = head.status === 101 || (this.head.method === 'CONNECT' && head.status < 300);
    if (this.hasMadeKey) head.headers.remove('sec-websocket-accept');
    this.info.responseDetails = 'via_upstream';
    this.owner.sendResponseHead(head, end);
  }

  /** Whether the answer is a redirect that is followed here: the client gets what comes of it. */
  #redirect(head: ResponseHead, end: boolean, policy: RedirectPolicy): boolean {
    const { stats } = this.cluster as Cluster;
    const isWhole = this.isRequestComplete && this.isKept;
    if (!isWhole || !this.owner.followRedirect(head, policy)) {
      stats.upstream_internal_redirect_failed_total++;
      return false;
    }
    stats.upstream_internal_redirect_succeeded_total++;
    const hasBody = this.head.bodyLength !== 0;
    const chunks = (hasBody && this.body?.chunks) || NO_CHUNKS;
    this.dropAnswer(head, end);
    this.owner.timers.route.clear();
    this.close(false);
    this.owner.beginAgain(chunks, hasBody ? this.trailers : undefined);
    return true;
  }

  #isGrpc(): boolean {
    return this.host?.outlier !== undefined && isGrpcType(this.head.headers.get('content-type'));
  }

  /** There will be no other attempt: what was kept for one goes. */
  #commit(): void {
    this.isCommitted = true;
    this.body?.drop();
    this.owner.timers.perTry.clear();
    this.tryIdle?.moved();
    this.retries?.end();
  }

  onUpstreamBody(chunk: Buffer): void {
    this.tryIdle?.moved();
    if (!this.owner.sendResponseBody(chunk)) {
      (this.cluster as Cluster).stats.upstream_flow_control_paused_reading_total++;
      this.upstream?.pauseResponse();
    }
  }

  onDownstreamDrain(): void {
    if (!this.upstream) return;
    this.upstream.resumeResponse();
  }

  onUpstreamEnd(trailers: HeaderList | undefined): void {
    this.info.lastUpstreamReceivedMs = this.context.clock.monotonicMs();
    this.tryIdle?.stop();
    this.count?.end(true);
    this.info.trace?.endAttempt(this.info, this.info.response?.status);
    if (!this.#isTunnel) this.upstream = undefined;
    this.owner.sendResponseEnd(trailers);
  }

  onUpstreamReset(reset: UpstreamReset): void {
    this.upstream = undefined;
    this.tryIdle?.stop();
    if (!this.isOver) this.count?.broken(reset);
    this.count?.end(false);
    this.count = undefined;
    this.info.trace?.endAttempt(this.info, undefined, resetFailure(reset));
    if (this.isOver) return;
    const { host } = this;
    if (host) host.requestsFailed++;
    // Neither a limit of this side's nor a connection that was closed for idleness says anything of the host.
    if (reset.type !== 'overflow' && !reset.isReused) host?.outlier?.unreachable();
    if (reset.type === 'connect-failure' || reset.type === 'connect-timeout') this.info.upstreamFailure = reset.text;
    if (this.isCommitted) {
      this.isOver = true;
      this.retries?.end();
      this.owner.abortResponse(
        resetFlag(reset),
        `upstream_reset_after_response_started{${reset.type.replaceAll('-', '_')}}`,
      );
      return;
    }
    this.owner.timers.perTry.clear();
    if (this.#resend(reset)) return;
    if (this.retries?.wantsAfterReset(reset) && this.#canRetry()) this.#retry();
    else this.give(resetReply(reset, this.attempts > 1, this.context.config.suppress_envoy_headers));
  }

  /**
   * A connection that was kept for reuse may have been closed by the far side just as the request was sent: its end then
   * says nothing about the request. It is sent once more where that does no harm, whatever the policy (RFC 9112, 9.3.1).
   */
  #resend(reset: UpstreamReset): boolean {
    const isStale = reset.isReused && reset.type === 'connection-termination';
    if (!isStale || this.#wasResent || !isSafe(this.head.method)) return false;
    if (!this.isKept || this.head.upgrade !== undefined) return false;
    this.#wasResent = true;
    this.attempts--;
    this.attempt();
    return true;
  }

  #canRetry(): boolean {
    const allowed = this.retries?.allows(this.isKept);
    if (allowed === 'limit-reached' && this.attempts > 1) this.info.flags |= FLAG.URX;
    if (allowed === 'overflow') this.info.flags |= FLAG.UO;
    return allowed === 'yes';
  }

  /** `answer`: what was answered instead of what the client should get. `isTimeout`: a try took too long. */
  #retry(answer?: ResponseHead, isTimeout = false): void {
    if (this.route.virtualHost.include_is_timeout_retry_header) {
      this.head.headers.set('x-envoy-is-timeout-retry', String(isTimeout));
    }
    const { clock, random } = this.context;
    this.owner.timers.perTry.clear();
    this.tryIdle?.stop();
    const waitMs = (this.retries as Retries).begin(this.attempts, answer, clock, random);
    this.cancelBackOff = this.context.clock.after(waitMs, () => {
      this.cancelBackOff = undefined;
      const { lastRequestByteMs: endMs } = this.info;
      this.#tellTimeout(endMs === 0 ? 0 : Math.floor(this.context.clock.monotonicMs() - endMs));
      this.attempt();
    });
  }

  // The end.

  onRouteTimeout(): void {
    const cluster = this.cluster as Cluster;
    cluster.stats.upstream_rq_timeout++;
    this.count?.timedOut();
    this.stopAttempt();
    if (!this.isCommitted) this.#giveTimeout(RESPONSE_TIMEOUT);
    else {
      this.isOver = true;
      this.owner.abortResponse(FLAG.UT, 'response_timeout');
    }
  }

  onTryTimeout(): void {
    if (this.isCommitted) return;
    (this.cluster as Cluster).stats.upstream_rq_per_try_timeout++;
    this.#tryTimedOut(TRY_TIMEOUT);
  }

  #tryTimedOut(reply: LocalReply): void {
    this.count?.timedOut();
    this.stopAttempt();
    const reset: UpstreamReset = { type: 'local', text: '', isUnsent: false, isReused: false };
    if (this.retries?.wantsAfterReset(reset) && this.#canRetry()) this.#retry(undefined, true);
    else this.#giveTimeout(reply);
  }

  #onTryIdle(): void {
    if (this.isOver) return;
    (this.cluster as Cluster).stats.upstream_rq_per_try_idle_timeout++;
    if (!this.isCommitted) {
      this.#tryTimedOut(TRY_IDLE_TIMEOUT);
      return;
    }
    this.stopAttempt();
    this.isOver = true;
    this.owner.abortResponse(FLAG.UT, TRY_IDLE_TIMEOUT.details);
  }

  /** A client may ask for 204 in place of what tells of a timeout. */
  #giveTimeout(reply: LocalReply): void {
    this.give(this.#hidesTimeout ? { ...reply, status: 204, body: '' } : reply);
  }

  /** Answers in the upstream's place. */
  protected give(reply: LocalReply): void {
    this.isOver = true;
    this.retries?.end();
    if (this.cluster) countStatus(this.cluster, reply.status, this.info.origin);
    this.owner.reply(reply);
  }

  /** The exchange ended: what still runs for it is taken back. `isComplete`: both directions came to their end. */
  close(isComplete: boolean): void {
    this.isOver = true;
    this.mirrors?.close();
    this.tryIdle?.stop();
    this.retries?.end();
    if (isComplete) {
      this.count?.end(true);
      this.upstream = undefined;
    } else this.stopAttempt();
  }
}
