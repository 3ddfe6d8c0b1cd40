/** Who the client is, as forwarded headers have it, and what is told about it to the upstream. */
import { randomUUID } from 'node:crypto';
import type { HeaderList } from '../http/header-list.ts';
import type { RequestHead } from '../http/message.ts';
import { asFieldValue } from '../http1/characters.ts';
import type { LocalReply } from './local-reply.ts';
import { type DetectIp, forwardedAddress, forwardedFor } from './original-ip.ts';
import type { CertificateNames, StreamInfo, TlsInfo } from './stream-info.ts';

export interface ForwardedOptions {
  readonly usesRemoteAddress: boolean;
  readonly trustedHops: number;
  readonly skipsAppend: boolean;
  /** Who finds out about the client; undefined: X-Forwarded-For alone is looked at. */
  readonly detectIp: DetectIp | undefined;
  /** Whether X-Forwarded-Port tells the port where the request came in. */
  readonly appendsPort: boolean;
  /** What all requests count as having come by; undefined: what they did come by. */
  readonly scheme: string | undefined;
  /** An entry for Via; '': none. */
  readonly via: string;
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
  'x-envoy-upstream-stream-duration-ms',
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

function append(headers: HeaderList, name: string, value: string): void {
  const before = headers.joined(name);
  headers.set(name, before === undefined || before === '' ? value : `${before},${value}`);
}

function setRemoteAddress(info: StreamInfo, address: string | undefined): void {
  if (address === undefined) return;
  info.remoteHost = address;
  info.remotePort = 0;
}

/** Gives what a client is told that must be recognized and was not. */
function markForwarded(head: RequestHead, info: StreamInfo, options: ForwardedOptions): LocalReply | undefined {
  const { headers } = head;
  const forwarded = forwardedFor(headers);
  const scheme = info.downstream.tls ? 'https' : 'http';
  if (!options.usesRemoteAddress) {
    const isSingle = forwarded !== undefined && !forwarded.includes(',');
    let isTrusted = isSingle;
    if (options.detectIp) {
      const found = options.detectIp(headers, info.downstream.remoteHost);
      if (found.refusal) return found.refusal;
      isTrusted = found.isTrusted;
      setRemoteAddress(info, found.address);
      if (found.appends) appendPeer(headers, info);
    } else setRemoteAddress(info, forwardedAddress(forwarded, options.trustedHops));
    if (!headers.has('x-forwarded-proto')) headers.add('x-forwarded-proto', scheme);
    if (sanitize(head, isTrusted ? info.remoteHost : undefined, false, options)) info.origin = 'internal';
    return undefined;
  }
  if (options.trustedHops > 0) setRemoteAddress(info, forwardedAddress(forwarded, options.trustedHops - 1));
  if (!options.skipsAppend) appendPeer(headers, info);
  if (options.trustedHops === 0 || !headers.has('x-forwarded-proto')) headers.set('x-forwarded-proto', scheme);
  const isInternal = sanitize(head, forwarded === undefined ? info.remoteHost : undefined, true, options);
  if (isInternal) info.origin = 'internal';
  else if (info.remoteHost !== '') headers.set('x-envoy-external-address', info.remoteHost);
  return undefined;
}

function appendPeer(headers: HeaderList, { downstream }: StreamInfo): void {
  if (downstream.remoteHost === '') return;
  const before = forwardedFor(headers);
  headers.set('x-forwarded-for', before ? `${before},${downstream.remoteHost}` : downstream.remoteHost);
}

/** A port, a scheme and an entry of Via that the configuration asks for; most ask for none. */
function markWay({ headers }: RequestHead, info: StreamInfo, options: ForwardedOptions): void {
  if (options.appendsPort && info.downstream.localHost !== '') {
    // A proxy before this one is believed where it is believed in who the client is.
    const isKept = (!options.usesRemoteAddress || options.trustedHops > 0) && headers.has('x-forwarded-port');
    if (!isKept) headers.set('x-forwarded-port', String(info.downstream.localPort));
  }
  if (options.via !== '') appendVia(headers, options.via);
}

/** RFC 9110, 7.6.3. */
export function appendVia(headers: HeaderList, entry: string): void {
  const before = headers.joined('via');
  headers.set('via', before === undefined || before === '' ? entry : `${before}, ${entry}`);
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
  // An empty name names nothing.
  if (isEdge || !head.headers.get('x-request-id')) head.headers.set('x-request-id', randomUUID());
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
  // In the form of RFC 2253 each quote has a backslash before it as it is.
  if (details.subject) parts.push(`Subject="${peer.subject}"`);
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

/**
 * Brings what the request says of its client in line with what is believed, and notes that in `info`. Gives an answer
 * where the client had to be recognized and was not.
 */
export function forward(head: RequestHead, info: StreamInfo, options: ForwardedOptions): LocalReply | undefined {
  const refusal = markForwarded(head, info, options);
  if (refusal) return refusal;
  if (options.scheme !== undefined) {
    head.scheme = options.scheme;
    head.headers.set('x-forwarded-proto', options.scheme);
  }
  if (options.appendsPort || options.via !== '') markWay(head, info, options);
  setRequestId(head, options);
  markClientCert(head, info, options);
  return undefined;
}
