/**
 * What is told to an authorization service of a request, as Envoy tells it
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/service/auth/v3/attribute_context.proto).
 */
import { encode, type Messages } from '@weft/envoy-api';
import { requestField } from '../../access-log/operators.ts';
import type { Random } from '../../cluster/balancer.ts';
import type { TextPredicate } from '../../config/core.ts';
import { textOf, utf8Of } from '../../http/field-text.ts';
import type { RequestHead } from '../../http/message.ts';
import type { CertificateNames, StreamInfo } from '../../stack/stream-info.ts';
import type { FilteredRequest } from '../filter.ts';
import type { BufferSettings, ExtAuthzConfig } from './schema.ts';

type Attributes = Messages['envoy.service.auth.v3.AttributeContext'];
type Peer = Messages['envoy.service.auth.v3.AttributeContext.Peer'];
type HttpRequest = Messages['envoy.service.auth.v3.AttributeContext.HttpRequest'];
type Metadata = Messages['envoy.config.core.v3.Metadata'];

/** The body, as far as it is told. */
export interface CheckedBody {
  readonly bytes: Buffer;
  readonly isPartial: boolean;
  readonly settings: BufferSettings;
}

const PARTIAL_BODY = 'x-envoy-auth-partial-body';
const PSEUDO = [':authority', ':path', ':method', ':scheme'] as const;

/** Which headers the service is told of. */
export function allowedHeaders(
  allowed: TextPredicate | undefined,
  disallowed: TextPredicate | undefined,
): TextPredicate | undefined {
  if (!disallowed) return allowed;
  return allowed ? (name) => allowed(name) && !disallowed(name) : (name) => !disallowed(name);
}

/** Calls `tell` with each header that may be told, pseudo-headers first. */
export function eachHeader(
  head: RequestHead,
  isAllowed: TextPredicate | undefined,
  tell: (name: string, value: string) => void,
): void {
  for (const name of PSEUDO) {
    const value = requestField(head, name);
    if (value !== undefined && (!isAllowed || isAllowed(name))) tell(name, value);
  }
  const { flat } = head.headers;
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    if (name !== PARTIAL_BODY && (!isAllowed || isAllowed(name))) tell(name, flat[i + 1] as string);
  }
}

function address(host: string, port: number): Pick<Peer, 'address'> {
  return host === '' ? {} : { address: { socket_address: { address: host, port_value: port } } };
}

/** Who a certificate is for: its URI, else its DNS name, else its subject. */
function principal(names: CertificateNames | undefined): Pick<Peer, 'principal'> {
  const name = names?.uris[0] ?? names?.dnsNames[0] ?? names?.subject;
  return name === undefined ? {} : { principal: textOf(name) };
}

export class CheckRequests {
  readonly #config: ExtAuthzConfig;
  readonly #isAllowed: TextPredicate | undefined;
  readonly #random: Random;

  constructor(config: ExtAuthzConfig, random: Random) {
    this.#config = config;
    this.#isAllowed = allowedHeaders(config.allowed_headers, config.disallowed_headers);
    this.#random = random;
  }

  /** `envoy.service.auth.v3.CheckRequest`, encoded. */
  encode(
    request: FilteredRequest,
    body: CheckedBody | undefined,
    extensions: Readonly<Record<string, string>> | undefined,
  ): Buffer {
    const { info } = request;
    const { tls } = info.downstream;
    const attributes: Attributes = {
      source: this.#source(request),
      destination: { ...address(info.downstream.localHost, info.downstream.localPort), ...principal(tls?.local) },
      request: { time: new Date(info.startWallMs).toISOString(), http: this.#http(request, body) },
      metadata_context: this.#metadata(info),
      route_metadata_context: this.#routeMetadata(request),
      ...(extensions ? { context_extensions: extensions } : {}),
      ...(tls && this.#config.include_tls_session ? { tls_session: { sni: textOf(tls.serverName) } } : {}),
    };
    return encode('envoy.service.auth.v3.CheckRequest', { attributes });
  }

  #source({ info, head }: FilteredRequest): Peer {
    const peer = info.downstream.tls?.peer;
    const service = head.headers.get('x-envoy-downstream-service-cluster');
    return {
      ...address(info.remoteHost, info.remotePort),
      ...principal(peer),
      ...(service === undefined ? {} : { service: textOf(service) }),
      ...(peer && this.#config.include_peer_certificate ? { certificate: encodeURIComponent(peer.pem) } : {}),
    };
  }

  #http({ head, info }: FilteredRequest, body: CheckedBody | undefined): HttpRequest {
    return {
      id: String(Math.floor(this.#random() * Number.MAX_SAFE_INTEGER)),
      method: head.method,
      path: textOf(head.path),
      host: textOf(head.authority),
      scheme: requestField(head, ':scheme') ?? '',
      size: info.bytesReceived,
      protocol: head.protocol,
      ...this.#headers(head, body),
      ...bodyOf(body),
    };
  }

  #headers(head: RequestHead, body: CheckedBody | undefined): Pick<HttpRequest, 'headers' | 'header_map'> {
    if (this.#config.encode_raw_headers) {
      const headers: { readonly key: string; readonly raw_value: string }[] = [];
      const add = (key: string, value: string) =>
        headers.push({ key, raw_value: Buffer.from(value, 'latin1').toString('base64') });
      eachHeader(head, this.#isAllowed, add);
      if (body) add(PARTIAL_BODY, String(body.isPartial));
      return { header_map: { headers } };
    }
    const headers: Record<string, string> = {};
    eachHeader(head, this.#isAllowed, (name, value) => {
      const before = Object.hasOwn(headers, name) ? headers[name] : undefined;
      headers[name] = before === undefined ? textOf(value) : `${before},${textOf(value)}`;
    });
    if (body) headers[PARTIAL_BODY] = String(body.isPartial);
    return { headers };
  }

  #metadata({ dynamicMetadata }: StreamInfo): Metadata {
    const wanted = this.#config.metadata_context_namespaces;
    return chosen(wanted, (name) => dynamicMetadata?.get(name));
  }

  #routeMetadata({ route }: FilteredRequest): Metadata {
    const known = (route?.metadata as { readonly filter_metadata?: Readonly<Record<string, unknown>> } | undefined)
      ?.filter_metadata;
    return chosen(
      this.#config.route_metadata_context_namespaces,
      (name) => known?.[name] as Record<string, unknown> | undefined,
    );
  }
}

function chosen(names: readonly string[], find: (name: string) => Record<string, unknown> | undefined): Metadata {
  const found: Record<string, Record<string, unknown>> = {};
  for (const name of names) {
    const values = find(name);
    if (values) found[name] = values;
  }
  return Object.keys(found).length === 0 ? {} : { filter_metadata: found };
}

function bodyOf(body: CheckedBody | undefined): Pick<HttpRequest, 'body' | 'raw_body'> {
  if (!body) return {};
  return body.settings.pack_as_bytes ? { raw_body: body.bytes.toString('base64') } : { body: utf8Of(body.bytes) };
}
