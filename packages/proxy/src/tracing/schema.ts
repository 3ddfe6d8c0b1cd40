/** Schemas of tracing: of a connection manager, of routes, and of the tracers. */
import { compileAsText } from '../access-log/format.ts';
import { type HeaderAddition, headerAddition } from '../config/core.ts';
import { fractionalPercent, type Share } from '../config/runtime.ts';
import {
  anyOf,
  built,
  choice,
  flag,
  list,
  message,
  name,
  number,
  only,
  optional,
  type Parsed,
  presence,
  required,
  type Schema,
  text,
} from '../config/schema.ts';
import { grpcTarget, httpUri } from '../config/services.ts';
import { compileTag, type Tag } from './tags.ts';

const V3 = 'envoy.config.trace.v3';
const TAG = 'envoy.type.tracing.v3.CustomTag';

const metadataKey = message('envoy.type.metadata.v3.MetadataKey', {
  key: name(),
  path: list(message('envoy.type.metadata.v3.MetadataKey.PathSegment', { key: name() }), { min: 1 }),
});

const metadataKind = message(
  'envoy.type.metadata.v3.MetadataKind',
  { request: presence(), route: presence() },
  ({ request, route }, place) => {
    if (request === route) place.refuse('needs request or route');
  },
);

const headerTag = message(`${TAG}.Header`, { name: name(), default_value: text() });

const formatted = built(text(), (given, place) => compileAsText(given, '', (problem) => place.refuse(problem)));

const customTagMessage = message(
  TAG,
  {
    tag: name(),
    literal: optional(message(`${TAG}.Literal`, { value: name() })),
    environment: optional(message(`${TAG}.Environment`, { name: name(), default_value: text() })),
    request_header: optional(headerTag),
    metadata: optional(
      message(`${TAG}.Metadata`, {
        kind: required(metadataKind),
        metadata_key: required(metadataKey),
        default_value: text(),
      }),
    ),
    value: optional(formatted),
  },
  ({ tag: _, ...kinds }, place) => {
    if (Object.values(kinds).filter((kind) => kind !== undefined).length !== 1)
      place.refuse(`needs exactly one of ${Object.keys(kinds).join(', ')}`);
  },
);

export type CustomTagConfig = Parsed<typeof customTagMessage>;

const customTag: Schema<Tag> = built(customTagMessage, compileTag);

const MAX_CACHE_SIZE = 1024;

const httpService = message(
  'envoy.config.core.v3.HttpService',
  { http_uri: required(httpUri), request_headers_to_add: list(headerAddition, { max: 1000 }) },
  ({ http_uri }, place) => {
    if (!/^https?:\/\/[^/?#]+/.test(http_uri.uri)) {
      place.within('http_uri', () => place.within('uri', () => place.refuse('must be http://host/path')));
    }
  },
);

export type CollectorConfig = Parsed<typeof httpService> & {
  readonly request_headers_to_add: readonly HeaderAddition[];
};

const openTelemetry = message(
  `${V3}.OpenTelemetryConfig`,
  {
    grpc_service: optional(grpcTarget),
    http_service: optional(httpService),
    service_name: text('unknown_service:envoy'),
    max_cache_size: number(MAX_CACHE_SIZE, { min: 1, max: 0xffff_ffff }),
  },
  (config, place) => {
    if ((config.grpc_service === undefined) === (config.http_service === undefined))
      place.refuse('needs either grpc_service or http_service');
  },
);

export type OpenTelemetryConfig = Parsed<typeof openTelemetry>;

const zipkin = message(`${V3}.ZipkinConfig`, {
  collector_cluster: name(),
  collector_endpoint: name(),
  collector_endpoint_version: required(choice(['HTTP_JSON'])),
  collector_hostname: text(),
  trace_id_128bit: flag(),
  shared_span_context: flag(true),
  trace_context_option: choice(['USE_B3']),
  split_spans_for_request: only((given) => given === false, 'false'),
});

export type ZipkinConfig = Parsed<typeof zipkin>;

const provider = message(`${V3}.Tracing.Http`, {
  name: name(),
  typed_config: anyOf({ opentelemetry: openTelemetry, zipkin }),
});

export type TracerConfig = Parsed<typeof provider>['typed_config'];

const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing';
const ALL: Share = { numerator: 100, denominator: 100 };

/** Of whole percents, or of hundredths of one. */
function percent(denominator: 100 | 10_000): Schema<Share> {
  const value = message('envoy.type.v3.Percent', { value: number(0, { max: 100 }) });
  return built(
    optional(value),
    (given): Share => (given ? { numerator: Math.floor((given.value * denominator) / 100), denominator } : ALL),
  );
}

export const managerTracing = message(MANAGER, {
  client_sampling: percent(100),
  random_sampling: percent(10_000),
  overall_sampling: percent(100),
  verbose: flag(),
  max_path_tag_length: number(256, { max: 0xffff_ffff }),
  custom_tags: list(customTag),
  /** Without one requests are sampled and counted, and their ids say so, and there is nobody to tell. */
  provider: optional(provider),
  spawn_upstream_span: flag(),
});

export type ManagerTracingConfig = Parsed<typeof managerTracing>;

const share: Schema<Share> = built(optional(fractionalPercent), (given) => given ?? ALL);

export const routeTracing = message('envoy.config.route.v3.Tracing', {
  client_sampling: share,
  random_sampling: share,
  overall_sampling: share,
  custom_tags: list(customTag),
});

export type RouteTracingConfig = Parsed<typeof routeTracing>;

export const decorator = message('envoy.config.route.v3.Decorator', { operation: name(), propagate: flag(true) });

export type DecoratorConfig = Parsed<typeof decorator>;
