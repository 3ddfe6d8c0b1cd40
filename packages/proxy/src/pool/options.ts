/** Which version of HTTP a cluster is spoken to in, and with which options, by its configuration. */
import { type ClusterConfig, httpOptionsOf } from '../config/cluster.ts';
import type { Http1ClientOptions } from '../http1/client-connection.ts';
import { type Http2ClientOptions, protocolOptions } from '../http2/options.ts';
import type { PoolProtocol } from './pool.ts';

export interface UpstreamHttpOptions {
  /** `downstream`: that of the request. */
  readonly protocol: PoolProtocol | 'downstream';
  /** So long after it was made a connection takes no more requests; 0: it may last. */
  readonly maxDurationMs: number;
  readonly http1: Http1ClientOptions;
  readonly http2: Http2ClientOptions;
}

/**
 * How long an unused connection is kept where the configuration says nothing. Envoy keeps it for an hour, and its first
 * request then meets a server that has closed it long ago; usual servers close after 5 s (Node), 60 s or 75 s.
 */
const DEFAULT_HTTP1_IDLE_MS = 4000;
/** With HTTP/2 the server says when it closes, and which requests it has not seen. */
const DEFAULT_HTTP2_IDLE_MS = 3_600_000;
const MAX_HEADERS_COUNT = 100;
/** Where the configuration says nothing, a head may be longer in one version than in the other, as with Envoy. */
const MAX_RESPONSE_HEADERS_KB = { http1: 80, http2: 60 };

function protocolOf(config: ClusterConfig): UpstreamHttpOptions['protocol'] {
  const http = httpOptionsOf(config);
  if (http?.auto_config) return 'auto';
  if (http?.use_downstream_protocol_config) return 'downstream';
  return http?.explicit_http_config?.http2_protocol_options || config.http2_protocol_options ? 'http2' : 'http1';
}

export function upstreamHttpOptions(config: ClusterConfig): UpstreamHttpOptions {
  const http = httpOptionsOf(config);
  const versions = http?.explicit_http_config ?? http?.auto_config ?? http?.use_downstream_protocol_config;
  const common = http?.common_http_protocol_options;
  const shared = {
    maxFields: common?.max_headers_count ?? MAX_HEADERS_COUNT,
    maxRequests: config.max_requests_per_connection ?? common?.max_requests_per_connection ?? 0,
  };
  const maxHeadBytes = (version: 'http1' | 'http2'): number =>
    (common?.max_response_headers_kb ?? MAX_RESPONSE_HEADERS_KB[version]) * 1024;
  return {
    protocol: protocolOf(config),
    maxDurationMs: common?.max_connection_duration ?? 0,
    http1: {
      ...shared,
      maxHeadBytes: maxHeadBytes('http1'),
      enableTrailers: versions?.http_protocol_options?.enable_trailers ?? false,
      idleTimeoutMs: common?.idle_timeout ?? DEFAULT_HTTP1_IDLE_MS,
    },
    http2: {
      ...shared,
      maxHeadBytes: maxHeadBytes('http2'),
      ...protocolOptions(versions?.http2_protocol_options ?? config.http2_protocol_options),
      idleTimeoutMs: common?.idle_timeout ?? DEFAULT_HTTP2_IDLE_MS,
    },
  };
}
