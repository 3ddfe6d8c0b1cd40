/** Schema of the HTTP connection manager. */

import { fieldMutation } from '../filters/header-mutation/schema.ts';
import { isFieldValue } from '../http1/characters.ts';
import { managerTracing } from '../tracing/schema.ts';
import { httpAccessLog } from './access-log.ts';
import { cidrRange } from './cidr.ts';
import { configSource } from './config-source.ts';
import { dataSource, headerAddition, http1Options, http2Options, substitutionFormat } from './core.ts';
import { HTTP_FILTERS } from './filters.ts';
import { accessLogFilter } from './log-filter.ts';
import { checkOriginalIps, originalIpDetection } from './original-ip.ts';
import { routeConfiguration } from './route.ts';
import {
  anyOf,
  built,
  choice,
  durationMs,
  flag,
  list,
  message,
  name,
  number,
  optional,
  type Parsed,
  required,
  type Schema,
  text,
} from './schema.ts';

/** Text that stands in a field as it is. */
function fieldValue(defaultText: string): Schema<string> {
  return built(text(defaultText), (given, place) => {
    const bytes = Buffer.from(given).toString('latin1');
    if (!isFieldValue(bytes)) place.refuse('holds a control character');
    return bytes;
  });
}

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3';

/** Which addresses are the mesh's own; where it is not said, none is (as Envoy has it since 1.33). */
const internalAddresses = message(`${HCM}.HttpConnectionManager.InternalAddressConfig`, {
  unix_sockets: flag(),
  cidr_ranges: list(cidrRange),
});

const httpFilter = message(`${HCM}.HttpFilter`, {
  name: name(),
  typed_config: anyOf(HTTP_FILTERS),
  disabled: flag(),
});

export type HttpFilterConfig = Parsed<typeof httpFilter>;

const rds = message(`${HCM}.Rds`, { config_source: required(configSource), route_config_name: name() });

const upgrade = message(`${HCM}.HttpConnectionManager.UpgradeConfig`, {
  upgrade_type: name(),
  enabled: flag(true),
});

const clientCertDetails = message(`${HCM}.HttpConnectionManager.SetCurrentClientCertDetails`, {
  subject: flag(),
  cert: flag(),
  chain: flag(),
  dns: flag(),
  uri: flag(),
});

const responseMapper = message(`${HCM}.ResponseMapper`, {
  filter: required(accessLogFilter),
  status_code: optional(number(0, { min: 200, max: 599 })),
  body: optional(dataSource),
  body_format_override: optional(substitutionFormat),
  headers_to_add: list(headerAddition),
});

const localReply = message(`${HCM}.LocalReplyConfig`, {
  mappers: list(responseMapper),
  body_format: optional(substitutionFormat),
});

export type LocalReplyConfig = Parsed<typeof localReply>;
export type ResponseMapperConfig = Parsed<typeof responseMapper>;

const commonOptions = message('envoy.config.core.v3.HttpProtocolOptions', {
  idle_timeout: durationMs(3_600_000),
  max_headers_count: number(100, { min: 1 }),
  headers_with_underscores_action: choice(['ALLOW', 'REJECT_REQUEST', 'DROP_HEADER']),
  max_requests_per_connection: number(0),
  max_stream_duration: optional(durationMs()),
  max_connection_duration: optional(durationMs()),
});

const uuidRequestId = message('envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig', {
  pack_trace_reason: flag(true),
  use_request_id_for_trace_sampling: flag(true),
});

const requestIdExtension = message(`${HCM}.RequestIDExtension`, { typed_config: anyOf({ uuid: uuidRequestId }) });

const schemeTransformation = message('envoy.config.core.v3.SchemeHeaderTransformation', {
  scheme_to_overwrite: optional(choice(['http', 'https'])),
  match_upstream: flag(),
});

/** Changes of what the client sent before anything else looks at it. */
const earlyMutation = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: text(),
  typed_config: anyOf({
    'header-mutation': message('envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation', {
      mutations: list(fieldMutation, { min: 1 }),
    }),
  }),
});

/** When requests are logged before they end; 0: never. */
const logOptions = message(`${HCM}.HttpConnectionManager.HcmAccessLogOptions`, {
  access_log_flush_interval: optional(durationMs(0, { min: 1 })),
  flush_access_log_on_new_request: flag(),
  flush_log_on_tunnel_successfully_established: flag(),
});

export const httpConnectionManager = message(
  `${HCM}.HttpConnectionManager`,
  {
    codec_type: choice(['AUTO', 'HTTP1', 'HTTP2']),
    stat_prefix: name(),
    rds: optional(rds),
    route_config: optional(routeConfiguration),
    http_filters: list(httpFilter, { min: 1 }),
    http_protocol_options: optional(http1Options),
    http2_protocol_options: optional(http2Options),
    common_http_protocol_options: optional(commonOptions),
    server_name: fieldValue('envoy'),
    server_header_transformation: choice(['OVERWRITE', 'APPEND_IF_ABSENT', 'PASS_THROUGH']),
    drain_timeout: durationMs(5000),
    delayed_close_timeout: durationMs(1000),
    access_log: list(httpAccessLog),
    use_remote_address: flag(),
    xff_num_trusted_hops: number(0),
    skip_xff_append: flag(),
    append_x_forwarded_port: flag(),
    original_ip_detection_extensions: list(originalIpDetection),
    via: fieldValue(''),
    stream_error_on_invalid_http_message: flag(),
    early_header_mutation_extensions: list(earlyMutation),
    http1_safe_max_connection_duration: flag(),
    access_log_options: optional(logOptions),
    access_log_flush_interval: optional(durationMs(0, { min: 1 })),
    flush_access_log_on_new_request: flag(),
    scheme_header_transformation: optional(schemeTransformation),
    internal_address_config: optional(internalAddresses),
    generate_request_id: flag(true),
    preserve_external_request_id: flag(),
    always_set_request_id_in_response: flag(),
    request_id_extension: optional(requestIdExtension),
    forward_client_cert_details: choice([
      'SANITIZE',
      'FORWARD_ONLY',
      'APPEND_FORWARD',
      'SANITIZE_SET',
      'ALWAYS_FORWARD_ONLY',
    ]),
    set_current_client_cert_details: optional(clientCertDetails),
    proxy_100_continue: flag(),
    upgrade_configs: list(upgrade),
    tracing: optional(managerTracing),
    stream_idle_timeout: durationMs(300_000),
    request_timeout: durationMs(),
    request_headers_timeout: durationMs(),
    max_request_headers_kb: number(60, { min: 1, max: 8192 }),
    normalize_path: flag(),
    merge_slashes: flag(),
    path_with_escaped_slashes_action: choice([
      'IMPLEMENTATION_SPECIFIC_DEFAULT',
      'KEEP_UNCHANGED',
      'REJECT_REQUEST',
      'UNESCAPE_AND_REDIRECT',
      'UNESCAPE_AND_FORWARD',
    ]),
    strip_matching_host_port: flag(),
    strip_any_host_port: flag(),
    strip_trailing_host_dot: flag(),
    local_reply_config: optional(localReply),
  },
  (value, place) => {
    if (!value.rds && !value.route_config) place.refuse('needs route_config or rds');
    checkOriginalIps(value, place);
    for (const field of ['access_log_flush_interval', 'flush_access_log_on_new_request'] as const) {
      if (value.access_log_options && value[field]) {
        place.within(field, () => place.refuse('is given here and in access_log_options; give it there alone'));
      }
    }
    const last = value.http_filters.length - 1;
    const names = new Set<string>();
    for (const [index, filter] of value.http_filters.entries()) {
      if (names.has(filter.name)) {
        place.within('http_filters', () =>
          place.within(index, () => place.refuse(`the name ${filter.name} is that of another filter`)),
        );
      }
      names.add(filter.name);
      if (filter.typed_config.type === 'router' && index !== last) {
        place.within('http_filters', () =>
          place.within(index, () => place.refuse('the router must be the last filter')),
        );
      }
    }
  },
);

export type HttpConnectionManagerConfig = Parsed<typeof httpConnectionManager>;
