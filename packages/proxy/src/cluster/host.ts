/** One endpoint of a cluster, as its balancer and its pool see it. */
import { addressText, type NetworkAddress } from '../config/core.ts';
import type { HostMonitor } from './outlier/monitor.ts';

/** What an endpoint is, from configuration or from a resolver. */
export interface Endpoint {
  readonly address: NetworkAddress;
  /** The name that it was given, for host rewriting; '' where it has none. */
  readonly hostname: string;
  readonly weight: number;
  readonly health: 'healthy' | 'degraded' | 'unhealthy';
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  /** 0 first; others are used as those before them cannot take all. */
  readonly priority: number;
  /** Of its locality among those of the priority; 0: the locality gets nothing where localities are weighted. */
  readonly localityWeight: number;
  /** What its metadata says for `envoy.lb`: subsets, `canary`, `hash_key`. */
  readonly metadata: LbMetadata;
  /** All of its metadata, by who it is for; absent where there is none. */
  readonly filterMetadata?: LbMetadata;
  /** What its metadata, then that of its locality, says for `envoy.transport_socket_match`; absent where neither does. */
  readonly socketMetadata?: readonly LbMetadata[];
  readonly check?: EndpointCheck;
}

/** Where and how an endpoint is checked, where that is not as it is used. */
export interface EndpointCheck {
  /** 0: that of the address. */
  readonly port: number;
  /** Sent as the name of the host; '' where it is as the check's own configuration says. */
  readonly hostname: string;
  readonly address: NetworkAddress | undefined;
  readonly isDisabled: boolean;
}

export type LbMetadata = Readonly<Record<string, unknown>>;

/** What is counted of a host. */
export const HOST_COUNTS = [
  'connectionsActive',
  'connectionsTotal',
  'connectFailures',
  'requestsActive',
  'requestsPending',
  'requestsTotal',
  'requestsSucceeded',
  'requestsFailed',
  'requestsTimedOut',
] as const;

export type HostCounts = Readonly<Record<(typeof HOST_COUNTS)[number], number>>;

export class Host implements HostCounts {
  readonly address: NetworkAddress;
  /** `127.0.0.1:80`; what tells hosts apart. */
  readonly key: string;
  /** What the last configuration said of it. */
  endpoint: Endpoint;
  connectionsActive = 0;
  connectionsTotal = 0;
  connectFailures = 0;
  requestsActive = 0;
  /** Those that wait for a connection. */
  requestsPending = 0;
  requestsTotal = 0;
  requestsSucceeded = 0;
  requestsFailed = 0;
  requestsTimedOut = 0;
  /** On the monotonic clock, since when it may take requests: when it came, or passed a check again. For slow start. */
  healthySinceMs = 0;
  /** Whether its checks passed when they were last looked at. */
  hasPassed = false;
  /** It is no endpoint any more, and stays as long as its checks pass. */
  isLeaving = false;
  /** Taken out for a while by outlier detection. */
  isEjected = false;
  /** What active health checks say; `none` where there are none. `pending`: the first one has not ended. */
  check: 'none' | 'pending' | 'healthy' | 'degraded' | 'failed' = 'none';
  /** The last check that failed got no answer in time. */
  hasCheckTimedOut = false;
  /** Left out of what is counted for panic and priorities: not checked yet, or it asked for no more requests. */
  isExcluded: 'no' | 'pending' | 'immediate-failure' = 'no';
  /** Told what comes of requests; undefined where the cluster has no outlier detection. */
  outlier: HostMonitor | undefined = undefined;
  /** Takes the host out until its checks pass again; undefined where there are none. */
  failCheck: (() => void) | undefined = undefined;
  /** What ends connections to it should it fail its checks; undefined where they stay, or there are none. */
  onFailed: Set<() => void> | undefined = undefined;

  constructor(endpoint: Endpoint) {
    this.address = endpoint.address;
    this.key = addressText(endpoint.address);
    this.endpoint = endpoint;
  }

  /** What configuration, checks and outlier detection together make of it: the worst of them. */
  get health(): Endpoint['health'] {
    const { health } = this.endpoint;
    if (health === 'unhealthy' || this.isEjected || this.check === 'failed' || this.check === 'pending') {
      return 'unhealthy';
    }
    return health === 'degraded' || this.check === 'degraded' ? 'degraded' : 'healthy';
  }
}
