/**
 * Calls that the proxy itself makes to a cluster, beside the requests that it passes on: authorization and rate limit
 * services, key sets, traces. They go through the cluster's balancer and pools as everything else does.
 */
import type { Clock } from '../clock.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import { AttemptCount, countStatus } from '../filters/router/upstream-attempt.ts';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead, type ResponseHead } from '../http/message.ts';
import type { RequestStream, ResponseListener, UpstreamReset } from '../http/stream.ts';
import { Pieces } from '../net/pieces.ts';
import type { Pool, PoolConnection, PoolWaiter } from '../pool/pool.ts';
import { isGrpcType } from '../stack/grpc.ts';
import { peerNameOf } from './peer-name.ts';

export interface UpstreamRequest {
  readonly cluster: string;
  readonly head: RequestHead;
  readonly body: Buffer;
  /** 0: no limit. */
  readonly timeoutMs: number;
  /** Longest answer that is taken; 1 MiB where it is not said. */
  readonly maxBytes?: number;
}

export interface UpstreamAnswer {
  readonly head: ResponseHead;
  readonly body: Buffer;
  readonly trailers: HeaderList | undefined;
}

/** A call that got no answer. */
export class UpstreamCallError extends Error {
  readonly type: 'no-cluster' | 'no-host' | 'timeout' | 'reset' | 'too-large' | 'cancelled' | 'grpc';
  /** The status of a gRPC call that was answered with an error; 14 (UNAVAILABLE) where none came. */
  readonly grpcStatus: number;

  constructor(type: UpstreamCallError['type'], message: string, grpcStatus = 14) {
    super(message);
    this.name = 'UpstreamCallError';
    this.type = type;
    this.grpcStatus = grpcStatus;
  }
}

export interface UnaryCall {
  readonly cluster: string;
  /** `/envoy.service.auth.v3.Authorization/Check` */
  readonly path: string;
  readonly message: Uint8Array;
  /** Sent as `:authority`; the cluster's name where it is not said. */
  readonly authority?: string;
  readonly metadata?: readonly (readonly [name: string, value: string])[];
  readonly timeoutMs: number;
}

export interface UpstreamCalls {
  /** Sends a whole request, gives the whole answer; rejects with {@link UpstreamCallError}. */
  request(request: UpstreamRequest, signal?: AbortSignal): Promise<UpstreamAnswer>;
  /** A unary gRPC call over HTTP/2: gives the answer's message; rejects with {@link UpstreamCallError}. */
  unary(call: UnaryCall, signal?: AbortSignal): Promise<Uint8Array>;
}

const DEFAULT_MAX_BYTES = 1_048_576;

/** Calls to the clusters that `findCluster` knows. */
export function upstreamCalls(findCluster: (name: string) => Cluster | undefined, clock: Clock): UpstreamCalls {
  const request: UpstreamCalls['request'] = (call, signal) =>
    new Promise((resolve, reject) => {
      const cluster = findCluster(call.cluster);
      if (!cluster) {
        reject(new UpstreamCallError('no-cluster', `there is no cluster ${call.cluster}`));
        return;
      }
      new Call(call, cluster, clock, signal, resolve, reject).start();
    });
  return { request, unary: (call, signal) => unary(request, call, signal) };
}

class Call implements ResponseListener, PoolWaiter {
  readonly #request: UpstreamRequest;
  readonly #cluster: Cluster;
  readonly #resolve: (answer: UpstreamAnswer) => void;
  readonly #reject: (error: UpstreamCallError) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #clock: Clock;
  readonly #cancelTimeout: () => void;
  readonly #body = new Pieces();
  #head: ResponseHead | undefined;
  #host: Host | undefined;
  #pool: Pool | undefined;
  #count: AttemptCount | undefined;
  #stream: RequestStream | undefined;
  #isOver = false;

  constructor(
    request: UpstreamRequest,
    cluster: Cluster,
    clock: Clock,
    signal: AbortSignal | undefined,
    resolve: (answer: UpstreamAnswer) => void,
    reject: (error: UpstreamCallError) => void,
  ) {
    this.#request = request;
    this.#cluster = cluster;
    this.#clock = clock;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
    const { timeoutMs } = request;
    this.#cancelTimeout =
      timeoutMs > 0
        ? clock.after(timeoutMs, () => this.#fail('timeout', `no answer came within ${timeoutMs} ms`, 4))
        : () => undefined;
  }

  start(): void {
    if (this.#signal?.aborted) {
      this.#fail('cancelled', 'the call was taken back', 1);
      return;
    }
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
    const host = this.#cluster.pick();
    if (!host) {
      this.#fail('no-host', `the cluster ${this.#cluster.name} has no host that takes requests`);
      return;
    }
    this.#host = host;
    const { head } = this.#request;
    const peer = peerNameOf(this.#cluster, head);
    this.#pool = this.#cluster.pool(host, head.protocol, 'DEFAULT', undefined, peer);
    this.#pool.acquire(this);
  }

  readonly #onAbort = (): void => this.#fail('cancelled', 'the call was taken back', 1);

  onPoolReady(connection: PoolConnection): void {
    const { head, body } = this.#request;
    this.#pool = undefined;
    this.#count = new AttemptCount(this.#cluster, this.#host as Host, this.#clock, {
      protocol: connection.protocol,
      origin: 'internal',
    });
    this.#stream = connection.begin(this);
    this.#stream.sendHead(head, body.length === 0);
    if (body.length === 0) return;
    this.#stream.sendBody(body);
    this.#stream.sendEnd(undefined);
  }

  onPoolFailure(reset: UpstreamReset): void {
    this.onUpstreamReset(reset);
  }

  onUpstreamReset(reset: UpstreamReset): void {
    this.#stream = undefined;
    this.#pool = undefined;
    this.#count?.broken(reset);
    this.#fail('reset', reset.text === '' ? reset.type.replaceAll('-', ' ') : reset.text);
  }

  onUpstreamInformational(): void {
    // The answer proper follows.
  }

  onUpstreamHead(head: ResponseHead): void {
    this.#head = head;
    this.#count?.answered(head, isGrpcType(this.#request.head.headers.get('content-type')));
  }

  onUpstreamBody(chunk: Buffer): void {
    const maxBytes = this.#request.maxBytes ?? DEFAULT_MAX_BYTES;
    if (this.#body.bytes + chunk.length > maxBytes)
      this.#fail('too-large', `the answer is longer than ${maxBytes} bytes`, 8);
    else this.#body.add(chunk);
  }

  onUpstreamEnd(trailers: HeaderList | undefined): void {
    this.#stream = undefined;
    if (!this.#over(true)) return;
    this.#resolve({ head: this.#head as ResponseHead, body: Buffer.concat(this.#body.list), trailers });
  }

  onUpstreamDrain(): void {
    // The whole body was handed over already.
  }

  #fail(type: UpstreamCallError['type'], message: string, grpcStatus?: number): void {
    if (!this.#over(false)) return;
    this.#countFailure(type);
    this.#pool?.cancel(this);
    this.#stream?.abort();
    this.#reject(new UpstreamCallError(type, `${this.#request.cluster}: ${message}`, grpcStatus));
  }

  /** What the cluster counts where Envoy's router would answer in the upstream's place. */
  #countFailure(type: UpstreamCallError['type']): void {
    const { stats } = this.#cluster;
    if (type === 'timeout') {
      stats.upstream_rq_timeout++;
      this.#count?.timedOut();
      if (this.#stream) this.#count?.takenBack();
      if (!this.#head) countStatus(this.#cluster, 504, 'internal');
    } else if (type === 'reset') {
      if (!this.#head) countStatus(this.#cluster, 503, 'internal');
    } else if (type === 'no-host') {
      stats.upstream_cx_none_healthy++;
      countStatus(this.#cluster, 503, 'internal');
    }
  }

  /** Whether the call was not over before. `isComplete`: with a whole answer. */
  #over(isComplete: boolean): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#count?.end(isComplete);
    this.#cancelTimeout();
    this.#signal?.removeEventListener('abort', this.#onAbort);
    return true;
  }
}

const FRAME_HEAD_BYTES = 5;

/** https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
async function unary(request: UpstreamCalls['request'], call: UnaryCall, signal?: AbortSignal): Promise<Uint8Array> {
  const headers = new HeaderList(['content-type', 'application/grpc', 'te', 'trailers']);
  if (call.timeoutMs > 0) headers.add('grpc-timeout', `${Math.ceil(call.timeoutMs)}m`);
  for (const [name, value] of call.metadata ?? []) headers.add(name, value);
  const head = new RequestHead('POST', call.path, call.authority ?? call.cluster, 'http', headers);
  head.protocol = 'HTTP/2';
  head.bodyLength = -1;
  const body = Buffer.allocUnsafe(FRAME_HEAD_BYTES + call.message.length);
  body[0] = 0;
  body.writeUInt32BE(call.message.length, 1);
  body.set(call.message, FRAME_HEAD_BYTES);
  const answer = await request({ cluster: call.cluster, head, body, timeoutMs: call.timeoutMs }, signal);
  const status = (answer.trailers ?? answer.head.headers).get('grpc-status') ?? answer.head.headers.get('grpc-status');
  if (answer.head.status !== 200 || status !== '0') {
    const message = (answer.trailers ?? answer.head.headers).get('grpc-message') ?? `HTTP status ${answer.head.status}`;
    throw new UpstreamCallError('grpc', `${call.cluster}: ${decoded(message)}`, Number(status ?? 14));
  }
  const length = answer.body.length >= FRAME_HEAD_BYTES ? answer.body.readUInt32BE(1) : -1;
  if (answer.body[0] !== 0 || length !== answer.body.length - FRAME_HEAD_BYTES) {
    throw new UpstreamCallError('grpc', `${call.cluster}: the answer is not one message without compression`, 13);
  }
  return answer.body.subarray(FRAME_HEAD_BYTES);
}

function decoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    // Not percent-encoded as gRPC asks: what came says more than nothing.
    return message;
  }
}
