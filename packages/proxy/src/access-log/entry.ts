/** Entries of the access log service, of what is known of a request or connection. */
import type { Address, HttpAccessLogEntry, TcpAccessLogEntry } from '@weft/envoy-api';
import { flagsMessage } from '../stack/response-flags.ts';
import type { CertificateNames, StreamInfo, TlsInfo } from '../stack/stream-info.ts';
import { requestField } from './operators.ts';

type Common = NonNullable<HttpAccessLogEntry['common_properties']>;

function duration(milliseconds: number | undefined): string | undefined {
  if (milliseconds === undefined || milliseconds < 0) return undefined;
  return `${(milliseconds / 1000).toFixed(6)}s`;
}

function socketAddress(host: string, port: number): Address | undefined {
  if (host === '') return undefined;
  return { socket_address: { address: host, port_value: port } };
}

/** The address of a text as logs show it: `127.0.0.1:80`, `[::1]:80`, or the path of a socket. */
function addressOf(text: string): Address | undefined {
  if (text === '') return undefined;
  if (text.startsWith('/')) return { pipe: { path: text } };
  const colon = text.lastIndexOf(':');
  return socketAddress(text.slice(0, colon).replace(/^\[|\]$/g, ''), Number(text.slice(colon + 1)));
}

function certificate(names: CertificateNames | undefined): object | undefined {
  if (!names) return undefined;
  return present({
    subject_alt_name: [...names.uris.map((uri) => ({ uri })), ...names.dnsNames.map((dns) => ({ dns }))],
    subject: names.subject || undefined,
    issuer: names.issuer || undefined,
  });
}

const TLS_VERSIONS: Readonly<Record<string, string>> = { 'TLSv1.2': 'TLSv1_2', 'TLSv1.3': 'TLSv1_3' };

function tlsProperties(tls: TlsInfo | undefined): object | undefined {
  if (!tls) return undefined;
  return present({
    tls_version: TLS_VERSIONS[tls.version],
    tls_sni_hostname: tls.serverName || undefined,
    local_certificate_properties: certificate(tls.local),
    peer_certificate_properties: certificate(tls.peer),
  });
}

/** Without the fields that nothing is known of. */
function present<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

function commonProperties(info: StreamInfo, accessLogType: string): Common {
  const { downstream } = info;
  return present({
    downstream_remote_address: socketAddress(info.remoteHost, info.remotePort),
    downstream_direct_remote_address: socketAddress(downstream.remoteHost, downstream.remotePort),
    downstream_local_address: socketAddress(downstream.localHost, downstream.localPort),
    tls_properties: tlsProperties(downstream.tls),
    start_time: new Date(info.startWallMs).toISOString(),
    time_to_last_rx_byte: duration(info.since(info.lastRequestByteMs)),
    time_to_first_upstream_tx_byte: duration(info.since(info.firstUpstreamSentMs)),
    time_to_last_upstream_tx_byte: duration(info.since(info.lastUpstreamSentMs)),
    time_to_first_upstream_rx_byte: duration(info.since(info.firstUpstreamReceivedMs)),
    time_to_last_upstream_rx_byte: duration(info.since(info.lastUpstreamReceivedMs)),
    time_to_first_downstream_tx_byte: duration(info.since(info.firstResponseSentMs)),
    time_to_last_downstream_tx_byte: duration(info.since(info.endMs)),
    duration: duration(info.since(info.endMs)),
    upstream_remote_address: addressOf(info.upstreamHost),
    upstream_local_address: addressOf(info.upstreamLocalAddress),
    upstream_cluster: info.cluster || undefined,
    response_flags: flagsMessage(info.flags),
    upstream_transport_failure_reason: info.upstreamFailure || undefined,
    route_name: info.routeName || undefined,
    upstream_request_attempt_count: info.attempts || undefined,
    access_log_type: accessLogType,
  }) as Common;
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);

function listedHeaders(names: readonly string[], value: (name: string) => string | undefined): object | undefined {
  const entries = names.flatMap((name) => {
    const found = value(name);
    return found === undefined ? [] : [[name, found] as const];
  });
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

export interface ListedHeaders {
  /** In lower case. */
  readonly request: readonly string[];
  readonly response: readonly string[];
}

export function httpEntry(info: StreamInfo, listed: ListedHeaders): HttpAccessLogEntry {
  const { request, response } = info;
  const headers = request?.headers;
  const versions = { 'HTTP/1.0': 'HTTP10', 'HTTP/1.1': 'HTTP11' } as const;
  return present({
    common_properties: commonProperties(info, 'DownstreamEnd'),
    protocol_version: request && versions[request.protocol],
    request: present({
      request_method: request && METHODS.has(request.method) ? request.method : undefined,
      scheme: request && requestField(request, ':scheme'),
      authority: request?.authority || undefined,
      path: request?.path || undefined,
      user_agent: headers?.get('user-agent'),
      referer: headers?.get('referer'),
      forwarded_for: headers?.joined('x-forwarded-for'),
      request_id: headers?.get('x-request-id'),
      original_path: headers?.get('x-envoy-original-path'),
      request_body_bytes: String(info.bytesReceived),
      request_headers: listedHeaders(listed.request, (name) => request && requestField(request, name)),
    }),
    response: present({
      response_code: response?.status,
      response_body_bytes: String(info.bytesSent),
      response_code_details: info.responseDetails || undefined,
      response_headers: listedHeaders(listed.response, (name) => response?.headers.joined(name)),
    }),
  }) as HttpAccessLogEntry;
}

export function tcpEntry(info: StreamInfo): TcpAccessLogEntry {
  return {
    common_properties: commonProperties(info, 'TcpConnectionEnd'),
    connection_properties: { received_bytes: String(info.bytesReceived), sent_bytes: String(info.bytesSent) },
  };
}
