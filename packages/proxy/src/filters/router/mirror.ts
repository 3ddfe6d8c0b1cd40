/**
 * A copy of a request that goes to another cluster as well. Nobody waits for it, and nobody sees what comes of it
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/route/v3/route_components.proto).
 */
import type { Cancel, Clock } from '../../clock.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { Host } from '../../cluster/host.ts';
import { portStart } from '../../http/authority.ts';
import type { HeaderList } from '../../http/header-list.ts';
import type { RequestHead, ResponseHead } from '../../http/message.ts';
import type { RequestStream, ResponseListener, UpstreamReset } from '../../http/stream.ts';
import { Pieces } from '../../net/pieces.ts';
import type { Pool, PoolConnection, PoolWaiter } from '../../pool/pool.ts';
import type { MirrorPolicy } from '../../stack/mirror-policy.ts';
import { peerNameOf } from '../../upstream/peer-name.ts';
import { resetReply } from './replies.ts';
import { AttemptCount, countStatus } from './upstream-attempt.ts';

/** `shop:8080` as `shop-shadow:8080`. */
export function shadowAuthority(authority: string): string {
  const colon = portStart(authority);
  return colon === -1 ? `${authority}-shadow` : `${authority.slice(0, colon)}-shadow${authority.slice(colon)}`;
}

function setSampled(headers: HeaderList, isSampled: boolean): void {
  const flag = isSampled ? '1' : '0';
  const parent = headers.get('traceparent');
  if (parent !== undefined) headers.set('traceparent', parent.replace(/[0-9a-f]{2}$/, `0${flag}`));
  if (headers.has('x-b3-sampled')) headers.set('x-b3-sampled', flag);
}

/** The head of the copy: that of the request, for somebody else. */
export function mirroredHead(head: RequestHead, policy: MirrorPolicy, localHost: string): RequestHead {
  const copy = head.clone();
  const { headers } = copy;
  if (policy.appendsSuffix) copy.authority = shadowAuthority(copy.authority);
  if (policy.isTraced !== undefined) setSampled(headers, policy.isTraced);
  headers.set('x-envoy-internal', 'true');
  const forwardedFor = headers.joined('x-forwarded-for');
  if (localHost !== '') headers.set('x-forwarded-for', forwardedFor ? `${forwardedFor},${localHost}` : localHost);
  return copy;
}

export interface MirrorOptions {
  readonly cluster: Cluster;
  readonly head: RequestHead;
  readonly clock: Clock;
  /** 0: no limit. */
  readonly timeoutMs: number;
  /** Bytes of the body that wait for a connection, or for one that is slow; beyond them the copy is given up. */
  readonly bufferLimit: number;
}

export class Mirror implements PoolWaiter, ResponseListener {
  readonly #options: MirrorOptions;
  #pool: Pool | undefined;
  #host: Host | undefined;
  #stream: RequestStream | undefined;
  #count: AttemptCount | undefined;
  #cancelTimeout: Cancel | undefined;
  readonly #waiting = new Pieces();
  #trailers: HeaderList | undefined;
  #isRequestComplete = false;
  #isSlow = false;
  #isOver = false;

  constructor(options: MirrorOptions) {
    this.#options = options;
  }

  /** `end`: there is no body. */
  start(end: boolean): void {
    const { cluster, head } = this.#options;
    this.#isRequestComplete = end;
    if (end) this.#startTimeout();
    const host = cluster.pick();
    if (!host) {
      cluster.stats.upstream_cx_none_healthy++;
      this.#fail(503);
      return;
    }
    this.#host = host;
    this.#pool = cluster.pool(host, head.protocol, 'DEFAULT', undefined, peerNameOf(cluster, head));
    this.#pool.acquire(this);
  }

  #startTimeout(): void {
    const { clock, timeoutMs, cluster } = this.#options;
    if (timeoutMs <= 0) return;
    this.#cancelTimeout = clock.after(timeoutMs, () => {
      cluster.stats.upstream_rq_timeout++;
      this.#count?.timedOut();
      this.#fail(504);
    });
  }

  onPoolReady(connection: PoolConnection): void {
    const { cluster, clock, head } = this.#options;
    this.#pool = undefined;
    this.#count = new AttemptCount(cluster, this.#host as Host, clock, {
      protocol: connection.protocol,
      origin: 'internal',
    });
    const stream = connection.begin(this);
    this.#stream = stream;
    const isWhole = this.#isRequestComplete && this.#waiting.bytes === 0 && this.#trailers === undefined;
    stream.sendHead(head, isWhole);
    this.#flush();
    if (this.#isRequestComplete && !isWhole) this.#stream?.sendEnd(this.#trailers);
  }

  #flush(): void {
    for (const chunk of this.#waiting.take()) if (this.#stream?.sendBody(chunk) === false) this.#isSlow = true;
  }

  // The request, as it comes.

  body(chunk: Buffer): void {
    if (this.#isOver) return;
    if (this.#stream && !this.#isSlow) {
      if (!this.#stream.sendBody(chunk)) this.#isSlow = true;
      return;
    }
    this.#waiting.add(chunk);
    if (this.#waiting.bytes <= this.#options.bufferLimit) return;
    this.#options.cluster.stats.retry_or_shadow_abandoned++;
    this.cancel();
  }

  end(trailers: HeaderList | undefined): void {
    if (this.#isOver || this.#isRequestComplete) return;
    this.#isRequestComplete = true;
    this.#trailers = trailers?.clone();
    this.#startTimeout();
    if (this.#stream && !this.#isSlow) this.#stream.sendEnd(this.#trailers);
  }

  /** The request ended before all of it had come: so does its copy. */
  cancelIfPartial(): void {
    if (!this.#isRequestComplete) this.cancel();
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#pool?.cancel(this);
    if (this.#stream) this.#count?.takenBack();
    this.#stream?.abort();
    this.#close(false);
  }

  onUpstreamDrain(): void {
    if (!this.#isSlow || this.#isOver) return;
    this.#isSlow = false;
    this.#flush();
    if (this.#isRequestComplete && !this.#isSlow) this.#stream?.sendEnd(this.#trailers);
  }

  // The response, which is thrown away.

  onUpstreamInformational(head: ResponseHead): void {
    this.#count?.informed(head);
  }

  onUpstreamHead(head: ResponseHead): void {
    this.#count?.answered(head, false);
  }

  onUpstreamBody(): void {
    // Nobody reads it.
  }

  onUpstreamEnd(): void {
    this.#close(true);
  }

  onPoolFailure(reset: UpstreamReset): void {
    this.#pool = undefined;
    this.onUpstreamReset(reset);
  }

  onUpstreamReset(reset: UpstreamReset): void {
    this.#stream = undefined;
    if (this.#isOver) return;
    if (this.#host) this.#host.requestsFailed++;
    if (reset.type !== 'overflow' && !reset.isReused) this.#host?.outlier?.unreachable();
    this.#count?.broken(reset);
    this.#fail(resetReply(reset, false).status);
  }

  #fail(status: number): void {
    if (this.#isOver) return;
    countStatus(this.#options.cluster, status, 'internal');
    this.#pool?.cancel(this);
    this.#stream?.abort();
    this.#close(false);
  }

  #close(isComplete: boolean): void {
    this.#isOver = true;
    this.#pool = undefined;
    this.#stream = undefined;
    this.#waiting.take();
    this.#count?.end(isComplete);
    this.#cancelTimeout?.();
  }
}

/** The copies of one request. */
export class Mirrors {
  readonly #mirrors: readonly Mirror[];

  constructor(mirrors: readonly Mirror[]) {
    this.#mirrors = mirrors;
  }

  start(end: boolean): void {
    for (const mirror of this.#mirrors) mirror.start(end);
  }

  body(chunk: Buffer): void {
    for (const mirror of this.#mirrors) mirror.body(chunk);
  }

  end(trailers: HeaderList | undefined): void {
    for (const mirror of this.#mirrors) mirror.end(trailers);
  }

  /** The request is over: copies that are whole go on by themselves. */
  close(): void {
    for (const mirror of this.#mirrors) mirror.cancelIfPartial();
  }
}

export interface MirrorContext {
  readonly findCluster: (name: string) => Cluster | undefined;
  readonly clock: Clock;
  readonly bufferLimit: number;
  readonly timeoutMs: number;
  /** Of this side of the client's connection, for `x-forwarded-for`. */
  readonly localHost: string;
}

/** Copies of a request whose head is finished, as the policies have it; undefined where there are none. */
export function mirrorsOf(
  policies: readonly MirrorPolicy[],
  head: RequestHead,
  { findCluster, localHost, ...options }: MirrorContext,
): Mirrors | undefined {
  if (head.upgrade !== undefined || head.method === 'CONNECT') return undefined;
  const mirrors = policies.flatMap((policy): readonly Mirror[] => {
    const name = policy.cluster(head);
    const cluster = name === undefined ? undefined : findCluster(name);
    return cluster ? [new Mirror({ ...options, cluster, head: mirroredHead(head, policy, localHost) })] : [];
  });
  return mirrors.length === 0 ? undefined : new Mirrors(mirrors);
}
