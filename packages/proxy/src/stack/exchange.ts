/**
 * One request of a client: from the listener's codec through the filters to the router. It reads from top to bottom, from
 * {@link Exchange.begin} on; what it does among filters stands in {@link FilteredExchange}, and the way back, that of the
 * response, in `exchange-response.ts`.
 */
import type { LogType } from '../config/log-filter.ts';
import { applyMutations } from '../filters/header-mutation/mutate.ts';
import { RequestHold } from '../filters/request-hold.ts';
import type { RouterOwner } from '../filters/router/router.ts';
import { RouterRequest } from '../filters/router/router-request.ts';
import type { HeaderList } from '../http/header-list.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { reasonPhrase } from '../http/status.ts';
import type { RequestListener, ResponseStream } from '../http/stream.ts';
import { countDownstreamClass } from '../stats/groups.ts';
import { UNDERSCORES } from './clean-request.ts';
import { FilteredExchange } from './filtered-exchange.ts';
import { forward } from './forwarded.ts';
import type { HttpManager } from './http-manager.ts';
import { InternalRedirects, type RedirectPolicy } from './internal-redirect.ts';
import type { LocalReply } from './local-reply.ts';
import { clusterOf } from './rate-limit-actions.ts';
import { FLAG } from './response-flags.ts';
import { directReply, redirectReply } from './route-reply.ts';
import type { ForwardAction, Route } from './route-table.ts';
import { streamDurationMs } from './stream-duration.ts';
import type { StreamInfo } from './stream-info.ts';
import type { StreamTimers, TimerOwner } from './timers.ts';

const NO_ROUTE: LocalReply = { status: 404, body: '', flags: FLAG.NR, details: 'route_not_found' };
const NO_UPGRADE: LocalReply = { status: 403, body: '', flags: 0, details: 'upgrade_failed' };
const REQUEST_TIMEOUT: LocalReply = {
  status: 408,
  body: 'request timeout',
  flags: 0,
  details: 'request_overall_timeout',
};

export class Exchange extends FilteredExchange implements RequestListener, RouterOwner, TimerOwner {
  #redirects: InternalRedirects | undefined;
  /** The answer where a redirect leads to what cannot be asked for. */
  #wrongTarget: LocalReply | undefined;
  #router: RouterRequest | undefined;
  #isPaused = false;
  #stopLogging: (() => void) | undefined;

  constructor(manager: HttpManager, head: RequestHead, info: StreamInfo, stream: ResponseStream, timers: StreamTimers) {
    super(manager, head, info, stream, timers);
    timers.owner = this;
  }

  // The request.

  begin(): void {
    const { head, info } = this;
    const manager = this.manager;
    manager.begun(head);
    this.timers.idle.set(manager.streamIdleMs);
    if (manager.maxStreamMs > 0) this.timers.duration.set(manager.maxStreamMs);
    if (!this.isRequestComplete) this.timers.request.set(manager.requestTimeoutMs);
    else info.lastRequestByteMs = info.startMs;

    if (manager.earlyMutations) applyMutations(manager.earlyMutations, head.headers, info);
    const refusal = manager.cleaner.clean(head, info.downstream.tls !== undefined);
    if (refusal) {
      if (refusal === UNDERSCORES) this.#isNoRequest();
      this.answer(refusal);
      return;
    }
    const stranger = forward(head, info, manager.forwarded);
    if (stranger) {
      manager.stats.downstream_rq_rejected_via_ip_detection++;
      this.answer(stranger);
      return;
    }
    this.chooseRouteAgain();
    if (this.route && !manager.allowsUpgrade(head, this.route)) {
      manager.stats.downstream_rq_ws_on_non_ws_route++;
      this.answer(NO_UPGRADE);
      return;
    }
    if (manager.tracing) info.trace = manager.tracing.begin(head, this.route);
    if (manager.logMoments.atBegin) this.#log('DownstreamStart');
    if (manager.logMoments.everyMs > 0) this.#logLater();
    this.filter();
  }

  /** What came is, by its names, no request: nothing is told of it but that, and the connection ends. */
  #isNoRequest(): void {
    this.manager.stats.downstream_cx_protocol_error++;
    this.info.request = undefined;
    this.stream.endAfter();
  }

  /** Names the cluster that the request is on its way to, for who looks at it before the router does, or in its place. */
  #nameCluster(): void {
    const { info } = this;
    if (info.cluster !== '' || this.route?.action.type !== 'forward') return;
    const { choice } = this;
    const ofField = choice && choice.header !== '' ? this.head.headers.get(choice.header) : choice?.name;
    const name = (choice ? ofField : clusterOf(this)) ?? '';
    const cluster = this.manager.router.findCluster(name);
    if (!cluster) return;
    info.cluster = name;
    info.clusterConfig = cluster.config;
  }

  #log(type: LogType): void {
    this.#nameCluster();
    this.manager.log(this.info, type);
  }

  /** Logs the request again and again until it ends. */
  #logLater(): void {
    const { clock, logMoments } = this.manager;
    this.#stopLogging = clock.after(logMoments.everyMs, () => {
      this.#log('DownstreamPeriodic');
      this.#logLater();
    });
  }

  chooseRouteAgain(): void {
    const { info } = this;
    const route = this.manager.routes.current?.match(this.head, info);
    this.route = route;
    this.choice =
      route?.action.type === 'forward' && route.action.choose
        ? route.action.choose(this.head, info, this.manager.router.random)
        : undefined;
    info.route = route;
    info.routeName = route?.name ?? '';
    info.virtualHostName = route?.virtualHost.name ?? '';
    if (route?.action.type === 'forward') this.#limitDuration(route.action);
  }

  #limitDuration({ config }: ForwardAction): void {
    const { maxStreamMs, clock } = this.manager;
    if (!config.max_stream_duration && maxStreamMs === 0) return;
    const limitMs = streamDurationMs(this.head, config.max_stream_duration, maxStreamMs);
    if (limitMs === undefined) this.timers.duration.clear();
    else this.timers.duration.set(Math.max(1, limitMs - (clock.monotonicMs() - this.info.startMs)));
  }

  protected filtered(): void {
    const route = this.route;
    this.manager.stats.rq_total++;
    if (!route) {
      this.manager.stats.no_route++;
      this.answer(NO_ROUTE);
      return;
    }
    if (this.head.expectsContinue) this.continueRequest();
    this.#act(route);
  }

  #act(route: Route): void {
    const { action } = route;
    const { stats } = this.manager;
    switch (action.type) {
      case 'redirect':
        // To Envoy's router a redirect is a response of the route like others.
        stats.rq_direct_response++;
        this.reply(redirectReply(action.config, this.head, route));
        return;
      case 'direct':
        stats.rq_direct_response++;
        this.reply(directReply(action.config, this.head, route, this.info));
        return;
      case 'forward': {
        this.timers.idle.set(action.config.idle_timeout ?? this.manager.streamIdleMs);
        this.#router = new RouterRequest(this, route, action, this.manager.router);
        this.#startRouter(this.#router);
      }
    }
  }

  #startRouter(router: RouterRequest): void {
    const hold = this.hold;
    this.hold = undefined;
    if (!hold) {
      router.start(this.isRequestComplete);
      return;
    }
    const { chunks, trailers } = hold;
    if (trailers) this.changeTrailers(trailers);
    const isEmpty = chunks.length === 0 && trailers === undefined;
    router.start(this.isRequestComplete && isEmpty);
    this.resumeRequest();
    for (const chunk of chunks) router.onRequestBody(chunk);
    if (this.isRequestComplete && !isEmpty) router.onRequestEnd(trailers);
  }

  followRedirect(response: ResponseHead, policy: RedirectPolicy): boolean {
    this.#redirects ??= new InternalRedirects(this.manager.stats);
    // Where it leads is cleaned first: policies of redirects, routes and filters all see the one form.
    const find = (head: RequestHead) => {
      this.#wrongTarget = this.manager.cleaner.cleanTarget(head);
      return this.manager.routes.current?.match(head, this.info);
    };
    return this.#redirects.follow(this.head, response, this.route as Route, policy, find);
  }

  /** From the first filter on, as if the client had sent it so; what filters did for the request before is over. */
  beginAgain(body: readonly Buffer[], trailers: HeaderList | undefined): void {
    this.#router = undefined;
    this.responseChanges = undefined;
    this.responseTrailerChanges = undefined;
    this.filterAgain();
    if (body.length > 0 || trailers) {
      this.hold = new RequestHold();
      for (const chunk of body) this.hold.add(chunk);
      this.hold.end(trailers);
    }
    this.chooseRouteAgain();
    if (this.#wrongTarget) this.answer(this.#wrongTarget);
    else this.filter();
  }

  onRequestBody(chunk: Buffer): void {
    this.info.bytesReceived += chunk.length;
    if (this.isOver) return;
    this.moved();
    if (this.hold) {
      this.hold.add(chunk);
      if (this.hold?.isFull) this.pauseRequest();
    } else this.#router?.onRequestBody(chunk);
  }

  onRequestEnd(trailers: HeaderList | undefined): void {
    if (this.isRequestComplete || this.isOver) return;
    this.isRequestComplete = true;
    this.info.lastRequestByteMs = this.manager.clock.monotonicMs();
    this.timers.request.clear();
    if (this.hold) this.hold.end(trailers);
    else {
      if (trailers) this.changeTrailers(trailers);
      this.#router?.onRequestEnd(trailers);
    }
    if (this.isTunnel && this.progress === 'complete') this.finish();
  }

  onRequestMalformed(status: number, detail: string): void {
    this.manager.stats.downstream_cx_protocol_error++;
    this.info.flags |= FLAG.DPE;
    if (this.isOver) return;
    this.#router?.close(false);
    if (this.progress !== 'awaited') this.abortResponse(FLAG.DPE, detail);
    else this.answer({ status, body: reasonPhrase(status), flags: FLAG.DPE, details: detail });
  }

  onDownstreamReset(cause: 'stream' | 'connection'): void {
    if (this.isOver) return;
    this.manager.stats.downstream_rq_rx_reset++;
    this.info.flags |= cause === 'stream' ? FLAG.DR : FLAG.DC;
    this.info.responseDetails = cause === 'stream' ? 'http2.remote_reset' : 'downstream_remote_disconnect';
    this.finish();
  }

  pauseRequest(): void {
    if (this.isRequestComplete || this.#isPaused) return;
    this.#isPaused = true;
    this.stream.pauseRequest();
  }

  resumeRequest(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.stream.resumeRequest();
  }

  protected onResponseDrain(): void {
    this.#router?.onDownstreamDrain();
  }

  // Deadlines.

  onStreamIdle(): void {
    const { stats } = this.manager;
    stats.downstream_rq_idle_timeout++;
    if (this.progress !== 'awaited') {
      this.#router?.close(false);
      this.abortResponse(FLAG.SI, 'stream_idle_timeout');
      return;
    }
    const status = this.isRequestComplete ? 504 : 408;
    this.#router?.close(false);
    this.answer({ status, body: 'stream timeout', flags: FLAG.SI, details: 'stream_idle_timeout' });
  }

  onRequestTimeout(): void {
    this.manager.stats.downstream_rq_timeout++;
    this.#router?.close(false);
    if (this.progress !== 'awaited') this.abortResponse(FLAG.DT, 'request_overall_timeout');
    else this.answer(REQUEST_TIMEOUT);
  }

  onRouteTimeout(): void {
    this.#router?.onRouteTimeout();
  }

  onTryTimeout(): void {
    this.#router?.onTryTimeout();
  }

  onDurationReached(): void {
    this.manager.stats.downstream_rq_max_duration_reached++;
    this.#router?.close(false);
    const details = 'max_duration_timeout';
    if (this.progress !== 'awaited') {
      this.abortResponse(0, details);
      return;
    }
    const status = this.isRequestComplete ? 504 : 408;
    this.answer({ status, body: 'downstream duration timeout', flags: 0, details, grpcStatus: 4 });
  }

  // The end.

  /** Counts and logs, once. */
  protected finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    const { info } = this;
    this.#stopLogging?.();
    info.endMs = this.manager.clock.monotonicMs();
    if (this.progress === 'complete') info.lastResponseSentMs = info.endMs;
    const isWhole = this.progress === 'complete' && this.isRequestComplete;
    this.#router?.close(isWhole);
    if (this.timers.owner === this) this.timers.clear();
    this.throttle?.close();
    if (info.response && !info.isHealthCheck) countDownstreamClass(this.manager.stats, info.response.status);
    if (this.progress === 'complete' && !this.isRequestComplete) {
      this.manager.stats.downstream_rq_response_before_rq_complete++;
    }
    if (this.isTunnel) this.manager.tunnelEnded();
    this.#nameCluster();
    info.trace?.end(info);
    this.runEnd();
    this.manager.ended(info);
  }
}
