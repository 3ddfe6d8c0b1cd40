/**
 * One request on its way through the router: to a host of a cluster and, where the policy says so, to another one. The
 * methods stand in the order in which a request meets them.
 */
import type { Clock } from '../../clock.ts';
import type { Random } from '../../cluster/balancer.ts';
import type { Hash64 } from '../../cluster/balancing/hash64.ts';
import type { HostSet } from '../../cluster/balancing/host-sets.ts';
import { type MetadataMatch, metadataMatch } from '../../cluster/balancing/metadata-match.ts';
import type { PriorityLoad } from '../../cluster/balancing/priority-load.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { Host } from '../../cluster/host.ts';
import type { ClusterLimits } from '../../cluster/limits.ts';
import type { PickContext } from '../../cluster/pick-context.ts';
import type { RouterConfig } from '../../config/filters.ts';
import type { HeaderList } from '../../http/header-list.ts';
import type { RequestHead, ResponseHead } from '../../http/message.ts';
import type { RequestStream, ResponseListener, UpstreamReset } from '../../http/stream.ts';
import type { Pool, PoolConnection, PoolWaiter } from '../../pool/pool.ts';
import type { HashedRequest } from '../../stack/hash-policy.ts';
import type { RedirectPolicy } from '../../stack/internal-redirect.ts';
import type { LocalReply } from '../../stack/local-reply.ts';
import type { MirrorPolicy } from '../../stack/mirror-policy.ts';
import { FLAG } from '../../stack/response-flags.ts';
import { isSafe } from '../../stack/retry-policy.ts';
import type { ForwardAction, Route, WeightedCluster } from '../../stack/route-table.ts';
import type { StreamInfo } from '../../stack/stream-info.ts';
import type { StreamTimers } from '../../stack/timers.ts';
import { BodyBuffer } from './body-buffer.ts';
import { type Mirrors, mirrorsOf } from './mirror.ts';
import {
  DROPPED,
  DROPPED_AND_TOLD,
  NO_HEALTHY_UPSTREAM,
  noCluster,
  RESPONSE_TIMEOUT,
  resetFailure,
  resetFlag,
  resetReply,
  TRY_IDLE_TIMEOUT,
  TRY_TIMEOUT,
} from './replies.ts';
import { finishRequestHead, rewriteHost, takeLimits } from './request-head.ts';
import { Retries } from './retries.ts';
import { TcpUpstream } from './tcp-upstream.ts';
import { TryIdle } from './try-idle.ts';
import { AttemptCount, countStatus } from './upstream-attempt.ts';
import { openWebSocket } from './websocket.ts';

/** The side of the client, as the router sees it. */
export interface RouterOwner {
  readonly head: RequestHead;
  readonly info: StreamInfo;
  readonly timers: StreamTimers;
  /** Of the route's weighted clusters; undefined where it has none. */
  readonly choice: WeightedCluster | undefined;
  /** Makes the request into the one that an answer redirects to; false: the answer is for the client. */
  followRedirect(response: ResponseHead, policy: RedirectPolicy): boolean;
  /** Begins the request again, as it is now, with its whole body. */
  beginAgain(body: readonly Buffer[], trailers: HeaderList | undefined): void;
  reply(reply: LocalReply): void;
  sendInformational(head: ResponseHead): void;
  sendResponseHead(head: ResponseHead, end: boolean): void;
  /** False: the client is slow. */
  sendResponseBody(chunk: Buffer): boolean;
  sendResponseEnd(trailers: HeaderList | undefined): void;
  /** The response that was begun cannot be completed. */
  abortResponse(flag: number, details: string): void;
  pauseRequest(): void;
  resumeRequest(): void;
}

/** What every request of one router has. */
export interface RouterContext {
  readonly config: RouterConfig;
  readonly findCluster: (name: string) => Cluster | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Bytes of a request's body that are kept for another attempt, where the route does not say. */
  readonly bufferLimit: number;
  readonly onNoCluster: () => void;
}

const CLUSTER_NOT_FOUND = { SERVICE_UNAVAILABLE: 503, NOT_FOUND: 404, INTERNAL_SERVER_ERROR: 500 } as const;
/** The body of an answer that is not used, up to which its connection is worth keeping. */
const MAX_DISCARDED_BYTES = 65_536;

export class RouterRequest implements ResponseListener, PoolWaiter, PickContext, HashedRequest {
  readonly #owner: RouterOwner;
  readonly #context: RouterContext;
  readonly #route: Route;
  readonly #action: ForwardAction;
  readonly #body: BodyBuffer;
  readonly tried: Host[] = [];
  #choice: WeightedCluster | undefined;
  #cluster: Cluster | undefined;
  #pool: Pool | undefined;
  #upstream: RequestStream | undefined;
  #count: AttemptCount | undefined;
  #retries: Retries | undefined;
  #mirrors: Mirrors | undefined;
  #isHashed = false;
  #hash: Hash64 | undefined;
  /** What the client is told to come back with, so that it gets to the same host. */
  #cookies: string[] | undefined;
  #timeoutMs = 0;
  #perTryTimeoutMs = 0;
  #hidesTimeout = false;
  /** Undefined where an attempt may stand still for as long as it will. */
  #tryIdle: TryIdle | undefined;
  #attempts = 0;
  #wasResent = false;
  #cancelBackOff: (() => void) | undefined;
  #isRequestComplete = false;
  #trailers: HeaderList | undefined;
  /** The client has got the head of the response: there is no other attempt. */
  #isCommitted = false;
  #isTunnel = false;
  /** The key of a WebSocket is none of the client's. */
  #hasMadeKey = false;
  #isOver = false;

  constructor(owner: RouterOwner, route: Route, action: ForwardAction, context: RouterContext) {
    this.#owner = owner;
    this.#route = route;
    this.#action = action;
    this.#context = context;
    this.#body = new BodyBuffer(route.bufferLimit ?? context.bufferLimit);
  }

  // The request: head, body, end.

  start(end: boolean): void {
    this.#isRequestComplete = end;
    const { head, info } = this.#owner;
    const name = this.#chooseCluster(head);
    this.#cluster = this.#context.findCluster(name);
    if (!this.#cluster) {
      this.#context.onNoCluster();
      this.#isOver = true;
      this.#owner.reply(noCluster(CLUSTER_NOT_FOUND[this.#action.config.cluster_not_found_response_code]));
      return;
    }
    info.cluster = name;
    if (this.#isDropped(this.#cluster)) return;
    const suppresses = this.#context.config.suppress_envoy_headers;
    this.#chooseLimits(head, this.#cluster);
    finishRequestHead(head, info, this.#route, this.#action, this.#choice, suppresses);
    this.#tellTimeout(0);
    if (this.#action.mirrors) this.#mirror(this.#action.mirrors, end);
    if (end) this.#startTimeouts();
    this.#attempt();
  }

  #mirror(policies: readonly MirrorPolicy[], end: boolean): void {
    const { head, info } = this.#owner;
    this.#mirrors = mirrorsOf(policies, head, {
      ...this.#context,
      timeoutMs: this.#timeoutMs,
      localHost: info.downstream.localHost,
    });
    this.#mirrors?.start(end);
  }

  /** Requests that an overloaded service does not want are turned away before a host is looked for. */
  #isDropped(cluster: Cluster): boolean {
    if (cluster.dropShare === 0 || this.#context.random() >= cluster.dropShare) return false;
    this.#give(this.#context.config.suppress_envoy_headers ? DROPPED : DROPPED_AND_TOLD);
    return true;
  }

  #chooseCluster(head: RequestHead): string {
    const { config } = this.#action;
    if (config.cluster !== undefined) return config.cluster;
    if (config.cluster_header !== undefined) return head.headers.get(config.cluster_header.toLowerCase()) ?? '';
    this.#choice = this.#owner.choice;
    if (!this.#choice) return '';
    const { name, header } = this.#choice;
    return header === '' ? name : (head.headers.get(header) ?? '');
  }

  #chooseLimits(head: RequestHead, cluster: Cluster): void {
    const { timeoutMs, perTryTimeoutMs, retry, hidesTimeout } = takeLimits(head, this.#action);
    this.#retries = new Retries(cluster, this.#limits(cluster), retry);
    this.#timeoutMs = timeoutMs;
    this.#perTryTimeoutMs = perTryTimeoutMs;
    this.#hidesTimeout = hidesTimeout;
    if (retry && retry.perTryIdleMs > 0) {
      this.#tryIdle = new TryIdle(this.#context.clock, retry.perTryIdleMs, () => this.#onTryIdle());
    }
  }

  /** Lets the upstream know how long it is waited for: what is left of the whole, a try's own limit at most. */
  #tellTimeout(elapsedMs: number): void {
    const limitMs = this.#perTryTimeoutMs || this.#timeoutMs;
    if (limitMs <= 0 || this.#context.config.suppress_envoy_headers) return;
    const leftMs = this.#timeoutMs > 0 ? Math.max(1, this.#timeoutMs - elapsedMs) : limitMs;
    this.#owner.head.headers.set('x-envoy-expected-rq-timeout-ms', String(Math.min(limitMs, leftMs)));
  }

  /** The route's timeout counts from the end of the request: a slow upload is not a slow answer. */
  #startTimeouts(): void {
    this.#owner.timers.route.set(this.#timeoutMs);
    if (!this.#upstream) return;
    this.#owner.timers.perTry.set(this.#perTryTimeoutMs);
    this.#tryIdle?.moved();
  }

  #limits(cluster: Cluster): ClusterLimits {
    return cluster.limitsOf(this.#action.config.priority);
  }

  #attempt(): void {
    const cluster = this.#cluster as Cluster;
    const { info, head } = this.#owner;
    const host = cluster.pick(this);
    if (!host) {
      cluster.stats.upstream_cx_none_healthy++;
      this.#give(NO_HEALTHY_UPSTREAM);
      return;
    }
    info.attempts = ++this.#attempts;
    info.upstreamHost = host.key;
    this.tried.push(host);
    this.#retries?.attempted(host);
    const { virtualHost } = this.#route;
    if (virtualHost.include_request_attempt_count) head.headers.set('x-envoy-attempt-count', String(this.#attempts));
    if (this.#action.config.auto_host_rewrite && host.endpoint.hostname !== '') {
      const { append_x_forwarded_host: appends } = this.#action.config;
      rewriteHost(head, host.endpoint.hostname, appends, !this.#context.config.suppress_envoy_headers);
    }
    info.trace?.beginAttempt(head, host.key);
    if (head.method === 'CONNECT' && this.#action.upgrades.get('connect')) {
      this.#upstream = new TcpUpstream(cluster, host, this);
      this.#count = new AttemptCount(cluster, host, this.#context.clock, this.#limits(cluster));
      return;
    }
    this.#pool = cluster.pool(host, head.protocol, this.#action.config.priority);
    this.#pool.acquire(this);
  }

  // What balancers ask.

  get hash(): Hash64 | undefined {
    const { hash } = this.#action;
    if (hash && !this.#isHashed) {
      this.#isHashed = true;
      this.#hash = hash(this);
    }
    return this.#hash;
  }

  setCookie(field: string): void {
    this.#cookies ??= [];
    this.#cookies.push(field);
  }

  get metadataMatch(): MetadataMatch | undefined {
    const match = this.#choice ? this.#choice.metadataMatch : this.#action.metadataMatch;
    const found = this.#owner.info.dynamicMetadata?.get('envoy.lb');
    return found ? (match?.with(found) ?? metadataMatch(found)) : match;
  }

  get originalDestination(): string | undefined {
    return this.info.downstream.originalDestination;
  }

  get hostAttempts(): number {
    return this.#retries?.hostAttempts ?? 0;
  }

  passesOver(host: Host): boolean {
    return this.#retries?.passesOver(host, this.tried) === true;
  }

  priorityLoad(load: PriorityLoad, sets: readonly HostSet[]): PriorityLoad {
    return this.#retries?.priorityLoad(load, sets) ?? load;
  }

  requestField(name: string): string | undefined {
    return this.head.headers.get(name);
  }

  get head(): RequestHead {
    return this.#owner.head;
  }

  get info(): StreamInfo {
    return this.#owner.info;
  }

  onPoolReady(connection: PoolConnection): void {
    const { info, timers } = this.#owner;
    const cluster = this.#cluster as Cluster;
    const host = this.tried.at(-1) as Host;
    this.#pool = undefined;
    this.#count = new AttemptCount(cluster, host, this.#context.clock, this.#limits(cluster));
    const { head } = this.#owner;
    if (head.upgrade === 'websocket' && openWebSocket(head, connection.protocol)) this.#hasMadeKey = true;
    const upstream = connection.begin(this);
    this.#upstream = upstream;
    info.firstUpstreamSentMs = this.#count.startMs;
    info.upstreamLocalAddress = connection.localAddress;
    info.trace?.connected(connection.protocol);
    this.#sendWhatCame(upstream);
    if (!this.#isRequestComplete) return;
    timers.perTry.set(this.#perTryTimeoutMs);
    this.#tryIdle?.moved();
  }

  #sendWhatCame(upstream: RequestStream): void {
    const isWhole = this.#isRequestComplete && this.#body.isEmpty && this.#trailers === undefined;
    upstream.sendHead(this.#owner.head, isWhole);
    let isFlowing = true;
    for (const chunk of this.#body.chunks) isFlowing = upstream.sendBody(chunk);
    if (this.#isRequestComplete && !isWhole) upstream.sendEnd(this.#trailers?.clone());
    if (this.#isRequestComplete) this.#owner.info.lastUpstreamSentMs = this.#context.clock.monotonicMs();
    const mayComeAgain = this.#retries?.hasPolicy || this.#action.redirects !== undefined;
    if (!mayComeAgain && !isSafe(this.#owner.head.method)) this.#body.drop();
    else this.#body.trim();
    if (isFlowing) this.#owner.resumeRequest();
  }

  onRequestBody(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#mirrors?.body(chunk);
    const upstream = this.#upstream;
    if (!upstream) {
      // Nobody takes it yet. More than one read's worth does not come, since the client is made to wait.
      this.#body.hold(chunk);
      this.#owner.pauseRequest();
      return;
    }
    if (!this.#isCommitted) this.#body.add(chunk);
    if (!upstream.sendBody(chunk)) this.#owner.pauseRequest();
  }

  onRequestEnd(trailers: HeaderList | undefined): void {
    if (this.#isOver) return;
    this.#isRequestComplete = true;
    this.#trailers = trailers;
    this.#mirrors?.end(trailers);
    if (this.#upstream) {
      this.#upstream.sendEnd(trailers?.clone());
      this.#owner.info.lastUpstreamSentMs = this.#context.clock.monotonicMs();
    }
    if (!this.#isCommitted) this.#startTimeouts();
  }

  onUpstreamDrain(): void {
    this.#owner.resumeRequest();
  }

  // The response: head, body, end; or none.

  onUpstreamInformational(head: ResponseHead): void {
    this.#owner.sendInformational(head);
  }

  onUpstreamHead(head: ResponseHead, end: boolean): void {
    const nowMs = this.#context.clock.monotonicMs();
    const count = this.#count as AttemptCount;
    this.#owner.info.firstUpstreamReceivedMs = nowMs;
    const isDropped = this.#retries?.wantsAfterResponse(head) === true && this.#canRetry();
    count.answered(head, this.#isGrpc(), isDropped);
    if (isDropped) {
      (this.#cluster as Cluster).stats.upstream_rq_tx_reset++;
      this.#dropAnswer(head);
      this.#retry(head);
      return;
    }
    if (this.#action.redirects?.statuses.has(head.status) && this.#redirect(head, this.#action.redirects)) return;
    if (this.#retries?.isRunning && head.status < 500) (this.#cluster as Cluster).stats.upstream_rq_retry_success++;
    this.#commit();
    if (!this.#context.config.suppress_envoy_headers) {
      head.headers.set('x-envoy-upstream-service-time', String(Math.floor(nowMs - count.startMs)));
    }
    if (this.#route.virtualHost.include_attempt_count_in_response) {
      head.headers.set('x-envoy-attempt-count', String(this.#attempts));
    }
    if (this.#cookies) for (const cookie of this.#cookies) head.headers.add('set-cookie', cookie);
    this.#isTunnel = head.status === 101 || (this.#owner.head.method === 'CONNECT' && head.status < 300);
    if (this.#hasMadeKey) head.headers.remove('sec-websocket-accept');
    this.#owner.info.responseDetails = 'via_upstream';
    this.#owner.sendResponseHead(head, end);
  }

  /** Whether the answer is a redirect that is followed here: the client gets what comes of it. */
  #redirect(head: ResponseHead, policy: RedirectPolicy): boolean {
    const { stats } = this.#cluster as Cluster;
    const isWhole = this.#isRequestComplete && this.#body.isKept;
    if (!isWhole || !this.#owner.followRedirect(head, policy)) {
      stats.upstream_internal_redirect_failed_total++;
      return false;
    }
    stats.upstream_internal_redirect_succeeded_total++;
    const hasBody = this.#owner.head.bodyLength !== 0;
    const chunks = hasBody ? this.#body.chunks : [];
    this.#dropAnswer(head);
    this.#owner.timers.route.clear();
    this.close(false);
    this.#owner.beginAgain(chunks, hasBody ? this.#trailers : undefined);
    return true;
  }

  #isGrpc(): boolean {
    if (!this.tried.at(-1)?.outlier) return false;
    const type = this.#owner.head.headers.get('content-type');
    return type !== undefined && /^application\/grpc(?:\+|$)/.test(type);
  }

  /** There will be no other attempt: what was kept for one goes. */
  #commit(): void {
    this.#isCommitted = true;
    this.#body.drop();
    this.#owner.timers.perTry.clear();
    this.#tryIdle?.moved();
    this.#retries?.end();
  }

  onUpstreamBody(chunk: Buffer): void {
    this.#tryIdle?.moved();
    if (!this.#owner.sendResponseBody(chunk)) {
      (this.#cluster as Cluster).stats.upstream_flow_control_paused_reading_total++;
      this.#upstream?.pauseResponse();
    }
  }

  onDownstreamDrain(): void {
    if (!this.#upstream) return;
    this.#upstream.resumeResponse();
  }

  onUpstreamEnd(trailers: HeaderList | undefined): void {
    this.#owner.info.lastUpstreamReceivedMs = this.#context.clock.monotonicMs();
    this.#tryIdle?.stop();
    this.#count?.end(true);
    this.info.trace?.endAttempt(this.info, this.info.response?.status);
    if (!this.#isTunnel) this.#upstream = undefined;
    this.#owner.sendResponseEnd(trailers);
  }

  onPoolFailure(reset: UpstreamReset): void {
    this.#pool = undefined;
    this.onUpstreamReset(reset);
  }

  onUpstreamReset(reset: UpstreamReset): void {
    this.#upstream = undefined;
    this.#tryIdle?.stop();
    this.#count?.end(false);
    this.#count = undefined;
    this.info.trace?.endAttempt(this.info, undefined, resetFailure(reset));
    if (this.#isOver) return;
    const cluster = this.#cluster as Cluster;
    const host = this.tried.at(-1);
    if (host) host.requestsFailed++;
    // Neither a limit of this side's nor a connection that was closed for idleness says anything of the host.
    if (reset.type !== 'overflow' && !reset.isReused) host?.outlier?.unreachable();
    if (!reset.isUnsent) cluster.stats.upstream_rq_rx_reset++;
    if (reset.type === 'connect-failure' || reset.type === 'connect-timeout')
      this.#owner.info.upstreamFailure = reset.text;
    if (this.#isCommitted) {
      this.#isOver = true;
      this.#retries?.end();
      this.#owner.abortResponse(
        resetFlag(reset),
        `upstream_reset_after_response_started{${reset.type.replaceAll('-', '_')}}`,
      );
      return;
    }
    this.#owner.timers.perTry.clear();
    if (this.#resend(reset)) return;
    if (this.#retries?.wantsAfterReset(reset) && this.#canRetry()) this.#retry();
    else this.#give(resetReply(reset, this.#attempts > 1, this.#context.config.suppress_envoy_headers));
  }

  /**
   * A connection that was kept for reuse may have been closed by the far side just as the request was sent: its end then
   * says nothing about the request. It is sent once more where that does no harm, whatever the policy (RFC 9112, 9.3.1).
   */
  #resend(reset: UpstreamReset): boolean {
    const isStale = reset.isReused && reset.type === 'connection-termination';
    if (!isStale || this.#wasResent || !isSafe(this.#owner.head.method)) return false;
    if (!this.#body.isKept || this.#owner.head.upgrade !== undefined) return false;
    this.#wasResent = true;
    this.#attempts--;
    this.#attempt();
    return true;
  }

  // Another attempt.

  #canRetry(): boolean {
    const allowed = this.#retries?.allows(this.#body.isKept);
    if (allowed === 'limit-reached' && this.#attempts > 1) this.#owner.info.flags |= FLAG.URX;
    if (allowed === 'overflow') this.#owner.info.flags |= FLAG.UO;
    return allowed === 'yes';
  }

  /** `answer`: what was answered instead of what the client should get. */
  #retry(answer?: ResponseHead): void {
    const { clock, random } = this.#context;
    this.#owner.timers.perTry.clear();
    this.#tryIdle?.stop();
    const waitMs = (this.#retries as Retries).begin(this.#attempts, answer, clock, random);
    this.#cancelBackOff = this.#context.clock.after(waitMs, () => {
      this.#cancelBackOff = undefined;
      const { lastRequestByteMs: endMs } = this.#owner.info;
      this.#tellTimeout(endMs === 0 ? 0 : Math.floor(this.#context.clock.monotonicMs() - endMs));
      this.#attempt();
    });
  }

  /** An answer that is not passed on: a short one is read to its end, so that the connection can be used again. */
  #dropAnswer(head: ResponseHead): void {
    const upstream = this.#upstream;
    this.#upstream = undefined;
    this.#count?.end(false);
    this.#count = undefined;
    this.info.trace?.endAttempt(this.info, head.status);
    if (head.bodyLength >= 0 && head.bodyLength <= MAX_DISCARDED_BYTES) upstream?.discardResponse();
    else upstream?.abort();
  }

  // The end.

  onRouteTimeout(): void {
    const cluster = this.#cluster as Cluster;
    cluster.stats.upstream_rq_timeout++;
    this.#count?.timedOut();
    this.#stopAttempt();
    if (!this.#isCommitted) this.#giveTimeout(RESPONSE_TIMEOUT);
    else {
      this.#isOver = true;
      this.#owner.abortResponse(FLAG.UT, 'response_timeout');
    }
  }

  onTryTimeout(): void {
    if (this.#isCommitted) return;
    (this.#cluster as Cluster).stats.upstream_rq_per_try_timeout++;
    this.#tryTimedOut(TRY_TIMEOUT);
  }

  #tryTimedOut(reply: LocalReply): void {
    this.#count?.timedOut();
    this.#stopAttempt();
    const reset: UpstreamReset = { type: 'local', text: '', isUnsent: false, isReused: false };
    if (this.#retries?.wantsAfterReset(reset) && this.#canRetry()) this.#retry();
    else this.#giveTimeout(reply);
  }

  #onTryIdle(): void {
    if (this.#isOver) return;
    (this.#cluster as Cluster).stats.upstream_rq_per_try_idle_timeout++;
    if (!this.#isCommitted) {
      this.#tryTimedOut(TRY_IDLE_TIMEOUT);
      return;
    }
    this.#stopAttempt();
    this.#isOver = true;
    this.#owner.abortResponse(FLAG.UT, TRY_IDLE_TIMEOUT.details);
  }

  /** A client may ask for 204 in place of what tells of a timeout. */
  #giveTimeout(reply: LocalReply): void {
    this.#give(this.#hidesTimeout ? { ...reply, status: 204, body: '' } : reply);
  }

  /** Answers in the upstream's place. */
  #give(reply: LocalReply): void {
    this.#isOver = true;
    this.#retries?.end();
    if (this.#cluster) countStatus(this.#cluster, reply.status);
    this.#owner.reply(reply);
  }

  #stopAttempt(): void {
    this.#cancelBackOff?.();
    this.#cancelBackOff = undefined;
    this.#tryIdle?.stop();
    this.#pool?.cancel(this);
    this.#pool = undefined;
    const upstream = this.#upstream;
    this.#upstream = undefined;
    this.#count?.end(false);
    this.#count = undefined;
    this.info.trace?.endAttempt(this.info, undefined);
    if (!upstream) return;
    (this.#cluster as Cluster).stats.upstream_rq_tx_reset++;
    upstream.abort();
  }

  /** The exchange ended: what still runs for it is taken back. `isComplete`: both directions came to their end. */
  close(isComplete: boolean): void {
    this.#isOver = true;
    this.#mirrors?.close();
    this.#tryIdle?.stop();
    this.#retries?.end();
    if (isComplete) {
      this.#count?.end(true);
      this.#upstream = undefined;
    } else this.#stopAttempt();
  }
}
