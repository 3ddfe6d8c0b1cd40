/**
 * Ends connections whose peer makes this side work for nothing, with Envoy's limits
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/protocol.proto#config-core-v3-http2protocoloptions).
 */

import type { FrameWriter } from './frame-writer.ts';
import { ERROR, FLAG_END_STREAM, Http2Error } from './frames.ts';
import type { Http2Limits } from './options.ts';
import type { Http2Stats } from './stats.ts';

/** A connection is looked at once so many of its streams were reset early, half of them at least. */
const PREMATURE_STREAMS = 500;

export class FloodGuard {
  readonly #limits: Http2Limits;
  readonly #stats: Http2Stats;
  readonly #writer: FrameWriter;
  #empty = 0;
  #priorities = 0;
  #windowUpdates = 0;
  #opened = 0;
  #ended = 0;
  #premature = 0;

  constructor(limits: Http2Limits, stats: Http2Stats, writer: FrameWriter) {
    this.#limits = limits;
    this.#stats = stats;
    this.#writer = writer;
  }

  streamOpened(): void {
    this.#opened++;
  }

  /** HEADERS, CONTINUATION or DATA with so many bytes beside padding. */
  onContent(bytes: number, flags: number): void {
    if (bytes > 0 || (flags & FLAG_END_STREAM) !== 0) {
      this.#empty = 0;
      return;
    }
    if (++this.#empty <= this.#limits.maxConsecutiveEmptyFrames) return;
    this.#stats.inbound_empty_frames_flood++;
    throw new Http2Error(ERROR.enhanceYourCalm, 'too many empty frames');
  }

  onPriority(): void {
    if (++this.#priorities <= this.#limits.maxPriorityFramesPerStream * (1 + this.#opened)) return;
    this.#stats.inbound_priority_frames_flood++;
    throw new Http2Error(ERROR.enhanceYourCalm, 'too many PRIORITY frames');
  }

  onWindowUpdate(): void {
    const perFrame = this.#limits.maxWindowUpdatesPerDataFrame;
    if (++this.#windowUpdates <= 5 + 2 * (this.#opened + perFrame * this.#writer.dataFrames)) return;
    this.#stats.inbound_window_update_frames_flood++;
    throw new Http2Error(ERROR.enhanceYourCalm, 'too many WINDOW_UPDATE frames');
  }

  /**
   * After something was written: whether too much of it waits for a peer that does not read. So many answers to control
   * frames are too many at once, too, whether they will be read or not: nobody needs them.
   */
  onOutput(): void {
    const { maxOutboundControlFrames, maxOutboundFrames } = this.#limits;
    if (this.#writer.waitingControlFrames > maxOutboundControlFrames) {
      this.#stats.outbound_control_flood++;
      throw new Http2Error(ERROR.enhanceYourCalm, 'too many answers to control frames are not read');
    }
    if (this.#writer.waitingFrames <= maxOutboundFrames) return;
    // What was produced just now may be read at once.
    this.#writer.flush();
    if (this.#writer.waitingFrames <= maxOutboundFrames) return;
    this.#stats.outbound_flood++;
    throw new Http2Error(ERROR.enhanceYourCalm, 'too many frames are not read');
  }

  streamEnded(): void {
    this.#ended++;
  }

  /** The peer reset a stream soon, or made this side do so. Gives whether it did that too often. */
  isTooPremature(): boolean {
    this.#premature++;
    return this.#premature * 2 >= Math.max(this.#ended, PREMATURE_STREAMS);
  }
}
