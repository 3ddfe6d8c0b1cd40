/** What is known of a request, or of a TCP connection, for logs, headers and statistics. Filled as it goes. */
import type { Socket } from 'node:net';
import type { LogType } from '../config/log-filter.ts';
import type { HeaderList } from '../http/header-list.ts';
import type { Protocol, RequestHead, ResponseHead } from '../http/message.ts';
import type { RequestOrigin } from '../stats/groups.ts';

/** What a certificate says. */
export interface CertificateNames {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  /** RFC 2253. */
  readonly subject: string;
  readonly issuer: string;
  /** SHA-256 of the certificate, hexadecimal. */
  readonly sha256: string;
  readonly pem: string;
}

export interface TlsInfo {
  /** `TLSv1.3` */
  readonly version: string;
  readonly cipher: string;
  /** The server name that the client asked for; '' where it did not. */
  readonly serverName: string;
  /** Undefined where the peer showed none. */
  readonly peer: CertificateNames | undefined;
  readonly local: CertificateNames | undefined;
  /** Every certificate that the peer presented, the leaf first. */
  readonly peerChainPem: string;
}

/** Metadata of configuration, by who it is for. */
type MetadataByName = Readonly<Record<string, unknown>>;

/** What logs tell of the route that was taken. */
export interface RouteInfo {
  readonly metadata: { readonly filter_metadata: MetadataByName | undefined } | undefined;
  readonly virtualHost: { readonly metadata: RouteInfo['metadata'] };
}

/** What logs tell of a cluster beside its name. */
export interface ClusterInfo {
  readonly alt_stat_name: string;
  readonly metadata: RouteInfo['metadata'];
}

/** What logs tell of a host that was tried. */
export interface AttemptInfo {
  /** `10.0.0.1:80` */
  readonly key: string;
  /** `hostname`: '' where it has none. */
  readonly endpoint: { readonly hostname: string; readonly filterMetadata?: MetadataByName };
}

/** A connection that was accepted. */
export interface DownstreamInfo {
  readonly id: number;
  /** The peer's: an IP address, or '' of a unix socket. */
  readonly remoteHost: string;
  readonly remotePort: number;
  readonly localHost: string;
  readonly localPort: number;
  /** The peer's own, where somebody it is trusted to speak for is the client; absent: the same. */
  readonly directRemoteHost?: string;
  readonly directRemotePort?: number;
  /** Of this side, where the client wanted to go to another address; absent: the same. */
  readonly directLocalHost?: string;
  readonly directLocalPort?: number;
  /** '' where it has none. */
  readonly filterChainName?: string;
  readonly listenerMetadata?: MetadataByName | undefined;
  /** `10.0.0.1:80`: where the connection was going before it was redirected here; absent where it was not. */
  readonly originalDestination?: string | undefined;
  /** The server name that the tls_inspector found, whoever ends the TLS; absent where it found none, or there is none. */
  readonly requestedServerName?: string | undefined;
  /** What listener filters found out, by their names. */
  readonly metadata?: ReadonlyMap<string, Readonly<Record<string, unknown>>> | undefined;
  /** Why there was no TLS with the client. */
  readonly transportFailure?: string | undefined;
  /** Read when first asked for: taking certificates apart costs more than a request. */
  readonly tls: TlsInfo | undefined;
}

/** Why no answer came, in words and as bits of the response flags. */
export interface AttemptFailure {
  readonly reason: string;
  readonly flags: number;
}

/** The part of a request in a trace, where requests are traced. */
export interface StreamTrace {
  /** Lower-case hexadecimal. */
  readonly traceId: string;
  readonly spanId: string;
  /** An attempt for the host at that address begins; the request's head tells the upstream of the trace. */
  beginAttempt(head: RequestHead, address: string): void;
  /** It has a connection. */
  connected(protocol: Protocol): void;
  /** It is over; `status`: of the upstream's answer, undefined where none came, and then maybe why. */
  endAttempt(info: StreamInfo, status: number | undefined, failure?: AttemptFailure): void;
  /** Sees the head of the response before the client does. */
  answered(head: ResponseHead): void;
  end(info: StreamInfo): void;
}

export class StreamInfo {
  readonly downstream: DownstreamInfo;
  /** Milliseconds since 1970. */
  readonly startWallMs: number;
  /** On the monotonic clock, as every other time here; 0: not yet. */
  readonly startMs: number;
  lastRequestByteMs = 0;
  firstUpstreamSentMs = 0;
  lastUpstreamSentMs = 0;
  firstUpstreamReceivedMs = 0;
  lastUpstreamReceivedMs = 0;
  firstResponseSentMs = 0;
  /** Of a response that is complete. */
  lastResponseSentMs = 0;
  endMs = 0;

  /** When this is logged; what is no log has none. */
  logType: LogType = 'NotSet';
  request: RequestHead | undefined;
  response: ResponseHead | undefined;
  responseTrailers: HeaderList | undefined;
  /** The client's address as forwarded headers have it, where they are believed; else that of the connection. */
  remoteHost: string;
  remotePort: number;
  /** Whose request it is, as forwarded headers have it. */
  origin: RequestOrigin = 'external';
  flags = 0;
  responseDetails = '';
  /** Of the body. */
  bytesReceived = 0;
  bytesSent = 0;
  routeName = '';
  virtualHostName = '';
  /** Undefined where there is none. */
  route: RouteInfo | undefined = undefined;
  cluster = '';
  clusterConfig: ClusterInfo | undefined = undefined;
  /** Of the attempt under way, or the last one. */
  host: AttemptInfo | undefined = undefined;
  /** The last one that there was a connection to. */
  hostReached: AttemptInfo | undefined = undefined;
  /** Those that there was a connection to before, the first one first; undefined where there was none. */
  hostsBefore: AttemptInfo[] | undefined = undefined;
  upstreamSocket: Socket | undefined = undefined;
  upstreamProtocol: Protocol | undefined = undefined;
  upstreamHost = '';
  upstreamLocalAddress = '';
  upstreamFailure = '';
  attempts = 0;
  localReplyBody = '';
  terminationDetails = '';
  /** Whether a filter found that the request asks for the health of what is served here. */
  isHealthCheck = false;
  /** What filters found out, by their names (`envoy.filters.http.rbac`); undefined until one says something. */
  dynamicMetadata: Map<string, Readonly<Record<string, unknown>>> | undefined = undefined;

  /** Undefined where requests are not traced. */
  trace: StreamTrace | undefined = undefined;

  constructor(downstream: DownstreamInfo, startWallMs: number, startMs: number) {
    this.downstream = downstream;
    this.startWallMs = startWallMs;
    this.startMs = startMs;
    this.remoteHost = downstream.remoteHost;
    this.remotePort = downstream.remotePort;
    if (downstream.metadata) this.dynamicMetadata = new Map(downstream.metadata);
  }

  /** Adds to what the filter of that name found out. */
  addMetadata(filter: string, values: Readonly<Record<string, unknown>>): void {
    this.dynamicMetadata ??= new Map();
    const before = this.dynamicMetadata.get(filter);
    this.dynamicMetadata.set(filter, before ? { ...before, ...values } : values);
  }

  /** There is a connection to that host for the request. */
  reached(host: AttemptInfo): void {
    const { hostReached } = this;
    this.hostReached = host;
    if (!hostReached) return;
    this.hostsBefore ??= [];
    this.hostsBefore.push(hostReached);
  }

  /** The same as it is now, whatever becomes of this. */
  snapshot(): StreamInfo {
    const copy = Object.assign(new StreamInfo(this.downstream, this.startWallMs, this.startMs), this);
    copy.request = this.request?.clone();
    copy.hostsBefore = this.hostsBefore?.slice();
    copy.dynamicMetadata = this.dynamicMetadata && new Map(this.dynamicMetadata);
    return copy;
  }

  /** Milliseconds from the start to some time; undefined where that has not come. */
  since(timeMs: number): number | undefined {
    return timeMs === 0 ? undefined : timeMs - this.startMs;
  }
}
