/**
 * The gRPC access log service (envoy.service.accesslog.v3): entries are gathered, sent in batches, and thrown away, and
 * counted, while the far side is away or too slow. No request ever waits for a log.
 */
import { encode, type HttpAccessLogEntry, type Node, type TcpAccessLogEntry } from '@weft/envoy-api';
import type { RawStream } from '@weft/rpc';
import type { Clock } from '../clock.ts';
import type { GrpcAccessLogConfig } from '../config/access-log.ts';
import type { StreamInfo } from '../stack/stream-info.ts';
import type { GrpcAccessLogStats } from '../stats/groups.ts';
import type { StreamFactory } from '../streams.ts';
import { httpEntry, type ListedHeaders, tcpEntry } from './entry.ts';

const PATH = '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs';
const MESSAGE = 'envoy.service.accesslog.v3.StreamAccessLogsMessage';
/** Requests whose entries may wait; what is beyond is dropped. */
const MAX_WAITING = 10_000;
/** Roughly what an entry takes on the wire: `buffer_size_bytes` counts in these. */
const ENTRY_BYTES = 600;
const RECONNECT_MS = 1000;

export interface GrpcLogContext {
  readonly streams: StreamFactory;
  readonly node: Node;
  readonly clock: Clock;
  readonly stats: GrpcAccessLogStats;
}

type Kind = 'http' | 'tcp';

/** One log of the service: a stream, kept open, and what waits to be sent on it. */
export class GrpcLog {
  readonly #config: GrpcAccessLogConfig;
  readonly #kind: Kind;
  readonly #listed: ListedHeaders;
  readonly #context: GrpcLogContext;
  readonly #abort = new AbortController();
  readonly #batch: number;
  #waiting: StreamInfo[] = [];
  #stream: RawStream | undefined;
  #isScheduled = false;
  #isBlocked = false;
  #retryAtMs = 0;

  constructor(config: GrpcAccessLogConfig, kind: Kind, listed: ListedHeaders, context: GrpcLogContext) {
    this.#config = config;
    this.#kind = kind;
    this.#listed = listed;
    this.#context = context;
    this.#batch = Math.max(1, Math.floor(config.buffer_size_bytes / ENTRY_BYTES));
  }

  write(info: StreamInfo): void {
    if (this.#waiting.length >= MAX_WAITING) {
      this.#context.stats.logs_dropped++;
      return;
    }
    this.#waiting.push(info);
    if (this.#waiting.length >= this.#batch && !this.#isBlocked && this.#stream) this.#flush();
    else this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#abort.signal.aborted) return;
    this.#isScheduled = true;
    this.#context.clock.after(this.#config.buffer_flush_interval, () => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#waiting.length === 0 || this.#isBlocked) return;
    const isNew = this.#stream === undefined;
    const stream = this.#stream ?? this.#open();
    if (!stream) {
      this.#schedule();
      return;
    }
    for (let isFirst = isNew; this.#waiting.length > 0 && !this.#isBlocked; isFirst = false) {
      const batch = this.#waiting.splice(0, this.#batch);
      if (!stream.send(this.#message(batch, isFirst))) this.#waitForRoom(stream);
      this.#context.stats.logs_written += batch.length;
    }
  }

  #message(batch: readonly StreamInfo[], isFirst: boolean): Buffer {
    const identifier = { node: this.#context.node, log_name: this.#config.log_name };
    const entries: { http_logs: object } | { tcp_logs: object } =
      this.#kind === 'http'
        ? { http_logs: { log_entry: batch.map((info): HttpAccessLogEntry => httpEntry(info, this.#listed)) } }
        : { tcp_logs: { log_entry: batch.map((info): TcpAccessLogEntry => tcpEntry(info)) } };
    return encode(MESSAGE, isFirst ? { identifier, ...entries } : entries);
  }

  #open(): RawStream | undefined {
    const { clock, streams } = this.#context;
    if (clock.monotonicMs() < this.#retryAtMs || this.#abort.signal.aborted) return undefined;
    this.#retryAtMs = clock.monotonicMs() + RECONNECT_MS;
    const stream = streams(this.#config.grpc_service, PATH, this.#abort.signal);
    this.#stream = stream;
    void this.#follow(stream);
    return stream;
  }

  /** The service answers once, when it ends; what matters is that it ended. */
  async #follow(stream: RawStream): Promise<void> {
    try {
      for await (const _ of stream.messages);
    } catch {
      // Why it broke matters to nobody here: it is opened again, and what cannot be sent until then is counted.
    }
    if (this.#stream === stream) this.#stream = undefined;
    this.#isBlocked = false;
    if (this.#waiting.length > 0) this.#schedule();
  }

  #waitForRoom(stream: RawStream): void {
    this.#isBlocked = true;
    void stream.drained().then(() => {
      if (this.#stream !== stream) return;
      this.#isBlocked = false;
      this.#flush();
    });
  }

  /** Sends what waits, as far as the far side takes it, and ends. */
  close(): void {
    this.#flush();
    this.#stream?.end();
    this.#context.stats.logs_dropped += this.#waiting.length;
    this.#waiting = [];
    this.#stream = undefined;
  }

  destroy(): void {
    this.close();
    this.#abort.abort();
  }
}
