/** What connections that speak HTTP/2 are told to hold to. */

import { type Http2Config, http2Options } from '../config/core.ts';
import { Place } from '../config/schema.ts';
import type { KeepaliveOptions } from './keepalive.ts';

/** As in Envoy, where the configuration does not say. */
const DEFAULT_JITTER_PERCENT = 15;

/** Limits on what a peer may make this side do or keep (names and defaults: Envoy's `Http2ProtocolOptions`). */
export interface Http2Limits {
  /** Frames that wait for a peer that does not read. */
  readonly maxOutboundFrames: number;
  /** Of them PING and SETTINGS acknowledgements and RST_STREAM. */
  readonly maxOutboundControlFrames: number;
  /** HEADERS, CONTINUATION and DATA one after another that hold nothing and end nothing. */
  readonly maxConsecutiveEmptyFrames: number;
  /** PRIORITY frames for each stream that was opened. */
  readonly maxPriorityFramesPerStream: number;
  /** WINDOW_UPDATE frames for each DATA frame that was sent. */
  readonly maxWindowUpdatesPerDataFrame: number;
}

/** What both sides of a connection have. */
export interface Http2Options {
  /** Bytes of the names and values of one head. */
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  /** Streams at once: of a server those that the client may open; of a client those that are opened at most. */
  readonly maxConcurrentStreams: number;
  /** Bytes of bodies that the peer may send ahead on one stream. */
  readonly streamWindowBytes: number;
  /** The same for all streams of a connection. */
  readonly connectionWindowBytes: number;
  /** Of the HPACK tables, in both directions. */
  readonly hpackTableBytes: number;
  /** Whether extended CONNECT is taken (RFC 8441). */
  readonly allowsConnect: boolean;
  /** Whether an invalid message ends its stream only, and not the connection. */
  readonly invalidMessageEndsStream: boolean;
  readonly limits: Http2Limits;
  /** Without a stream; 0: no limit. */
  readonly idleTimeoutMs: number;
  /** How many requests the connection may serve; 0: no limit. */
  readonly maxRequests: number;
  /** PINGs that show that the peer is there. */
  readonly keepalive: KeepaliveOptions;
}

export interface Http2ServerOptions extends Http2Options {
  /** From the first byte of a head to its last; 0: no limit. */
  readonly requestHeadersTimeoutMs: number;
  /** How long to wait, after the last answer, for the client to close. */
  readonly delayedCloseMs: number;
  /** How long a stream whose response is complete may wait for the client to take it; 0: no limit. */
  readonly flushTimeoutMs: number;
}

/** Of a connection to an upstream. */
export type Http2ClientOptions = Http2Options;

function keepaliveOf(config: Http2Config['connection_keepalive']): KeepaliveOptions {
  const { interval: intervalMs = 0, interval_jitter: jitter, timeout: timeoutMs = 0 } = config ?? {};
  return { intervalMs, jitterMs: (intervalMs * (jitter?.value ?? DEFAULT_JITTER_PERCENT)) / 100, timeoutMs };
}

/** What the options of the protocol itself say; `undefined`: none are given. */
export function protocolOptions(
  given: Http2Config | undefined,
): Omit<Http2Options, 'maxHeadBytes' | 'maxFields' | 'idleTimeoutMs' | 'maxRequests'> {
  const config = given ?? http2Options.parse({}, new Place());
  return {
    maxConcurrentStreams: config.max_concurrent_streams,
    streamWindowBytes: config.initial_stream_window_size,
    connectionWindowBytes: config.initial_connection_window_size,
    hpackTableBytes: config.hpack_table_size,
    allowsConnect: config.allow_connect,
    invalidMessageEndsStream: config.override_stream_error_on_invalid_http_message ?? false,
    limits: {
      maxOutboundFrames: config.max_outbound_frames,
      maxOutboundControlFrames: config.max_outbound_control_frames,
      maxConsecutiveEmptyFrames: config.max_consecutive_inbound_frames_with_empty_payload,
      maxPriorityFramesPerStream: config.max_inbound_priority_frames_per_stream,
      maxWindowUpdatesPerDataFrame: config.max_inbound_window_update_frames_per_data_frame_sent,
    },
    keepalive: keepaliveOf(config.connection_keepalive),
  };
}
