/** What the router stands between, and what all requests of one router have. */
import type { Clock } from '../../clock.ts';
import type { Random } from '../../cluster/balancer.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { RouterConfig } from '../../config/filters.ts';
import type { HeaderList } from '../../http/header-list.ts';
import type { RequestHead, ResponseHead } from '../../http/message.ts';
import type { RedirectPolicy } from '../../stack/internal-redirect.ts';
import type { LocalReply } from '../../stack/local-reply.ts';
import type { WeightedCluster } from '../../stack/route-table.ts';
import type { StreamInfo } from '../../stack/stream-info.ts';
import type { StreamTimers } from '../../stack/timers.ts';

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
  /** Whether the scheme that upstreams are told is that of their connection. */
  readonly matchesScheme: boolean;
  readonly onNoCluster: () => void;
}
