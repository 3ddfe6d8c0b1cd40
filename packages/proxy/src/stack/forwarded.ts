/** Who the client is, as forwarded headers have it, and what is told about it to the upstream. */
import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import type { HeaderList } from '../http/header-list.ts';
import type { RequestHead } from '../http/message.ts';
import { asFieldValue } from '../http1/characters.ts';
import type { CertificateNames, StreamInfo, TlsInfo } from './stream-info.ts';

export interface ForwardedOptions {
  readonly usesRemoteAddress: boolean;
  readonly trustedHops: number;
  readonly skipsAppend: boolean;
  /** Whether an address is one of the mesh's own. */
  readonly isInternal: (address: string) => boolean;
  readonly generatesRequestId: boolean;
  readonly preservesRequestId: boolean;
  readonly clientCert: 'SANITIZE' | 'FORWARD_ONLY' | 'APPEND_FORWARD' | 'SANITIZE_SET' | 'ALWAYS_FORWARD_ONLY';
  readonly clientCertDetails: {
    readonly subject: boolean;
    readonly cert: boolean;
    readonly chain: boolean;
    readonly dns: boolean;
    readonly uri: boolean;
  };
  /** What was told of connections: it is the same for each of their requests. */
  readonly clientCertElements: WeakMap<TlsInfo, string>;
}

/** Headers with which parts of a mesh steer the router: nobody may who is not known to be one. */
const STEERING_HEADERS = new Set([
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-force-trace',
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-ip-tags',
  'x-envoy-max-retries',
  'x-envoy-original-url',
  'x-envoy-retriable-header-names',
  'x-envoy-retriable-status-codes',
  'x-envoy-retry-grpc-on',
  'x-envoy-retry-on',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-rq-timeout-ms',
]);

/** What a proxy before this one says of the request, which is not believed at the edge. */
const EDGE_HEADERS = new Set([
  'x-envoy-attempt-count',
  'x-envoy-decorator-operation',
  'x-envoy-downstream-service-cluster',
  'x-envoy-downstream-service-node',
  'x-envoy-is-timeout-retry',
  'x-envoy-original-host',
  'x-envoy-original-path',
]);

/** The address that stands `hops` before the last in X-Forwarded-For; undefined where there is none. */
export function forwardedAddress(forwarded: string | undefined, hops: number): string | undefined {
  if (forwarded === undefined) return undefined;
  const addresses = forwarded.split(',');
  const address = addresses[addresses.length - 1 - hops]?.trim();
  return address !== undefined && isIP(address) !== 0 && !address.includes('%') ? address : undefined;
}

function append(headers: HeaderList, name: string, value: string): void {
  const before = headers.joined(name);
  headers.set(name, before === undefined || before === '' ? value : `${before},${value}`);
}

function setRemoteAddress(info: StreamInfo, address: string | undefined): void {
  if (address === undefined) return;
  info.remoteHost = address;
  info.remotePort = 0;
}

function markForwarded(head: RequestHead, info: StreamInfo, options: ForwardedOptions): void {
  const { headers } = head;
  const forwarded = headers.joined('x-forwarded-for');
  const scheme = info.downstream.tls ? 'https' : 'http';
  if (!options.usesRemoteAddress) {
    setRemoteAddress(info, forwardedAddress(forwarded, options.trustedHops));
    if (!headers.has('x-forwarded-proto')) headers.add('x-forwarded-proto', scheme);
    sanitize(head, forwarded !== undefined && !forwarded.includes(',') ? info.remoteHost : undefined, false, options);
    return;
  }
  if (options.trustedHops > 0) setRemoteAddress(info, forwardedAddress(forwarded, options.trustedHops - 1));
  if (!options.skipsAppend && info.downstream.remoteHost !== '') {
    append(headers, 'x-forwarded-for', info.downstream.remoteHost);
  }
  if (options.trustedHops === 0 || !headers.has('x-forwarded-proto')) headers.set('x-forwarded-proto', scheme);
  const isInternal = sanitize(head, forwarded === undefined ? info.remoteHost : undefined, true, options);
  if (!isInternal && info.remoteHost !== '') headers.set('x-envoy-external-address', info.remoteHost);
}

/**
 * Takes off what only the mesh's own parts may say. A request is one of theirs where nobody stands between it and this
 * proxy, and its address is theirs; `address` is undefined where somebody does. Gives whether it is.
 */
function sanitize(
  { headers }: RequestHead,
  address: string | undefined,
  isEdge: boolean,
  options: ForwardedOptions,
): boolean {
  const isInternal = address !== undefined && options.isInternal(address);
  if (isInternal) headers.set('x-envoy-internal', 'true');
  else if (hasEnvoyHeader(headers)) {
    headers.removeWhere(
      (name) => name === 'x-envoy-internal' || STEERING_HEADERS.has(name) || (isEdge && EDGE_HEADERS.has(name)),
    );
  }
  return isInternal;
}

/** Most requests have none: they cost one comparison a field. */
export function hasEnvoyHeader({ flat }: HeaderList): boolean {
  for (let i = 0; i < flat.length; i += 2) if ((flat[i] as string).startsWith('x-envoy-')) return true;
  return false;
}

function setRequestId(head: RequestHead, options: ForwardedOptions): void {
  if (!options.generatesRequestId) return;
  const isEdge = options.usesRemoteAddress && !options.preservesRequestId;
  if (isEdge) head.headers.set('x-request-id', randomUUID());
  else if (!head.headers.has('x-request-id')) head.headers.add('x-request-id', randomUUID());
}

/** Within an element these characters part it. */
function named(value: string): string {
  return /[,;="]/.test(value) ? quoted(value) : value;
}

function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** One element of X-Forwarded-Client-Cert. */
function clientCertElement(
  tls: TlsInfo,
  peer: CertificateNames,
  details: ForwardedOptions['clientCertDetails'],
): string {
  const parts = (tls.local?.uris ?? []).map((uri) => `By=${named(uri)}`);
  parts.push(`Hash=${peer.sha256}`);
  if (details.cert) parts.push(`Cert=${quoted(encodeURIComponent(peer.pem))}`);
  if (details.chain) parts.push(`Chain=${quoted(encodeURIComponent(tls.peerChainPem))}`);
  if (details.subject) parts.push(`Subject=${quoted(peer.subject)}`);
  if (details.uri) parts.push(...(peer.uris.length > 0 ? peer.uris.map((uri) => `URI=${named(uri)}`) : ['URI=']));
  if (details.dns) parts.push(...peer.dnsNames.map((name) => `DNS=${named(name)}`));
  return asFieldValue(parts.join(';'));
}

function markClientCert(head: RequestHead, info: StreamInfo, options: ForwardedOptions): void {
  const mode = options.clientCert;
  if (mode === 'ALWAYS_FORWARD_ONLY') return;
  const { tls } = info.downstream;
  if (mode === 'SANITIZE' || !tls?.peer) {
    head.headers.remove('x-forwarded-client-cert');
    return;
  }
  if (mode === 'FORWARD_ONLY') return;
  let element = options.clientCertElements.get(tls);
  if (element === undefined) {
    element = clientCertElement(tls, tls.peer, options.clientCertDetails);
    options.clientCertElements.set(tls, element);
  }
  if (mode === 'SANITIZE_SET') head.headers.set('x-forwarded-client-cert', element);
  else append(head.headers, 'x-forwarded-client-cert', element);
}

/** Brings what the request says of its client in line with what is believed, and notes that in `info`. */
export function forward(head: RequestHead, info: StreamInfo, options: ForwardedOptions): void {
  markForwarded(head, info, options);
  setRequestId(head, options);
  markClientCert(head, info, options);
}
