/**
 * What an HTTP filter is. A filter is built once for each configuration that names it, and then sees every request of
 * that connection manager, in the order of `http_filters`; what it does to responses happens in the opposite order
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/http/http_filters).
 */
import type { Clock } from '../clock.ts';
import type { Random } from '../cluster/balancer.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { RouteFilterConfig } from '../config/filters.ts';
import type { HeaderList } from '../http/header-list.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { Log } from '../log.ts';
import type { ServerContext } from '../runtime/server-context.ts';
import type { LocalReply } from '../stack/local-reply.ts';
import type { Route } from '../stack/route-table.ts';
import type { StreamInfo } from '../stack/stream-info.ts';
import type { StatsRegistry } from '../stats/registry.ts';
import type { UpstreamCalls } from '../upstream/calls.ts';
import type { Warming } from '../warming.ts';

/**
 * `pass`: the next filter sees the request at once. `stop`: the filter has answered it, or calls
 * {@link FilteredRequest.resume} later; the body is held meanwhile.
 */
export type FilterVerdict = 'pass' | 'stop';

export interface HttpFilter {
  /**
   * Sees the head of a request. `levels` is what the virtual host and the route say of this filter, the most specific
   * last; empty where they say nothing.
   */
  onRequest(request: FilteredRequest, levels: readonly RouteFilterConfig[]): FilterVerdict;
  /**
   * Sees the head of an answer that the proxy itself gives to a request that this filter has not seen: a filter before it
   * has answered, say. An answer to one that it has seen goes by {@link FilteredRequest.onResponse}.
   */
  onEarlyAnswer?(request: FilteredRequest, levels: readonly RouteFilterConfig[], head: ResponseHead): void;
  /** The configuration is not used any more: timers and fetches end. */
  close?(): void;
}

/** What came of holding the body of a request. */
export type HeldBody =
  | { readonly type: 'whole'; readonly bytes: Buffer }
  /** More came than was asked for: what there is so far; the rest follows when the request goes on. */
  | { readonly type: 'partial'; readonly bytes: Buffer };

/** A request, as filters see it. */
export interface FilteredRequest {
  readonly head: RequestHead;
  readonly info: StreamInfo;
  /** Undefined where no route is for the request. */
  readonly route: Route | undefined;
  /** Whether the whole request has come: there is no body, or all of it is held. */
  readonly isComplete: boolean;
  /** Lets the request go on after {@link FilterVerdict} `stop`. Does nothing for a request that is over. */
  resume(): void;
  /** Answers the request in the upstream's place; filters see the answer as they see the upstream's. */
  answer(reply: LocalReply): void;
  /** Has `change` see the head of the response, whoever made it, before the client does. */
  onResponse(change: (head: ResponseHead) => void): void;
  /** Has `change` see the trailers of the request, if there are any, before the upstream does. */
  onRequestTrailers(change: (trailers: HeaderList) => void): void;
  /** Has `change` see the trailers of the response of an upstream, if there are any, before the client does. */
  onResponseTrailers(change: (trailers: HeaderList) => void): void;
  /** Has the body of the response of an upstream pass at that rate, from now on. */
  throttleResponse(bytesPerSecond: number): void;
  /** Has `run` called when the request is over, however that came about; at once where it is already. */
  onEnd(run: () => void): void;
  /**
   * Holds the body until it is whole or longer than `maxBytes`, then tells `done`, once, perhaps at once. The filter
   * stops the request until then.
   */
  holdBody(maxBytes: number, done: (held: HeldBody) => void): void;
  /** Looks for the route again, after the filter changed what routes match on. */
  chooseRouteAgain(): void;
}

/** What filters are built with. */
export interface FilterContext extends ServerContext {
  /** Of the filter, in `http_filters`. */
  readonly name: string;
  readonly stats: StatsRegistry;
  /** Of the connection manager: `ingress`, for groups named `http.ingress.rbac.` and the like. */
  readonly statPrefix: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly calls: UpstreamCalls;
  readonly findCluster: (name: string) => Cluster | undefined;
  readonly log: Log;
  /** What the listener waits for before it is used; undefined where it is used already. */
  readonly warming?: Warming;
}
