/** A request on its way to one host after another: each attempt, and what of the request is kept for the next one. */
import { TLSSocket } from 'node:tls';
import type { Cluster } from '../../cluster/cluster.ts';
import type { Host } from '../../cluster/host.ts';
import type { HeaderList } from '../../http/header-list.ts';
import type { Protocol, ResponseHead } from '../../http/message.ts';
import type { RequestStream, ResponseListener, UpstreamReset } from '../../http/stream.ts';
import type { PeerName } from '../../net/connect.ts';
import type { Pool, PoolConnection, PoolWaiter } from '../../pool/pool.ts';
import type { LocalReply } from '../../stack/local-reply.ts';
import { isSafe } from '../../stack/retry-policy.ts';
import { peerNameOf } from '../../upstream/peer-name.ts';
import type { BodyBuffer } from './body-buffer.ts';
import { HostChoice } from './host-choice.ts';
import type { Mirrors } from './mirror.ts';
import { NO_HEALTHY_UPSTREAM } from './replies.ts';
import { rewriteHost } from './request-head.ts';
import { TcpUpstream } from './tcp-upstream.ts';
import type { TryIdle } from './try-idle.ts';
import { AttemptCount } from './upstream-attempt.ts';
import { openWebSocket } from './websocket.ts';

/** The body of an answer that is not used, up to which its connection is worth keeping. */
const MAX_DISCARDED_BYTES = 65_536;

export abstract class OutgoingRequest extends HostChoice implements PoolWaiter, ResponseListener {
  /** Undefined where the request has no body. */
  protected body: BodyBuffer | undefined;
  protected trailers: HeaderList | undefined;
  protected isRequestComplete = false;
  #peer: PeerName | undefined;
  /** Of the attempt under way, or the last one. */
  protected host: Host | undefined;
  /** Whom the attempt waits for until it has a connection. */
  #pool: Pool | undefined;
  protected upstream: RequestStream | undefined;
  protected count: AttemptCount | undefined;
  protected attempts = 0;
  protected perTryTimeoutMs = 0;
  /** Undefined where an attempt may stand still for as long as it will. */
  protected tryIdle: TryIdle | undefined;
  protected cancelBackOff: (() => void) | undefined;
  protected mirrors: Mirrors | undefined;
  /** The client has got the head of the response: there is no other attempt. */
  protected isCommitted = false;
  /** The key of a WebSocket is none of the client's. */
  protected hasMadeKey = false;
  protected isOver = false;

  /** Begins what limits the time of an answer: the request is complete. */
  protected abstract startTimeouts(): void;
  /** Answers in the upstream's place. */
  protected abstract give(reply: LocalReply): void;
  abstract onUpstreamInformational(head: ResponseHead): void;
  abstract onUpstreamHead(head: ResponseHead, end: boolean): void;
  abstract onUpstreamBody(chunk: Buffer): void;
  abstract onUpstreamEnd(trailers: HeaderList | undefined): void;
  abstract onUpstreamReset(reset: UpstreamReset): void;

  /** Whether the whole request, as far as it came, can be sent again. */
  protected get isKept(): boolean {
    return this.body === undefined || this.body.isKept;
  }

  // An attempt: its host, its connection, head, body, end.

  protected attempt(): void {
    const cluster = this.cluster as Cluster;
    const { info, head } = this.owner;
    const host = cluster.pick(this);
    info.attempts = ++this.attempts;
    if (!host) {
      cluster.stats.upstream_cx_none_healthy++;
      this.give(NO_HEALTHY_UPSTREAM);
      return;
    }
    info.upstreamHost = host.key;
    info.host = host;
    this.host = host;
    this.retries?.attempted(host);
    // Whatever name the host itself has is none that the client asked for.
    if (this.attempts === 1) this.#peer = peerNameOf(cluster, head);
    const { virtualHost } = this.route;
    if (virtualHost.include_request_attempt_count) head.headers.set('x-envoy-attempt-count', String(this.attempts));
    if (this.action.config.auto_host_rewrite && host.endpoint.hostname !== '') {
      const { append_x_forwarded_host: appends } = this.action.config;
      rewriteHost(head, host.endpoint.hostname, appends, !this.context.config.suppress_envoy_headers);
    }
    info.trace?.beginAttempt(head, host.key);
    if (head.method === 'CONNECT' && this.action.upgrades.get('connect')) {
      this.upstream = new TcpUpstream(cluster, host, info.downstream, this);
      this.count = this.#count(host, undefined);
      return;
    }
    this.#pool = cluster.pool(host, head.protocol, this.action.config.priority, info.downstream, this.#peer);
    this.#pool.acquire(this);
  }

  onPoolReady(connection: PoolConnection): void {
    const { head, info, timers } = this.owner;
    const host = this.host as Host;
    this.#pool = undefined;
    this.count = this.#count(host, connection.protocol);
    if (head.upgrade === 'websocket' && openWebSocket(head, connection.protocol)) this.hasMadeKey = true;
    if (this.context.matchesScheme) head.scheme = connection.socket instanceof TLSSocket ? 'https' : 'http';
    const upstream = connection.begin(this);
    this.upstream = upstream;
    info.firstUpstreamSentMs = this.count.startMs;
    info.upstreamLocalAddress = connection.localAddress;
    info.reached(host);
    info.upstreamProtocol = connection.protocol;
    info.upstreamSocket = connection.socket;
    info.trace?.connected(connection.protocol);
    this.#sendWhatCame(upstream);
    if (!this.isRequestComplete) return;
    timers.perTry.set(this.perTryTimeoutMs);
    this.tryIdle?.moved();
  }

  #count(host: Host, protocol: Protocol | undefined): AttemptCount {
    const cluster = this.cluster as Cluster;
    const traits = { protocol, origin: this.info.origin, limits: this.limitsOf(cluster) };
    return new AttemptCount(cluster, host, this.context.clock, traits);
  }

  #sendWhatCame(upstream: RequestStream): void {
    const isWhole = this.isRequestComplete && (this.body?.isEmpty ?? true) && this.trailers === undefined;
    upstream.sendHead(this.head, isWhole);
    let isFlowing = true;
    if (this.body) for (const chunk of this.body.chunks) isFlowing = upstream.sendBody(chunk);
    if (this.isRequestComplete && !isWhole) upstream.sendEnd(this.trailers?.clone());
    if (this.isRequestComplete) this.info.lastUpstreamSentMs = this.context.clock.monotonicMs();
    if (this.body) this.#keep(this.body);
    if (isFlowing) this.owner.resumeRequest();
  }

  /** What may have to be sent again is kept, up to the limit. */
  #keep(body: BodyBuffer): void {
    const mayComeAgain = this.retries !== undefined || this.action.redirects !== undefined;
    if (mayComeAgain || isSafe(this.head.method)) body.trim();
    else body.drop();
  }

  onRequestBody(chunk: Buffer): void {
    if (this.isOver) return;
    this.mirrors?.body(chunk);
    const upstream = this.upstream;
    if (!upstream) {
      // Nobody takes it yet. More than one read's worth does not come, since the client is made to wait.
      this.body?.hold(chunk);
      this.owner.pauseRequest();
      return;
    }
    if (!this.isCommitted) this.body?.add(chunk);
    if (!upstream.sendBody(chunk)) this.owner.pauseRequest();
  }

  onRequestEnd(trailers: HeaderList | undefined): void {
    if (this.isOver) return;
    this.isRequestComplete = true;
    this.trailers = trailers;
    this.mirrors?.end(trailers);
    if (this.upstream) {
      this.upstream.sendEnd(trailers?.clone());
      this.info.lastUpstreamSentMs = this.context.clock.monotonicMs();
    }
    if (!this.isCommitted) this.startTimeouts();
  }

  onUpstreamDrain(): void {
    this.owner.resumeRequest();
  }

  onPoolFailure(reset: UpstreamReset): void {
    this.#pool = undefined;
    this.onUpstreamReset(reset);
  }

  // Its end, before the answer's.

  /**
   * An answer that is not passed on: a short one is read to its end, so that the connection can be used again. `end`: there
   * is no more of it.
   */
  protected dropAnswer(head: ResponseHead, end: boolean): void {
    const upstream = this.upstream;
    this.upstream = undefined;
    if (!end) this.count?.takenBack();
    this.count?.end(false);
    this.count = undefined;
    this.info.trace?.endAttempt(this.info, head.status);
    if (head.bodyLength >= 0 && head.bodyLength <= MAX_DISCARDED_BYTES) upstream?.discardResponse();
    else upstream?.abort();
  }

  /** Takes back what is under way, the wait for another attempt among it. */
  protected stopAttempt(): void {
    this.cancelBackOff?.();
    this.cancelBackOff = undefined;
    this.tryIdle?.stop();
    this.#pool?.cancel(this);
    this.#pool = undefined;
    const upstream = this.upstream;
    this.upstream = undefined;
    if (upstream) this.count?.takenBack();
    this.count?.end(false);
    this.count = undefined;
    this.info.trace?.endAttempt(this.info, undefined);
    upstream?.abort();
  }
}
