/**
 * The authorization service over HTTP: it gets the request's head, and maybe its body, and says yes with 200
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/extensions/filters/http/ext_authz/v3/ext_authz.proto).
 */
import type { TextPredicate } from '../../config/core.ts';
import { HeaderList } from '../../http/header-list.ts';
import { RequestHead } from '../../http/message.ts';
import { asFieldValue } from '../../http1/characters.ts';
import type { StreamInfo } from '../../stack/stream-info.ts';
import type { UpstreamAnswer } from '../../upstream/calls.ts';
import type { FilterContext, FilteredRequest } from '../filter.ts';
import { allowedHeaders, type CheckedBody } from './check-request.ts';
import type { AuthorizationResponse, ExtAuthzConfig, HttpServiceConfig } from './schema.ts';
import type { AuthorizationService } from './service.ts';
import { type FieldPair, NO_ANSWER, type Verdict } from './verdict.ts';

const PARTIAL_BODY = 'x-envoy-auth-partial-body';
const REMOVE = 'x-envoy-auth-headers-to-remove';
const NO_BODY = Buffer.alloc(0);
/** With a list of headers for the client these go, too. */
const CLIENT_HEADERS = new Set(['content-length', 'www-authenticate', 'location']);

const none: TextPredicate = () => false;

const NO_HEADERS: AuthorizationResponse = {
  allowed_upstream_headers: none,
  allowed_upstream_headers_to_append: none,
  allowed_client_headers: undefined,
  allowed_client_headers_on_success: none,
  dynamic_metadata_from_headers: none,
};

/** The head that the service gets: of the client's request, that which it may see. */
function headFor(
  { head, info }: FilteredRequest,
  body: CheckedBody | undefined,
  service: HttpServiceConfig,
  isAllowed: TextPredicate,
): RequestHead {
  const length = body?.bytes.length ?? 0;
  const headers = new HeaderList(['content-length', String(length)]);
  const { flat } = head.headers;
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    if (name !== 'content-length' && name !== PARTIAL_BODY && isAllowed(name)) headers.add(name, flat[i + 1] as string);
  }
  if (body) headers.set(PARTIAL_BODY, String(body.isPartial));
  addFields(headers, service, info);
  headers.set('x-envoy-internal', 'true');
  const { timeout } = service.server_uri;
  if (timeout > 0) headers.set('x-envoy-expected-rq-timeout-ms', String(timeout));
  const path = service.path_override === '' ? service.path_prefix + head.path : service.path_override;
  const sent = new RequestHead(head.method, path, head.authority, 'http', headers);
  sent.bodyLength = length;
  return sent;
}

function addFields(headers: HeaderList, { authorization_request: asked }: HttpServiceConfig, info: StreamInfo): void {
  for (const { name, value } of asked?.headers_to_add ?? []) headers.set(name, asFieldValue(value(info)));
}

function pairsWhere({ flat }: HeaderList, isWanted: TextPredicate): readonly FieldPair[] {
  const pairs: FieldPair[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    if (isWanted(flat[i] as string)) pairs.push([flat[i] as string, flat[i + 1] as string]);
  }
  return pairs;
}

function namesIn(list: string | undefined): readonly string[] {
  return (list ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
}

/** What an answer says: 200 is yes, a status from 500 on that the service cannot tell, and any other no. */
export function verdictOfAnswer({ head, body }: UpstreamAnswer, rules: AuthorizationResponse): Verdict {
  if (head.status >= 500) return NO_ANSWER;
  const { headers } = head;
  const remove = namesIn(headers.joined(REMOVE));
  headers.remove(REMOVE);
  const fromHeaders = pairsWhere(headers, rules.dynamic_metadata_from_headers);
  const metadata = fromHeaders.length === 0 ? undefined : Object.fromEntries(fromHeaders);
  if (head.status !== 200) {
    const { allowed_client_headers: allowed } = rules;
    const isForClient: TextPredicate = allowed
      ? (name) => CLIENT_HEADERS.has(name) || allowed(name)
      : (name) => name !== 'host';
    return {
      type: 'denied',
      status: head.status,
      headers: pairsWhere(headers, isForClient),
      body: body.toString(),
      metadata,
    };
  }
  return {
    type: 'ok',
    set: pairsWhere(headers, rules.allowed_upstream_headers),
    add: pairsWhere(headers, rules.allowed_upstream_headers_to_append),
    append: [],
    remove,
    setParameters: [],
    removeParameters: [],
    response: pairsWhere(headers, rules.allowed_client_headers_on_success).map((field) => ({ action: 'add', field })),
    metadata,
  };
}

export function httpAuthorization(
  config: ExtAuthzConfig,
  service: HttpServiceConfig,
  { calls, clock }: FilterContext,
): AuthorizationService {
  const listed = config.allowed_headers ?? service.authorization_request?.allowed_headers ?? none;
  const allowed: TextPredicate = (name) => name === 'authorization' || listed(name);
  const isAllowed = allowedHeaders(allowed, config.disallowed_headers) ?? allowed;
  const rules = service.authorization_response ?? NO_HEADERS;
  const { cluster, timeout: timeoutMs } = service.server_uri;
  return {
    async check(request, body, _extensions, signal) {
      const head = headFor(request, body, service, isAllowed);
      const startMs = clock.monotonicMs();
      const answer = await calls.request({ cluster, head, body: body?.bytes ?? NO_BODY, timeoutMs }, signal);
      answer.head.headers.set('x-envoy-upstream-service-time', String(Math.floor(clock.monotonicMs() - startMs)));
      return verdictOfAnswer(answer, rules);
    },
  };
}
