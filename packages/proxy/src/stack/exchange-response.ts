/**
 * The response to one request, on its way to the client: the upstream's from {@link ExchangeResponse.sendResponseHead} to
 * {@link ExchangeResponse.sendResponseEnd}, or one that the proxy makes itself.
 */
import type { HeaderList } from '../http/header-list.ts';
import { hasNoBody, type RequestHead, ResponseHead } from '../http/message.ts';
import type { ResponseStream } from '../http/stream.ts';
import { isGrpcRequest } from './grpc.ts';
import { applyChanges } from './header-changes.ts';
import type { HttpManager } from './http-manager.ts';
import type { LocalReply } from './local-reply.ts';
import { ResponseThrottle, type ThrottledSink } from './response-throttle.ts';
import type { Route, WeightedCluster } from './route-table.ts';
import type { StreamInfo } from './stream-info.ts';
import type { StreamTimers } from './timers.ts';

const BAD_REQUEST = 400;
const BAD_GATEWAY = 502;

export abstract class ExchangeResponse implements ThrottledSink {
  readonly head: RequestHead;
  readonly info: StreamInfo;
  readonly timers: StreamTimers;
  protected readonly manager: HttpManager;
  protected readonly stream: ResponseStream;
  /** Undefined where no route is for the request. */
  route: Route | undefined;
  /** Of the route's weighted clusters; undefined where it has none. */
  choice: WeightedCluster | undefined;
  protected isRequestComplete: boolean;
  /** How much of the response the client was sent. */
  protected progress: 'awaited' | 'begun' | 'complete' = 'awaited';
  protected isTunnel = false;
  /** Counted and logged. */
  protected isOver = false;
  protected throttle: ResponseThrottle | undefined;
  /** What filters do with the head, the first of them first. */
  protected responseChanges: ((head: ResponseHead) => void)[] | undefined;
  /** What filters do with the trailers, the first of them first. */
  protected responseTrailerChanges: ((trailers: HeaderList) => void)[] | undefined;

  constructor(manager: HttpManager, head: RequestHead, info: StreamInfo, stream: ResponseStream, timers: StreamTimers) {
    this.manager = manager;
    this.head = head;
    this.info = info;
    this.stream = stream;
    this.timers = timers;
    this.isRequestComplete = head.bodyLength === 0 && head.upgrade === undefined && head.method !== 'CONNECT';
    info.request = head;
  }

  // What the request's side adds.

  /** Has filters that the request has not come to see an answer. */
  protected abstract filterEarlyAnswer(head: ResponseHead): void;
  /** The client takes more of the response. */
  protected abstract onResponseDrain(): void;
  /** The exchange is over: counts and logs it, once. */
  protected abstract finish(): void;

  /** Something moved on the stream: it is not idle. */
  protected moved(): void {
    const action = this.route?.action;
    const ofRoute = action?.type === 'forward' ? action.config.idle_timeout : undefined;
    this.timers.idle.set(ofRoute ?? this.manager.streamIdleMs);
  }

  // The response of the upstream: head, body, end.

  sendInformational(head: ResponseHead): void {
    if (head.status === 100 && !this.manager.proxiesContinue) return;
    this.stream.sendInformational(head);
  }

  sendResponseHead(head: ResponseHead, end: boolean): void {
    const { info } = this;
    info.response = head;
    this.#changeResponse(head, this.route as Route);
    this.#filterResponse(head);
    if (head.status === 101 || (this.head.method === 'CONNECT' && head.status < 300)) this.#becomeTunnel(head);
    // Of HTTP/2, success would say that the tunnel stands (RFC 8441, 4), which the upstream did not grant.
    else if (this.head.upgrade !== undefined && this.head.protocol === 'HTTP/2' && head.status < 300) {
      head.status = BAD_GATEWAY;
    }
    this.#sendHead(head, end && !this.isTunnel);
  }

  #changeResponse({ headers }: ResponseHead, route: Route): void {
    if (this.choice) applyChanges(this.choice.responseChanges, headers, this.info);
    applyChanges(route.responseChanges, headers, this.info);
  }

  /** The filters, the last first: each sees what those after it made of the response. */
  #filterResponse(head: ResponseHead): void {
    this.filterEarlyAnswer(head);
    const changes = this.responseChanges;
    if (!changes) return;
    this.responseChanges = undefined;
    for (let i = changes.length - 1; i >= 0; i--) changes[i]?.(head);
  }

  onResponse(change: (head: ResponseHead) => void): void {
    this.responseChanges ??= [];
    this.responseChanges.push(change);
  }

  onResponseTrailers(change: (trailers: HeaderList) => void): void {
    this.responseTrailerChanges ??= [];
    this.responseTrailerChanges.push(change);
  }

  #becomeTunnel(head: ResponseHead): void {
    this.isTunnel = true;
    if (this.head.method === 'CONNECT') head.headers.remove('content-length');
    this.manager.tunnelBegun();
    this.stream.becomeTunnel();
  }

  /** What every head of a response goes through, whoever made it. */
  #sendHead(head: ResponseHead, end: boolean): void {
    this.progress = 'begun';
    this.moved();
    this.info.firstResponseSentMs = this.manager.clock.monotonicMs();
    this.info.trace?.answered(head);
    this.manager.finisher.finish(head, this.head);
    this.stream.sendHead(head, end);
    if (this.isTunnel && this.manager.logMoments.atTunnel) {
      this.manager.log(this.info, 'DownstreamTunnelSuccessfullyEstablished');
    }
  }

  sendResponseBody(chunk: Buffer): boolean {
    if (this.isOver) return true;
    return this.throttle ? this.throttle.write(chunk) : this.passBody(chunk);
  }

  passBody(chunk: Buffer): boolean {
    this.info.bytesSent += chunk.length;
    this.moved();
    return this.stream.sendBody(chunk);
  }

  onDownstreamDrain(): void {
    this.moved();
    if (this.throttle) this.throttle.resume();
    else this.onResponseDrain();
  }

  onThrottleDrain(): void {
    this.onResponseDrain();
  }

  throttleResponse(bytesPerSecond: number): void {
    this.throttle = new ResponseThrottle(bytesPerSecond, this.manager.clock, this);
  }

  sendResponseEnd(trailers: HeaderList | undefined): void {
    if (this.isOver) return;
    const changes = this.responseTrailerChanges;
    if (changes && trailers) for (let i = changes.length - 1; i >= 0; i--) changes[i]?.(trailers);
    if (!this.throttle) {
      this.passEnd(trailers);
      return;
    }
    // The upstream has done its part: what takes time now is the client's.
    this.timers.route.clear();
    this.throttle.end(trailers);
  }

  passEnd(trailers: HeaderList | undefined): void {
    this.progress = 'complete';
    this.info.responseTrailers = trailers;
    const isDone = !this.isTunnel || this.isRequestComplete;
    // What is counted and logged comes first: the codec may go on to the next request at once.
    if (isDone) this.finish();
    this.stream.sendEnd(trailers);
  }

  abortResponse(flag: number, details: string): void {
    if (this.isOver) return;
    this.info.flags |= flag;
    this.info.responseDetails = details;
    this.manager.stats.downstream_rq_tx_reset++;
    // Envoy counts those whose success was still to be told.
    if (isGrpcRequest(this.head)) this.manager.stats.rq_reset_after_downstream_response_started++;
    this.finish();
    this.stream.abort();
  }

  // The response of the proxy itself.

  /** The answer of the route or the router: what the route changes of an upstream's it changes of this. */
  reply(reply: LocalReply): void {
    this.#reply(reply, this.route);
  }

  /** The answer of whoever stands before them: it is changed so where the route would have led to an upstream. */
  answer(reply: LocalReply): void {
    this.#reply(reply, this.route?.action.type === 'forward' && !reply.isWhole ? this.route : undefined);
  }

  #reply(reply: LocalReply, route: Route | undefined): void {
    if (this.isOver || this.progress !== 'awaited') return;
    const { info } = this;
    info.flags |= reply.flags;
    info.responseDetails = reply.details;
    const head = new ResponseHead(reply.status);
    info.response = head;
    if (route) this.#changeResponse(head, route);
    const made = this.manager.localReplies.make(reply, info, head);
    this.#sendReply(made.head, made.body);
  }

  #sendReply(head: ResponseHead, body: Buffer): void {
    this.info.response = head;
    this.#filterResponse(head);
    if (head.status === BAD_REQUEST && !this.manager.keepsAfterBadRequest) this.stream.endAfter();
    const isBodyless = body.length === 0 || hasNoBody(this.head.method, head.status);
    this.#sendHead(head, isBodyless);
    this.progress = 'complete';
    if (!isBodyless) {
      this.info.bytesSent += body.length;
      this.stream.sendBody(body);
    }
    this.finish();
    this.stream.sendEnd(undefined);
  }
}
