/** What the parts of a connection manager take from its configuration. */
import type { HttpConnectionManagerConfig } from '../config/http.ts';
import type { Http1ServerOptions } from '../http1/server-options.ts';
import type { ForwardedOptions } from './forwarded.ts';
import { compileOriginalIp } from './original-ip.ts';

/** How its connections are held to HTTP. */
export function serverOptions(config: HttpConnectionManagerConfig): Http1ServerOptions {
  const common = config.common_http_protocol_options;
  return {
    maxHeadBytes: config.max_request_headers_kb * 1024,
    maxFields: common?.max_headers_count ?? 100,
    acceptsHttp10: config.http_protocol_options?.accept_http_10 ?? false,
    defaultHostForHttp10: config.http_protocol_options?.default_host_for_http_10 ?? '',
    enableTrailers: config.http_protocol_options?.enable_trailers ?? false,
    allowsCustomMethods: config.http_protocol_options?.allow_custom_methods ?? false,
    maxRequests: common?.max_requests_per_connection ?? 0,
    // A head that does not come is a stream where nothing moves.
    requestHeadersTimeoutMs: config.request_headers_timeout || config.stream_idle_timeout,
    idleTimeoutMs: common?.idle_timeout ?? 3_600_000,
    delayedCloseMs: config.delayed_close_timeout,
  };
}

/** When requests are logged beside their end. */
export interface LogMoments {
  readonly atBegin: boolean;
  readonly atTunnel: boolean;
  /** 0: at no interval. */
  readonly everyMs: number;
}

export function logMoments(config: HttpConnectionManagerConfig): LogMoments {
  const { access_log_options: options } = config;
  return {
    atBegin: options?.flush_access_log_on_new_request ?? config.flush_access_log_on_new_request,
    atTunnel: options?.flush_log_on_tunnel_successfully_established ?? false,
    everyMs: options?.access_log_flush_interval ?? config.access_log_flush_interval ?? 0,
  };
}

/** How long connections last; 0: as long as they are used. */
export interface ConnectionAge {
  readonly maxMs: number;
  /** How long a connection that is too old has to end by itself. */
  readonly drainMs: number;
  /** Whether one of HTTP/1 ends with an answer alone, never between two. */
  readonly isSafe: boolean;
}

export function connectionAge(config: HttpConnectionManagerConfig): ConnectionAge {
  return {
    maxMs: config.common_http_protocol_options?.max_connection_duration ?? 0,
    drainMs: config.drain_timeout,
    isSafe: config.http1_safe_max_connection_duration,
  };
}

/** What the options of one version of HTTP say of it, where they say something. */
type OwnWord = { readonly override_stream_error_on_invalid_http_message: boolean | undefined } | undefined;

/** Whether a message that breaks the rules of HTTP ends its stream alone, and not its connection. */
export function endsStreamAlone(config: HttpConnectionManagerConfig, own: OwnWord): boolean {
  return own?.override_stream_error_on_invalid_http_message ?? config.stream_error_on_invalid_http_message;
}

function internalAddresses({ internal_address_config: own }: HttpConnectionManagerConfig): (host: string) => boolean {
  if (!own) return () => false;
  // A unix socket has no address.
  return (host) => (host === '' ? own.unix_sockets : own.cidr_ranges.some((range) => range.contains(host)));
}

/** Whom it believes about the client, and what it tells the upstream of it. */
export function forwardedOptions(config: HttpConnectionManagerConfig): ForwardedOptions {
  const none = { subject: false, cert: false, chain: false, dns: false, uri: false };
  return {
    usesRemoteAddress: config.use_remote_address,
    trustedHops: config.xff_num_trusted_hops,
    skipsAppend: config.skip_xff_append,
    detectIp: compileOriginalIp(config.original_ip_detection_extensions.map(({ typed_config }) => typed_config)),
    appendsPort: config.append_x_forwarded_port,
    scheme: config.scheme_header_transformation?.scheme_to_overwrite,
    via: config.via,
    isInternal: internalAddresses(config),
    generatesRequestId: config.generate_request_id,
    preservesRequestId: config.preserve_external_request_id,
    clientCert: config.forward_client_cert_details,
    clientCertDetails: config.set_current_client_cert_details ?? none,
    clientCertElements: new WeakMap(),
  };
}
