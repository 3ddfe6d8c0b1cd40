/** Schemas of active health checks (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/health_check.proto). */
import { isAuthority, isFieldValue } from '../http1/characters.ts';
import { headerAddition, headerNames, stringMatcher } from './core.ts';
import {
  anyOf,
  built,
  bytes,
  choice,
  durationMs,
  flag,
  list,
  message,
  name,
  number,
  optional,
  type Parsed,
  type Place,
  required,
  type Schema,
  struct,
  text,
} from './schema.ts';

const LEAST_MS = 0.000001;
/** Headers that a check may add. */
const MAX_ADDED = 1000;

/** Bytes, given in hexadecimal or as they are. */
const payload: Schema<Buffer> = built(
  message('envoy.config.core.v3.HealthCheck.Payload', { text: optional(text()), binary: optional(bytes()) }),
  (given, place) => {
    if (given.binary) return given.binary;
    const hex = given.text ?? '';
    if (hex === '' || hex.length % 2 !== 0 || !/^[0-9a-f]+$/i.test(hex)) {
      place.refuse(`needs binary, or text in hexadecimal; ${JSON.stringify(hex)} is neither`);
      return Buffer.alloc(0);
    }
    return Buffer.from(hex, 'hex');
  },
);

/** Statuses from `start` up to, but not including, `end`. */
export interface StatusRange {
  readonly start: number;
  readonly end: number;
}

const statusRange: Schema<StatusRange> = built(
  message('envoy.type.v3.Int64Range', { start: number(), end: number() }),
  (range, place) => {
    if (range.start >= range.end) place.refuse('start must be less than end');
    if (range.start < 100) place.refuse('start must be at least 100');
    if (range.end > 600) place.refuse('end must be at most 600');
    return range;
  },
);

const METHODS = ['METHOD_UNSPECIFIED', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH'] as const;
const WITHOUT_BODY: ReadonlySet<string> = new Set(['METHOD_UNSPECIFIED', 'GET', 'HEAD', 'DELETE', 'TRACE']);

const host: Schema<string> = built(text(), (given, place) => {
  if (given !== '' && !isAuthority(given)) place.refuse(`${JSON.stringify(given)} is not a host`);
  return given;
});

const path: Schema<string> = built(name(), (given, place) => {
  if (!isFieldValue(given)) place.refuse('holds a control character');
  return given;
});

const httpHealthCheck = message(
  'envoy.config.core.v3.HealthCheck.HttpHealthCheck',
  {
    host,
    path,
    send: optional(payload),
    receive: list(payload),
    response_buffer_size: number(1024),
    request_headers_to_add: list(headerAddition, { max: MAX_ADDED }),
    request_headers_to_remove: headerNames,
    expected_statuses: list(statusRange),
    retriable_statuses: list(statusRange),
    codec_client_type: choice(['HTTP1', 'HTTP2']),
    service_name_matcher: optional(stringMatcher),
    method: choice(METHODS),
  },
  (check, place) => {
    const wanted = check.receive.reduce((sum, { length }) => sum + length, 0);
    if (check.response_buffer_size > 0 && wanted > check.response_buffer_size) {
      place.within('receive', () => place.refuse(`is longer than response_buffer_size, ${check.response_buffer_size}`));
    }
    if (check.send && WITHOUT_BODY.has(check.method)) {
      place.within('send', () => place.refuse('needs a method that has a body: POST, PUT, PATCH or OPTIONS'));
    }
  },
);

export type HttpHealthCheckConfig = Parsed<typeof httpHealthCheck>;

const tcpHealthCheck = message('envoy.config.core.v3.HealthCheck.TcpHealthCheck', {
  send: optional(payload),
  receive: list(payload),
});

export type TcpHealthCheckConfig = Parsed<typeof tcpHealthCheck>;

const grpcHealthCheck = message('envoy.config.core.v3.HealthCheck.GrpcHealthCheck', {
  service_name: text(),
  authority: host,
  initial_metadata: list(headerAddition, { max: MAX_ADDED }),
});

export type GrpcHealthCheckConfig = Parsed<typeof grpcHealthCheck>;

const tlsOptions = message('envoy.config.core.v3.HealthCheck.TlsOptions', { alpn_protocols: list(name()) });

const FILE_SINK = 'envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink';

const eventSink = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: name(),
  typed_config: anyOf({ file: message(FILE_SINK, { event_log_path: name() }) }),
});

const healthCheckFields = {
  timeout: required(durationMs(0, { min: LEAST_MS })),
  interval: required(durationMs(0, { min: LEAST_MS })),
  initial_jitter: durationMs(),
  interval_jitter: durationMs(),
  interval_jitter_percent: number(),
  unhealthy_threshold: required(number()),
  healthy_threshold: required(number()),
  reuse_connection: flag(true),
  http_health_check: optional(httpHealthCheck),
  tcp_health_check: optional(tcpHealthCheck),
  grpc_health_check: optional(grpcHealthCheck),
  no_traffic_interval: durationMs(60_000, { min: LEAST_MS }),
  no_traffic_healthy_interval: optional(durationMs(0, { min: LEAST_MS })),
  unhealthy_interval: optional(durationMs(0, { min: LEAST_MS })),
  unhealthy_edge_interval: optional(durationMs(0, { min: LEAST_MS })),
  healthy_edge_interval: optional(durationMs(0, { min: LEAST_MS })),
  tls_options: optional(tlsOptions),
  transport_socket_match_criteria: struct(),
  event_log_path: text(),
  event_logger: list(eventSink),
  always_log_health_check_failures: flag(),
  always_log_health_check_success: flag(),
  name: text(),
};

function checkKind(
  check: {
    readonly http_health_check: unknown;
    readonly tcp_health_check: unknown;
    readonly grpc_health_check: unknown;
  },
  place: Place,
): void {
  if (!check.http_health_check && !check.tcp_health_check && !check.grpc_health_check) {
    place.refuse('needs http_health_check, tcp_health_check or grpc_health_check');
  }
}

export const healthCheck = message('envoy.config.core.v3.HealthCheck', healthCheckFields, checkKind);

export type HealthCheckConfig = Parsed<typeof healthCheck>;
