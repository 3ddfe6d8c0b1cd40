/** What a listener logs of one connection: what is known of it at its end, whatever served it. */
import type { Socket } from 'node:net';
import type { WriteLog } from '../access-log/logger.ts';
import type { Clock } from '../clock.ts';
import { FLAG } from '../stack/response-flags.ts';
import { type DownstreamInfo, StreamInfo } from '../stack/stream-info.ts';

export class ConnectionLog {
  readonly #logs: readonly WriteLog[];
  readonly #clock: Clock;
  readonly #wallMs: number;
  readonly #startMs: number;
  #info: StreamInfo | undefined;
  #stream: Socket | undefined;

  constructor(logs: readonly WriteLog[], clock: Clock) {
    this.#logs = logs;
    this.#clock = clock;
    this.#wallMs = clock.wallMs();
    this.#startMs = clock.monotonicMs();
  }

  /** A chain serves it; the TCP proxy adds what it comes to know. `stream`: what it serves, within TLS. */
  begin(downstream: DownstreamInfo, stream?: Socket): StreamInfo {
    this.#stream = stream;
    this.#info = new StreamInfo(downstream, this.#wallMs, this.#startMs);
    return this.#info;
  }

  /** No chain does. */
  matchedNone(downstream: DownstreamInfo): void {
    const info = this.begin(downstream);
    info.flags |= FLAG.NR;
    info.responseDetails = 'filter_chain_not_found';
  }

  /** `downstream`: who it was, where that is not known yet. */
  end(downstream: () => DownstreamInfo): void {
    const info = this.#info ?? this.begin(downstream());
    info.endMs = this.#clock.monotonicMs();
    // The TCP proxy has counted; of requests it is the connection that tells.
    if (this.#stream && info.cluster === '') {
      info.bytesReceived = this.#stream.bytesRead;
      info.bytesSent = this.#stream.bytesWritten;
    }
    for (const write of this.#logs) write(info);
  }
}
