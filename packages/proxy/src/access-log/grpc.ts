/**
 * The gRPC access log service (envoy.service.accesslog.v3): entries are gathered, sent in batches, and thrown away, and
 * counted, while the far side is away or too slow. No request ever waits for a log: what it came to is put aside, and
 * encoded when its turn is over.
 */
import type { Node } from '@weft/envoy-api';
import type { RawStream } from '@weft/rpc';
import type { Clock } from '../clock.ts';
import type { GrpcAccessLogConfig } from '../config/access-log.ts';
import type { StreamInfo } from '../stack/stream-info.ts';
import type { GrpcAccessLogStats } from '../stats/groups.ts';
import type { StreamFactory } from '../streams.ts';
import { EntryWriter, type ListedHeaders } from './entry.ts';
import { identifierBytes, type LogKind } from './wire.ts';

const PATH = '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs';
/** What may be put aside within one turn of the event loop; what is beyond is dropped. */
const MAX_ASIDE = 10_000;
/** Bytes of messages that wait for the far side; what is beyond is dropped. */
const MAX_WAITING_BYTES = 4 * 1_048_576;
/** Roughly what an entry takes on the wire, to tell when a buffer is full before anything is encoded. */
const USUAL_ENTRY_BYTES = 600;
const RECONNECT_MS = 1000;
/** How long closing waits for the far side to take what is left. */
const CLOSE_MS = 2000;

export interface GrpcLogContext {
  readonly streams: StreamFactory;
  readonly node: Node;
  readonly clock: Clock;
  readonly stats: GrpcAccessLogStats;
}

/** Entries that are encoded, and wait. */
interface LogsMessage {
  readonly bytes: Buffer;
  readonly entries: number;
}

/** An open stream, and when it is over. */
interface OpenStream {
  readonly stream: RawStream;
  readonly over: Promise<void>;
  /** Nothing was sent on it yet: its first message says who sends. */
  isNew: boolean;
}

/** One log of the service: a stream, kept open, and what waits to be sent on it. */
export class GrpcLog {
  readonly #config: GrpcAccessLogConfig;
  readonly #kind: LogKind;
  readonly #writer: EntryWriter;
  readonly #context: GrpcLogContext;
  readonly #abort = new AbortController();
  readonly #batch: number;
  #aside: StreamInfo[] = [];
  #messages: LogsMessage[] = [];
  #waitingBytes = 0;
  #open: OpenStream | undefined;
  #isTimerSet = false;
  #isFlushSoon = false;
  #isBlocked = false;
  #isClosed = false;
  #retryAtMs = 0;

  constructor(config: GrpcAccessLogConfig, kind: LogKind, listed: ListedHeaders, context: GrpcLogContext) {
    this.#config = config;
    this.#kind = kind;
    this.#writer = new EntryWriter(listed);
    this.#context = context;
    this.#batch = Math.max(1, Math.floor(config.buffer_size_bytes / USUAL_ENTRY_BYTES));
  }

  write(info: StreamInfo): void {
    if (this.#isClosed || this.#aside.length >= MAX_ASIDE) {
      this.#context.stats.logs_dropped++;
      return;
    }
    // Of what goes on it tells what there is now.
    this.#aside.push(info.endMs === 0 ? info.snapshot() : info);
    if (this.#aside.length < this.#batch) this.#flushLater();
    else if (!this.#isFlushSoon) {
      this.#isFlushSoon = true;
      setImmediate(() => {
        this.#isFlushSoon = false;
        this.#flush();
      });
    }
  }

  #flushLater(): void {
    if (this.#isTimerSet || this.#isClosed) return;
    this.#isTimerSet = true;
    this.#context.clock.after(this.#config.buffer_flush_interval, () => {
      this.#isTimerSet = false;
      this.#flush();
    });
  }

  #flush(): void {
    this.#encode();
    if (this.#messages.length === 0 || this.#isBlocked) return;
    const open = this.#current() ?? this.#begin();
    if (open) this.#send(open);
    else this.#flushLater();
  }

  /** Messages of what was put aside: a buffer's worth of entries at a time, as long as there is room for them. */
  #encode(): void {
    const aside = this.#aside;
    if (aside.length === 0) return;
    this.#aside = [];
    for (let from = 0; from < aside.length; from += this.#batch) {
      if (this.#waitingBytes < MAX_WAITING_BYTES) this.#encodeBatch(aside.slice(from, from + this.#batch));
      else this.#context.stats.logs_dropped += Math.min(this.#batch, aside.length - from);
    }
  }

  /** The last entry is written first: so are messages, each of which ends once it is as large as the buffer. */
  #encodeBatch(infos: readonly StreamInfo[]): void {
    const writer = this.#writer;
    const messages: LogsMessage[] = [];
    let entries = 0;
    for (let i = infos.length - 1; i >= 0; i--) {
      if (writer.prepend(this.#kind, infos[i] as StreamInfo)) entries++;
      // Of a request that cannot be put into words the log says nothing; the proxy goes on, and the count tells.
      else this.#context.stats.logs_dropped++;
      if (entries === 0 || (i > 0 && writer.bytes < this.#config.buffer_size_bytes)) continue;
      const bytes = writer.message(this.#kind);
      this.#waitingBytes += bytes.length;
      messages.push({ bytes, entries });
      entries = 0;
    }
    while (messages.length > 0) this.#messages.push(messages.pop() as LogsMessage);
  }

  #send(open: OpenStream): void {
    while (!this.#isBlocked) {
      const message = this.#messages.shift();
      if (!message) return;
      this.#waitingBytes -= message.bytes.length;
      if (!open.stream.send(open.isNew ? this.#withIdentifier(message.bytes) : message.bytes)) this.#waitForRoom(open);
      open.isNew = false;
      this.#context.stats.logs_written += message.entries;
    }
  }

  #withIdentifier(message: Buffer): Buffer {
    return Buffer.concat([identifierBytes(this.#context.node, this.#config.log_name), message]);
  }

  #current(): OpenStream | undefined {
    if (this.#open?.stream.signal.aborted) this.#open = undefined;
    return this.#open;
  }

  #begin(): OpenStream | undefined {
    const { clock, streams } = this.#context;
    if (clock.monotonicMs() < this.#retryAtMs || this.#abort.signal.aborted) return undefined;
    this.#retryAtMs = clock.monotonicMs() + RECONNECT_MS;
    const stream = streams(this.#config.grpc_service, PATH, this.#abort.signal);
    const over = this.#follow(stream);
    this.#open = { stream, over, isNew: true };
    return this.#open;
  }

  /** The service answers once, when it ends; what matters is that it ended. */
  async #follow(stream: RawStream): Promise<void> {
    try {
      for await (const _ of stream.messages);
    } catch {
      // Why it broke matters to nobody here: it is opened again, and what cannot be sent until then is counted.
    }
    if (this.#open && this.#open.stream !== stream) return;
    this.#open = undefined;
    this.#isBlocked = false;
    if (this.#messages.length > 0) this.#flushLater();
  }

  #waitForRoom(open: OpenStream): void {
    this.#isBlocked = true;
    void open.stream.drained().then(() => {
      if (this.#open !== open) return;
      this.#isBlocked = false;
      this.#flush();
    });
  }

  /** Sends what waits, ends the stream, and gives the far side a moment to take it all; the rest is dropped. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#flush();
    const open = this.#open;
    if (open) await this.#withinMoment(this.#finish(open));
    for (const { entries } of this.#messages) this.#context.stats.logs_dropped += entries;
    this.#messages = [];
    this.#abort.abort();
  }

  async #finish({ stream, over }: OpenStream): Promise<void> {
    while (this.#messages.length > 0 && !stream.signal.aborted) await stream.drained();
    stream.end();
    await over;
  }

  #withinMoment(work: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#context.clock.after(CLOSE_MS, resolve);
      void work.then(() => {
        cancel();
        resolve();
      });
    });
  }
}
