/** From an entry of an access log to a call along an edge. Pure. */
import type { Reporter } from '@weft/contracts/bus';
import { formatSpiffeId, type SpiffeId } from '@weft/identity';
import type { CommonProperties, Duration, HttpEntry, ResponseFlags, TcpEntry } from './access-log.ts';
import { peerIdentity, type ServiceNames, serviceOfCluster, UNKNOWN } from './names.ts';

/** What names an edge. */
export interface EdgeName {
  /** `<namespace>/<service>`, or `unknown`. */
  readonly source: string;
  readonly destination: string;
  readonly protocol: 'http' | 'tcp';
  readonly reporter: Reporter;
}

/** One request, or one connection of TCP. */
export interface Call {
  readonly edge: EdgeName;
  /** Of HTTP the code, `0` without an answer; of TCP Envoy's letters of why it failed, `-` when it did not. */
  readonly status: string;
  readonly isError: boolean;
  /** Undefined when the proxy did not tell. */
  readonly durationMs: number | undefined;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly sourceIdentity: string | undefined;
  readonly destinationIdentity: string | undefined;
}

/** Whose log it is. */
export interface Sender {
  readonly identity: SpiffeId;
  readonly nodeId: string;
  /** `outbound` or `inbound`, as the listener's access log is named. */
  readonly logName: string;
}

/** The cluster that leads a CONNECT back into the outbound listener: what comes out of it is told by itself. */
const LOOPBACK = 'loopback';

function milliseconds(duration: Duration | undefined): number | undefined {
  return duration && Math.max(0, duration.seconds * 1000 + duration.nanos / 1e6);
}

const FLAG_LETTERS: readonly (readonly [keyof ResponseFlags, string])[] = [
  ['noHealthyUpstream', 'UH'],
  ['upstreamConnectionFailure', 'UF'],
  ['upstreamOverflow', 'UO'],
  ['upstreamRequestTimeout', 'UT'],
  ['noRouteFound', 'NR'],
  ['noClusterFound', 'NC'],
  ['dnsResolutionFailure', 'DF'],
  ['unauthorizedDetails', 'UAEX'],
];

function letters(flags: ResponseFlags | undefined): string {
  return FLAG_LETTERS.find(([name]) => flags?.[name])?.[1] ?? '-';
}

interface Ends {
  readonly source: string;
  readonly destination: string;
  readonly sourceIdentity: string | undefined;
  readonly destinationIdentity: string | undefined;
  readonly reporter: Reporter;
}

function ends(common: CommonProperties | undefined, sender: Sender, names: ServiceNames): Ends | undefined {
  const self = names.ofSender(sender.identity, sender.nodeId);
  const identity = formatSpiffeId(sender.identity);
  if (sender.logName === 'outbound') {
    const cluster = common?.upstreamCluster ?? '';
    if (cluster === LOOPBACK) return undefined;
    const destination = serviceOfCluster(cluster);
    return { source: self, destination, sourceIdentity: identity, destinationIdentity: undefined, reporter: 'SOURCE' };
  }
  if (sender.logName !== 'inbound') return undefined;
  const uris = common?.tlsProperties?.peerCertificateProperties?.subjectAltName.map(({ uri }) => uri) ?? [];
  const peer = peerIdentity(uris, sender.identity.trustDomain);
  return {
    source: peer ? names.ofIdentity(peer) : UNKNOWN,
    destination: self,
    sourceIdentity: peer && formatSpiffeId(peer),
    destinationIdentity: identity,
    reporter: 'DESTINATION',
  };
}

function callOf(
  protocol: EdgeName['protocol'],
  common: CommonProperties | undefined,
  found: Ends,
  rest: Pick<Call, 'status' | 'isError' | 'sentBytes' | 'receivedBytes'>,
): Call {
  const { source, destination, reporter, sourceIdentity, destinationIdentity } = found;
  const durationMs = milliseconds(common?.duration ?? common?.timeToLastDownstreamTxByte);
  const edge: EdgeName = { source, destination, protocol, reporter };
  return { edge, durationMs, sourceIdentity, destinationIdentity, ...rest };
}

/** The call that an entry tells of; undefined where it tells of none, or of one that another entry tells of. */
export function httpCall(entry: HttpEntry, sender: Sender, names: ServiceNames): Call | undefined {
  const common = entry.commonProperties;
  const found = common?.intermediateLogEntry ? undefined : ends(common, sender, names);
  if (!found) return undefined;
  const code = entry.response?.responseCode?.value ?? 0;
  return callOf('http', common, found, {
    status: code >= 100 && code <= 599 ? String(code) : '0',
    isError: code < 100 || code >= 500,
    sentBytes: entry.request?.requestBodyBytes ?? 0,
    receivedBytes: entry.response?.responseBodyBytes ?? 0,
  });
}

/** As {@link httpCall}, of a connection that has ended. */
export function tcpCall(entry: TcpEntry, sender: Sender, names: ServiceNames): Call | undefined {
  const common = entry.commonProperties;
  const found = common?.intermediateLogEntry ? undefined : ends(common, sender, names);
  if (!found) return undefined;
  const status = letters(common?.responseFlags);
  return callOf('tcp', common, found, {
    status,
    isError: status !== '-',
    // Both proxies received from the caller's side what the caller sent.
    sentBytes: entry.connectionProperties?.receivedBytes ?? 0,
    receivedBytes: entry.connectionProperties?.sentBytes ?? 0,
  });
}
