/** Schemas of the external authorization filter. */
import type { TextPredicate } from '../../config/core.ts';
import { httpStatus } from '../../config/http-status.ts';
import { runtimeFlag, runtimeFraction } from '../../config/runtime.ts';
import {
  built,
  flag,
  list,
  map,
  message,
  number,
  only,
  optional,
  type Parsed,
  type Place,
  required,
  type Schema,
  text,
} from '../../config/schema.ts';
import { callField, grpcTarget, httpUri, stringMatchers, transportApiVersion } from '../../config/services.ts';

const V3 = 'envoy.extensions.filters.http.ext_authz.v3';
const MAX_UINT32 = 0xffff_ffff;

const bufferSettings = message(`${V3}.BufferSettings`, {
  max_request_bytes: required(number(0, { min: 1, max: MAX_UINT32 })),
  allow_partial_message: flag(),
  pack_as_bytes: flag(),
});

export type BufferSettings = Parsed<typeof bufferSettings>;

const noMatch: TextPredicate = () => false;

/** No header, where the list is absent. */
const listed: Schema<TextPredicate> = built(optional(stringMatchers), (matches) => matches ?? noMatch);

const authorizationRequest = message(`${V3}.AuthorizationRequest`, {
  allowed_headers: optional(stringMatchers),
  headers_to_add: list(callField),
});

const authorizationResponse = message(`${V3}.AuthorizationResponse`, {
  allowed_upstream_headers: listed,
  allowed_upstream_headers_to_append: listed,
  /** Absent: every header of an answer that denies goes to the client. */
  allowed_client_headers: optional(stringMatchers),
  allowed_client_headers_on_success: listed,
  dynamic_metadata_from_headers: listed,
});

export type AuthorizationResponse = Parsed<typeof authorizationResponse>;

function checkPath(path: string, field: string, place: Place): void {
  if (path !== '' && !path.startsWith('/')) place.within(field, () => place.refuse('must start with a slash'));
}

const httpService = message(
  `${V3}.HttpService`,
  {
    server_uri: required(httpUri),
    path_prefix: text(),
    path_override: text(),
    authorization_request: optional(authorizationRequest),
    authorization_response: optional(authorizationResponse),
  },
  ({ path_prefix, path_override }, place) => {
    checkPath(path_prefix, 'path_prefix', place);
    checkPath(path_override, 'path_override', place);
    if (path_prefix !== '' && path_override !== '') place.refuse('has both path_prefix and path_override');
  },
);

export type HttpServiceConfig = Parsed<typeof httpService>;

export const extAuthz = message(
  `${V3}.ExtAuthz`,
  {
    grpc_service: optional(grpcTarget),
    http_service: optional(httpService),
    transport_api_version: transportApiVersion,
    failure_mode_allow: flag(),
    failure_mode_allow_header_add: flag(),
    with_request_body: optional(bufferSettings),
    clear_route_cache: flag(),
    status_on_error: optional(httpStatus),
    validate_mutations: flag(),
    metadata_context_namespaces: list(text()),
    route_metadata_context_namespaces: list(text()),
    filter_enabled: optional(runtimeFraction),
    deny_at_disable: optional(runtimeFlag),
    include_peer_certificate: flag(),
    include_tls_session: flag(),
    stat_prefix: text(),
    allowed_headers: optional(stringMatchers),
    disallowed_headers: optional(stringMatchers),
    charge_cluster_response_stats: flag(true),
    encode_raw_headers: flag(),
    enable_dynamic_metadata_ingestion: only((given) => given === true, 'true'),
  },
  (config, place) => {
    if (!config.grpc_service && !config.http_service) place.refuse('needs grpc_service or http_service');
    if (config.allowed_headers && config.http_service?.authorization_request?.allowed_headers) {
      place.within('allowed_headers', () =>
        place.refuse('is given here and in http_service.authorization_request; give it here alone'),
      );
    }
  },
);

export type ExtAuthzConfig = Parsed<typeof extAuthz>;

const checkSettings = message(
  `${V3}.CheckSettings`,
  {
    context_extensions: map(text()),
    disable_request_body_buffering: flag(),
    with_request_body: optional(bufferSettings),
  },
  (settings, place) => {
    if (settings.disable_request_body_buffering && settings.with_request_body)
      place.refuse('has both disable_request_body_buffering and with_request_body');
  },
);

export type CheckSettings = Parsed<typeof checkSettings>;

export const extAuthzPerRoute = message(
  `${V3}.ExtAuthzPerRoute`,
  { disabled: optional(flag()), check_settings: optional(checkSettings) },
  (value, place) => {
    if (value.disabled === false) place.within('disabled', () => place.refuse('may only be true'));
    if (!value.disabled && !value.check_settings) place.refuse('needs disabled or check_settings');
  },
);
