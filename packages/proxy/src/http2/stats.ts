/** What connections count; `http2.` and `cluster.<name>.http2.` of Envoy's statistics. */
export class Http2Stats {
  goaway_sent = 0;
  header_overflow = 0;
  inbound_empty_frames_flood = 0;
  inbound_priority_frames_flood = 0;
  inbound_window_update_frames_flood = 0;
  keepalive_timeout = 0;
  outbound_control_flood = 0;
  outbound_flood = 0;
  pending_send_bytes = 0;
  rx_messaging_error = 0;
  rx_reset = 0;
  stream_refused_errors = 0;
  streams_active = 0;
  trailers = 0;
  tx_flush_timeout = 0;
  tx_reset = 0;
}
