/** The authorization service over gRPC: `envoy.service.auth.v3.Authorization`. */
import { decode, type Messages } from '@weft/envoy-api';
import { statusOf } from '../../config/http-status.ts';
import type { GrpcTarget } from '../../config/services.ts';
import { fieldOf } from '../../http/field-text.ts';
import { callGrpc } from '../../upstream/grpc-target.ts';
import type { FilterContext } from '../filter.ts';
import { CheckRequests } from './check-request.ts';
import type { ExtAuthzConfig } from './schema.ts';
import type { AuthorizationService } from './service.ts';
import type { FieldPair, ResponseChange, Verdict } from './verdict.ts';

const PATH = '/envoy.service.auth.v3.Authorization/Check';
const DEFAULT_TIMEOUT_MS = 200;
const OK = 200;
const FORBIDDEN = 403;

type CheckResponse = Messages['envoy.service.auth.v3.CheckResponse'];
type HeaderOption = Messages['envoy.config.core.v3.HeaderValueOption'];

function pairOf({ header }: HeaderOption): FieldPair {
  const value = header?.raw_value ? Buffer.from(header.raw_value, 'base64').toString('latin1') : undefined;
  return [(header?.key ?? '').toLowerCase(), value ?? fieldOf(header?.value ?? '')];
}

const isAppended = ({ append }: HeaderOption): boolean => append === true;

function responseChange(option: HeaderOption): ResponseChange {
  const field = pairOf(option);
  if (option.append !== undefined) return { action: option.append ? 'add' : 'set', field };
  switch (option.append_action) {
    case 'ADD_IF_ABSENT':
      return { action: 'add-if-absent', field };
    case 'OVERWRITE_IF_EXISTS':
      return { action: 'set-if-present', field };
    case 'OVERWRITE_IF_EXISTS_OR_ADD':
      return { action: 'set', field };
    default:
      return { action: 'add', field };
  }
}

/** An answer in place of the upstream's. As in Envoy, fields that are to be appended are left out: there is nothing there. */
function answerOf(answer: Messages['envoy.service.auth.v3.DeniedHttpResponse'] | undefined) {
  const headers = (answer?.headers ?? []).filter((option) => !isAppended(option)).map(pairOf);
  const status = statusOf(answer?.status?.code ?? 0) ?? 0;
  // An informational status would answer nothing.
  return { status: status < OK ? undefined : status, headers, body: answer?.body ?? '' };
}

/** What a `CheckResponse` says. Without a word on fields a `HeaderValueOption` of the request's replaces. */
export function verdictOf(response: CheckResponse): Verdict {
  const ok = response.ok_response;
  const metadata = ok?.dynamic_metadata ?? response.dynamic_metadata;
  const status = response.status?.code ?? 0;
  if (status !== 0) {
    if (response.error_response) return { type: 'error', metadata, ...answerOf(response.error_response) };
    const denied = answerOf(response.denied_response);
    return { type: 'denied', metadata, ...denied, status: denied.status ?? FORBIDDEN };
  }
  const headers = ok?.headers ?? [];
  return {
    type: 'ok',
    set: headers.filter((option) => !isAppended(option)).map(pairOf),
    add: [],
    append: headers.filter(isAppended).map(pairOf),
    remove: (ok?.headers_to_remove ?? []).map((name) => name.toLowerCase()),
    setParameters: (ok?.query_parameters_to_set ?? []).map(({ key = '', value = '' }) => [key, value]),
    removeParameters: ok?.query_parameters_to_remove ?? [],
    response: (ok?.response_headers_to_add ?? []).map(responseChange),
    metadata,
  };
}

export function grpcAuthorization(
  config: ExtAuthzConfig,
  target: GrpcTarget,
  { calls, random }: FilterContext,
): AuthorizationService {
  const requests = new CheckRequests(config, random);
  const timeoutMs = target.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  return {
    async check(request, body, extensions, signal) {
      const message = requests.encode(request, body, extensions);
      const answer = await callGrpc(calls, target, { path: PATH, message, timeoutMs }, request.info, signal);
      return verdictOf(decode('envoy.service.auth.v3.CheckResponse', answer));
    },
  };
}
