/**
 * Delays requests, answers them with an error, and slows responses down, for a share of requests, so that it can be seen
 * how callers take it (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/fault_filter).
 * Envoy throws the dice a second time for requests that name the service that they come from, so that they meet more
 * faults than the share says; here a value of the runtime for that service counts where it is set, and nothing else.
 */
import type { RuntimeShare } from '../../config/runtime.ts';
import type { RequestHead } from '../../http/message.ts';
import { clusterOf } from '../../stack/rate-limit-actions.ts';
import { FLAG } from '../../stack/response-flags.ts';
import { headerMatches } from '../../stack/route-match.ts';
import type { FilterContext, FilteredRequest, FilterVerdict, HttpFilter } from '../filter.ts';
import type { AbortWith, FaultSettings } from './schema.ts';
import { FaultCounts } from './stats.ts';

/** A number that a field of the request holds; undefined where it is not there, or none. */
function fieldNumber(head: RequestHead, name: string): number | undefined {
  const text = head.headers.get(name);
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** What fields of the request ask for is a part of what the configuration allows. */
function limited(share: RuntimeShare, head: RequestHead, name: string): RuntimeShare {
  const asked = fieldNumber(head, name);
  return asked === undefined ? share : { ...share, numerator: Math.min(asked, share.numerator) };
}

function abortOfHeaders(head: RequestHead): AbortWith {
  const status = fieldNumber(head, 'x-envoy-fault-abort-request') ?? 0;
  return {
    httpStatus: status >= 200 && status < 600 ? status : undefined,
    grpcStatus: fieldNumber(head, 'x-envoy-fault-abort-grpc-request'),
  };
}

class FaultFilter implements HttpFilter {
  readonly #own: FaultSettings;
  readonly context: FilterContext;
  readonly counts: FaultCounts;

  constructor(own: FaultSettings, context: FilterContext) {
    this.#own = own;
    this.context = context;
    this.counts = new FaultCounts(context.stats, context.statPrefix, context.counts);
  }

  onRequest(request: FilteredRequest, levels: Parameters<HttpFilter['onRequest']>[1]): FilterVerdict {
    const level = levels.at(-1);
    const settings = level?.type === 'fault' ? level.value : this.#own;
    const { delay, abort, limit } = settings;
    if ((!delay && !abort && !limit) || !isMeant(settings, request)) return 'pass';
    return new Faults(this, settings, request).begin();
  }
}

/** Whether requests like this one are to meet faults. */
function isMeant({ config, downstreamNodes }: FaultSettings, request: FilteredRequest): boolean {
  const { head } = request;
  if (config.upstream_cluster !== '' && clusterOf(request) !== config.upstream_cluster) return false;
  if (downstreamNodes && !downstreamNodes.has(head.headers.get('x-envoy-downstream-service-node') ?? '')) return false;
  return config.headers.every((header) => headerMatches(header, head));
}

/** The faults of one request. */
class Faults {
  readonly #filter: FaultFilter;
  readonly #settings: FaultSettings;
  readonly #request: FilteredRequest;
  /** The service that the request says it comes from; '' where it does not. */
  readonly #service: string;
  #isActive = false;

  constructor(filter: FaultFilter, settings: FaultSettings, request: FilteredRequest) {
    this.#filter = filter;
    this.#settings = settings;
    this.#request = request;
    this.#service = request.head.headers.get('x-envoy-downstream-service-cluster') ?? '';
  }

  begin(): FilterVerdict {
    this.#throttle();
    const delayMs = this.#delayMs();
    if (delayMs > 0 && this.#activate()) {
      this.#delay(delayMs);
      return 'stop';
    }
    return this.#abort() ? 'stop' : 'pass';
  }

  /** The name of a value of the runtime for the service that the request comes from. */
  #key(name: string): string {
    return this.#service === '' ? '' : `fault.http.${this.#service}.${name}`;
  }

  #isChosen(share: RuntimeShare, keyOfService: string): boolean {
    const { runtime } = this.#filter.context;
    if (runtime.isEnabled(share)) return true;
    const key = this.#key(keyOfService);
    return key !== '' && runtime.text(key) !== undefined && runtime.isEnabled({ ...share, key });
  }

  /** The number that the runtime has in place of `given`, that of the service before that for all. */
  #number(key: string, keyOfService: string, given: number): number {
    const { runtime } = this.#filter.context;
    return runtime.integer(this.#key(keyOfService), runtime.integer(key, given));
  }

  /** Counts this request among those with faults; false: there are as many as there may be. */
  #activate(): boolean {
    if (this.#isActive) return true;
    const { counts, context } = this.#filter;
    const { max_active_faults: max, max_active_faults_runtime: key } = this.#settings.config;
    if (counts.active >= context.runtime.integer(key, max ?? Number.POSITIVE_INFINITY)) {
      counts.all.faults_overflow++;
      return false;
    }
    this.#isActive = true;
    counts.countActive(1);
    this.#request.onEnd(() => counts.countActive(-1));
    return true;
  }

  #throttle(): void {
    const { limit } = this.#settings;
    if (!limit) return;
    const { head } = this.#request;
    const kibPerSecond = limit.fixed ?? fieldNumber(head, 'x-envoy-fault-throughput-response') ?? 0;
    if (kibPerSecond === 0) return;
    const share = limit.fixed
      ? limit.share
      : limited(limit.share, head, 'x-envoy-fault-throughput-response-percentage');
    if (!this.#filter.context.runtime.isEnabled(share) || !this.#activate()) return;
    this.#filter.counts.all.response_rl_injected++;
    this.#request.throttleResponse(kibPerSecond * 1024);
  }

  /** 0: none. */
  #delayMs(): number {
    const { delay, config } = this.#settings;
    if (!delay) return 0;
    const { head } = this.#request;
    const share = delay.fixed ? delay.share : limited(delay.share, head, 'x-envoy-fault-delay-request-percentage');
    if (!this.#isChosen(share, 'delay.fixed_delay_percent')) return 0;
    const delayMs = delay.fixed ?? fieldNumber(head, 'x-envoy-fault-delay-request');
    if (delayMs === undefined) return 0;
    return this.#number(config.delay_duration_runtime, 'delay.fixed_duration_ms', delayMs);
  }

  #delay(delayMs: number): void {
    const request = this.#request;
    const cancel = this.#filter.context.clock.after(delayMs, () => {
      if (!this.#abort()) request.resume();
    });
    request.onEnd(cancel);
    request.info.flags |= FLAG.DI;
    this.#count('delays_injected');
  }

  #count(name: 'aborts_injected' | 'delays_injected'): void {
    const { disable_downstream_cluster_stats: isTogether } = this.#settings.config;
    this.#filter.counts.count(name, isTogether ? '' : this.#service);
    this.#request.info.addMetadata(this.#filter.context.name, this.#settings.metadata);
  }

  /** Answers in the upstream's place, where this request is one of those that are to meet that. */
  #abort(): boolean {
    const wanted = this.#abortWith();
    if (!wanted || !this.#activate()) return false;
    this.#count('aborts_injected');
    this.#request.answer({
      status: wanted.httpStatus ?? 200,
      body: this.#settings.abortBody,
      flags: FLAG.FI,
      details: 'fault_filter_abort',
      ...(wanted.grpcStatus === undefined ? {} : { grpcStatus: wanted.grpcStatus }),
    });
    return true;
  }

  #abortWith(): AbortWith | undefined {
    const { abort, config } = this.#settings;
    if (!abort) return undefined;
    const { head } = this.#request;
    const share = abort.fixed ? abort.share : limited(abort.share, head, 'x-envoy-fault-abort-request-percentage');
    if (!this.#isChosen(share, 'abort.abort_percent')) return undefined;
    const { httpStatus, grpcStatus } = abort.fixed ?? abortOfHeaders(head);
    if (httpStatus !== undefined) {
      const status = this.#number(config.abort_http_status_runtime, 'abort.http_status', httpStatus);
      return { httpStatus: status >= 200 && status < 600 ? status : httpStatus, grpcStatus: undefined };
    }
    if (grpcStatus === undefined) return undefined;
    const status = this.#number(config.abort_grpc_status_runtime, 'abort.grpc_status', grpcStatus);
    return { httpStatus: undefined, grpcStatus: status };
  }
}

/** A filter that lets a share of requests meet faults. */
export function makeFault(settings: FaultSettings, context: FilterContext): HttpFilter {
  return new FaultFilter(settings, context);
}
