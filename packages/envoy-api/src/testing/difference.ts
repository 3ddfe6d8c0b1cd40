/**
 * What the pinned Envoy binary and the Go module that the committed descriptors come from do not both have. Each list
 * is exact: a move to another Envoy changes it, and then each entry wants its reason.
 */

/** Files of the Go modules that the binary does not carry, by why. */
export const NOT_IN_BINARY: Readonly<Record<string, readonly string[]>> = {
  'declares nothing, and only passes on the files that it imports': [
    'envoy/config/trace/v3/trace.proto',
    'envoy/extensions/transport_sockets/tls/v3/cert.proto',
  ],
  'is of v2, kept in the API for its numbers alone': [
    'envoy/type/http.proto',
    'envoy/type/metadata/v2/metadata.proto',
    'envoy/type/tracing/v2/custom_tag.proto',
  ],
  'is a filter that is not built into the released Envoy': [
    'envoy/extensions/filters/http/gzip/v3/gzip.proto',
    'envoy/extensions/filters/http/kill_request/v3/kill_request.proto',
  ],
  'configures gRPC, whose own code reads it from a table of another kind': [
    'envoy/extensions/grpc_service/call_credentials/access_token/v3/access_token_credentials.proto',
    'envoy/extensions/grpc_service/call_credentials/file_based_metadata/v3/file_based_metadata_credentials.proto',
    'envoy/extensions/grpc_service/call_credentials/google_compute_engine/v3/google_compute_engine_credentials.proto',
    'envoy/extensions/grpc_service/call_credentials/google_iam/v3/google_iam_credentials.proto',
    'envoy/extensions/grpc_service/call_credentials/google_refresh_token/v3/google_refresh_token_credentials.proto',
    'envoy/extensions/grpc_service/call_credentials/service_account_jwt_access/v3/service_account_jwt_access_credentials.proto',
    'envoy/extensions/grpc_service/call_credentials/sts_service/v3/sts_service_credentials.proto',
    'envoy/extensions/grpc_service/channel_credentials/google_default/v3/google_default_credentials.proto',
    'envoy/extensions/grpc_service/channel_credentials/insecure/v3/insecure_credentials.proto',
    'envoy/extensions/grpc_service/channel_credentials/local/v3/local_credentials.proto',
    'envoy/extensions/grpc_service/channel_credentials/tls/v3/tls_credentials.proto',
    'envoy/extensions/grpc_service/channel_credentials/xds/v3/xds_credentials.proto',
    'envoy/extensions/load_balancing_policies/pick_first/v3/pick_first.proto',
    'envoy/extensions/load_balancing_policies/random_subsetting/v3/random_subsetting.proto',
    'envoy/extensions/rbac/audit_loggers/stream/v3/stream.proto',
    'envoy/extensions/transport_sockets/s2a/v3/s2a.proto',
  ],
  'is an interface of which Envoy has no code': [
    'envoy/extensions/outlier_detection_monitors/common/v3/error_types.proto',
    'envoy/extensions/outlier_detection_monitors/consecutive_errors/v3/consecutive_errors.proto',
    'envoy/service/event_reporting/v3/event_reporting_service.proto',
    'envoy/service/status/v3/csds.proto',
    'envoy/service/tap/v3/tap.proto',
  ],
  'is an annotation that no file of the API uses': ['xds/annotations/v3/sensitive.proto'],
};

/** Files of the binary that the Go modules do not have, by why; none of them is read from a configuration. */
export const NOT_IN_MODULE: Readonly<Record<string, readonly string[]>> = {
  'is inside Envoy: what it keeps in caches, cookies and files, and hears from its parent and from clouds': [
    'source/extensions/common/wasm/ext/declare_property.proto',
    'source/extensions/common/wasm/ext/set_envoy_filter_state.proto',
    'source/extensions/common/wasm/ext/sign.proto',
    'source/extensions/common/wasm/ext/verify_signature.proto',
    'source/extensions/filters/http/aws_lambda/request_response.proto',
    'source/extensions/filters/http/cache/key.proto',
    'source/extensions/filters/http/cache_v2/key.proto',
    'source/extensions/filters/http/oauth2/oauth_response.proto',
    'source/extensions/filters/network/ext_authz/ext_authz_decision.proto',
    'source/extensions/http/cache/file_system_http_cache/cache_file_header.proto',
    'source/extensions/http/cache_v2/file_system_http_cache/cache_file_header.proto',
    'source/extensions/http/injected_credentials/oauth2/oauth_response.proto',
    'source/extensions/http/stateful_session/cookie/cookie.proto',
    'source/extensions/tracers/xray/daemon.proto',
    'source/server/hot_restart.proto',
  ],
  "is a tracer's: Zipkin and SkyWalking": [
    'common/Command.proto',
    'common/Common.proto',
    'cpp2sky/config.proto',
    'language-agent/Tracing.proto',
    'zipkin.proto',
  ],
  "is gRPC's, a memory profiler's or Google's": [
    'google/api/httpbody.proto',
    'google/rpc/error_details.proto',
    'src/proto/grpc/gcp/handshaker.proto',
    'src/proto/grpc/gcp/transport_security_common.proto',
    'src/proto/grpc/health/v1/health.proto',
    'tcmalloc/internal/profile.proto',
  ],
  'is of protobuf itself, and no file of the API imports it': [
    'google/protobuf/cpp_features.proto',
    'google/protobuf/field_mask.proto',
    'google/protobuf/source_context.proto',
    'google/protobuf/type.proto',
  ],
};

/** In files that both have, what the module's newer copy of somebody else's file has and the binary's has not. */
export const NEWER_IN_MODULE: Readonly<Record<string, readonly string[]>> = {
  'is newer than the OpenTelemetry that Envoy is built with': [
    'opentelemetry.proto.common.v1.AnyValue.string_value_strindex',
    'opentelemetry.proto.common.v1.KeyValue.key_strindex',
  ],
  'is newer than the CEL that Envoy is built with': ['google.api.expr.v1alpha1.Decl.FunctionDecl.doc'],
};
