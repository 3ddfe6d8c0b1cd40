/**
 * The statistics that the proxy keeps, under Envoy's names
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/stats_overview). Each group is a class whose fields are
 * counted directly; they are listed, named and labelled only when somebody asks.
 */
import { CodeCounts, Histogram } from './histogram.ts';
import { NamedValues } from './named.ts';

/** `cluster.<name>.` */
export class ClusterStats {
  assignment_stale = 0;
  assignment_timeout_received = 0;
  bind_errors = 0;
  lb_healthy_panic = 0;
  lb_local_cluster_not_ok = 0;
  lb_recalculate_zone_structures = 0;
  lb_subsets_active = 0;
  lb_subsets_created = 0;
  lb_subsets_fallback = 0;
  lb_subsets_fallback_panic = 0;
  lb_subsets_removed = 0;
  lb_subsets_selected = 0;
  lb_zone_cluster_too_small = 0;
  lb_zone_no_capacity_left = 0;
  lb_zone_routing_all_directly = 0;
  lb_zone_routing_cross_zone = 0;
  lb_zone_routing_sampled = 0;
  max_host_weight = 0;
  membership_change = 0;
  membership_degraded = 0;
  membership_excluded = 0;
  membership_healthy = 0;
  membership_total = 0;
  original_dst_host_invalid = 0;
  retry_or_shadow_abandoned = 0;
  update_attempt = 0;
  update_success = 0;
  update_failure = 0;
  update_empty = 0;
  upstream_cx_active = 0;
  upstream_cx_close_notify = 0;
  upstream_cx_connect_attempts_exceeded = 0;
  upstream_cx_connect_fail = 0;
  upstream_cx_connect_timeout = 0;
  upstream_cx_destroy = 0;
  upstream_cx_destroy_local = 0;
  upstream_cx_destroy_local_with_active_rq = 0;
  upstream_cx_destroy_remote = 0;
  upstream_cx_destroy_remote_with_active_rq = 0;
  upstream_cx_destroy_with_active_rq = 0;
  upstream_cx_http1_total = 0;
  upstream_cx_http2_total = 0;
  upstream_cx_idle_timeout = 0;
  upstream_cx_max_duration_reached = 0;
  upstream_cx_max_requests = 0;
  upstream_cx_none_healthy = 0;
  upstream_cx_overflow = 0;
  upstream_cx_protocol_error = 0;
  upstream_cx_rx_bytes_total = 0;
  upstream_cx_total = 0;
  upstream_cx_tx_bytes_total = 0;
  upstream_flow_control_backed_up_total = 0;
  upstream_flow_control_drained_total = 0;
  upstream_flow_control_paused_reading_total = 0;
  upstream_flow_control_resumed_reading_total = 0;
  upstream_internal_redirect_failed_total = 0;
  upstream_internal_redirect_succeeded_total = 0;
  upstream_rq_1xx = 0;
  upstream_rq_2xx = 0;
  upstream_rq_3xx = 0;
  upstream_rq_4xx = 0;
  upstream_rq_5xx = 0;
  upstream_rq_active = 0;
  upstream_rq_active_overflow = 0;
  upstream_rq_cancelled = 0;
  upstream_rq_completed = 0;
  upstream_rq_pending_active = 0;
  upstream_rq_pending_failure_eject = 0;
  upstream_rq_pending_overflow = 0;
  upstream_rq_pending_total = 0;
  upstream_rq_per_try_idle_timeout = 0;
  upstream_rq_per_try_timeout = 0;
  upstream_rq_retry = 0;
  upstream_rq_retry_backoff_exponential = 0;
  upstream_rq_retry_backoff_ratelimited = 0;
  upstream_rq_retry_limit_exceeded = 0;
  upstream_rq_retry_overflow = 0;
  upstream_rq_retry_success = 0;
  upstream_rq_rx_reset = 0;
  upstream_rq_timeout = 0;
  upstream_rq_total = 0;
  upstream_rq_tx_reset = 0;
  version = 0;
  readonly upstream_rq_ = new CodeCounts();
  readonly upstream_cx_connect_ms = new Histogram();
  readonly upstream_cx_length_ms = new Histogram();
  readonly upstream_rq_time = new Histogram();
}

/** What counts answers by their status, of a cluster, and of those among them that were asked for again. */
export interface AnswerStats {
  upstream_rq_1xx: number;
  upstream_rq_2xx: number;
  upstream_rq_3xx: number;
  upstream_rq_4xx: number;
  upstream_rq_5xx: number;
  upstream_rq_completed: number;
  readonly upstream_rq_: CodeCounts;
}

/** `cluster.<name>.retry.`: answers that nobody got, since the request was sent again. */
export class RetriedStats implements AnswerStats {
  upstream_rq_1xx = 0;
  upstream_rq_2xx = 0;
  upstream_rq_3xx = 0;
  upstream_rq_4xx = 0;
  upstream_rq_5xx = 0;
  upstream_rq_completed = 0;
  readonly upstream_rq_ = new CodeCounts();
}

/** Whose requests a cluster was asked: those of the mesh's own parts, the proxy's among them, or those from outside. */
export type RequestOrigin = 'internal' | 'external';

/** `cluster.<name>.internal.` and `cluster.<name>.external.`: what the cluster came to, by whose request it was. */
export class OriginStats extends RetriedStats {
  /** Made when the first answer is complete. */
  upstream_rq_time: Histogram | undefined = undefined;

  recordTime(milliseconds: number): void {
    this.upstream_rq_time ??= new Histogram();
    this.upstream_rq_time.record(milliseconds);
  }
}

/** `cluster.<name>.ssl.` and `listener.<address>.ssl.` */
export class TlsStats {
  /** Handshakes that failed for another reason than who the peer is. */
  connection_error = 0;
  fail_verify_cert_hash = 0;
  fail_verify_error = 0;
  fail_verify_no_cert = 0;
  fail_verify_san = 0;
  handshake = 0;
  no_certificate = 0;
  session_reused = 0;
  readonly 'ciphers.': NamedValues;
  /** Of clusters alone: Node does not tell servers. */
  readonly 'curves.' = new NamedValues({ type: 'counter', label: 'envoy_ssl_curve' });
  readonly 'versions.' = new NamedValues({ type: 'counter', label: 'envoy_ssl_version' });
  readonly 'certificate.' = new NamedValues({
    type: 'gauge',
    label: 'envoy_tls_certificate',
    suffix: '.expiration_unix_time_seconds',
  });

  /** `cipherLabel`: how Prometheus gets ciphers; of clusters `cipher_suite`. */
  constructor(cipherLabel = 'envoy_ssl_cipher') {
    this['ciphers.'] = new NamedValues({ type: 'counter', label: cipherLabel });
  }
}

/** `http.<stat prefix>.` */
export class HttpStats {
  downstream_cx_active = 0;
  downstream_cx_destroy = 0;
  downstream_cx_destroy_active_rq = 0;
  downstream_cx_destroy_local = 0;
  downstream_cx_destroy_local_active_rq = 0;
  downstream_cx_destroy_remote = 0;
  downstream_cx_destroy_remote_active_rq = 0;
  downstream_cx_drain_close = 0;
  downstream_cx_http1_active = 0;
  downstream_cx_http1_total = 0;
  downstream_cx_http2_active = 0;
  downstream_cx_http2_total = 0;
  downstream_cx_idle_timeout = 0;
  downstream_cx_max_duration_reached = 0;
  downstream_cx_protocol_error = 0;
  downstream_cx_rx_bytes_total = 0;
  downstream_cx_ssl_active = 0;
  downstream_cx_ssl_total = 0;
  downstream_cx_total = 0;
  downstream_cx_tx_bytes_total = 0;
  downstream_cx_upgrades_active = 0;
  downstream_cx_upgrades_total = 0;
  downstream_rq_1xx = 0;
  downstream_rq_2xx = 0;
  downstream_rq_3xx = 0;
  downstream_rq_4xx = 0;
  downstream_rq_5xx = 0;
  downstream_rq_active = 0;
  downstream_rq_completed = 0;
  downstream_rq_failed_path_normalization = 0;
  downstream_rq_header_timeout = 0;
  downstream_rq_http1_total = 0;
  downstream_rq_http2_total = 0;
  downstream_rq_idle_timeout = 0;
  downstream_rq_max_duration_reached = 0;
  downstream_rq_non_relative_path = 0;
  downstream_rq_redirected_with_normalized_path = 0;
  downstream_rq_rejected_via_ip_detection = 0;
  downstream_rq_response_before_rq_complete = 0;
  downstream_rq_rx_reset = 0;
  downstream_rq_timeout = 0;
  downstream_rq_too_large = 0;
  downstream_rq_too_many_premature_resets = 0;
  downstream_rq_total = 0;
  downstream_rq_tx_reset = 0;
  downstream_rq_ws_on_non_ws_route = 0;
  no_cluster = 0;
  no_route = 0;
  passthrough_internal_redirect_bad_location = 0;
  passthrough_internal_redirect_no_route = 0;
  passthrough_internal_redirect_predicate = 0;
  passthrough_internal_redirect_too_many_redirects = 0;
  passthrough_internal_redirect_unsafe_scheme = 0;
  rq_direct_response = 0;
  rq_redirect = 0;
  rq_reset_after_downstream_response_started = 0;
  rq_total = 0;
  readonly downstream_cx_length_ms = new Histogram();
  readonly downstream_rq_time = new Histogram();
}

/** `listener.<address>.http.<stat prefix>.` */
export class ListenerHttpStats {
  downstream_rq_1xx = 0;
  downstream_rq_2xx = 0;
  downstream_rq_3xx = 0;
  downstream_rq_4xx = 0;
  downstream_rq_5xx = 0;
  downstream_rq_completed = 0;
}

/** `listener.<address>.` */
export class ListenerStats {
  downstream_cx_active = 0;
  downstream_cx_destroy = 0;
  downstream_cx_overflow = 0;
  downstream_cx_total = 0;
  downstream_cx_transport_socket_connect_timeout = 0;
  downstream_global_cx_overflow = 0;
  downstream_listener_filter_error = 0;
  downstream_listener_filter_remote_close = 0;
  downstream_pre_cx_active = 0;
  downstream_pre_cx_timeout = 0;
  no_filter_chain_match = 0;
  readonly downstream_cx_length_ms = new Histogram();
}

/** `tcp.<stat prefix>.` */
export class TcpStats {
  downstream_cx_no_route = 0;
  downstream_cx_rx_bytes_total = 0;
  downstream_cx_total = 0;
  downstream_cx_tx_bytes_total = 0;
  downstream_flow_control_paused_reading_total = 0;
  downstream_flow_control_resumed_reading_total = 0;
  idle_timeout = 0;
  max_downstream_connection_duration = 0;
  upstream_flush_active = 0;
  upstream_flush_total = 0;
}

/** `server.` */
export class ServerStats {
  concurrency = 1;
  days_until_first_cert_expiring = 0xffff_ffff;
  hot_restart_epoch = 0;
  live = 0;
  memory_allocated = 0;
  memory_heap_size = 0;
  parent_connections = 0;
  state = 2;
  stats_recent_lookups = 0;
  total_connections = 0;
  uptime = 0;
  version = 0;
}

/** `control_plane.` */
export class ControlPlaneStats {
  connected_state = 0;
  pending_requests = 0;
  rate_limit_enforced = 0;
}

/** `cluster_manager.` */
export class ClusterManagerStats {
  active_clusters = 0;
  cluster_added = 0;
  cluster_modified = 0;
  cluster_removed = 0;
  cluster_updated = 0;
  warming_clusters = 0;
}

/** `cluster_manager.cds.`, `listener_manager.lds.`, `http.<prefix>.rds.<name>.`, `sds.<name>.` and the like. */
export class SubscriptionStats {
  config_reload = 0;
  init_fetch_timeout = 0;
  update_attempt = 0;
  update_failure = 0;
  update_rejected = 0;
  update_success = 0;
  update_time = 0;
  version = 0;
}

/** `listener_manager.` */
export class ListenerManagerStats {
  listener_added = 0;
  listener_create_failure = 0;
  listener_create_success = 0;
  listener_in_place_updated = 0;
  listener_modified = 0;
  listener_removed = 0;
  listener_stopped = 0;
  total_filter_chains_draining = 0;
  total_listeners_active = 0;
  total_listeners_draining = 0;
  total_listeners_warming = 0;
  workers_started = 0;
}

/** `access_logs.grpc_access_log.` */
export class GrpcAccessLogStats {
  logs_dropped = 0;
  logs_written = 0;
}

/** Counts a status under its class: `upstream_rq_2xx`. */
export function countUpstreamClass(stats: AnswerStats, status: number): void {
  if (status < 200) stats.upstream_rq_1xx++;
  else if (status < 300) stats.upstream_rq_2xx++;
  else if (status < 400) stats.upstream_rq_3xx++;
  else if (status < 500) stats.upstream_rq_4xx++;
  else stats.upstream_rq_5xx++;
}

/** Counts a status under its class: `downstream_rq_5xx`. */
export function countDownstreamClass(stats: ListenerHttpStats, status: number): void {
  if (status < 200) stats.downstream_rq_1xx++;
  else if (status < 300) stats.downstream_rq_2xx++;
  else if (status < 400) stats.downstream_rq_3xx++;
  else if (status < 500) stats.downstream_rq_4xx++;
  else stats.downstream_rq_5xx++;
}
