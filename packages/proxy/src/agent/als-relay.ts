/** The access log service of the agent: passes logs on to telemetry, and holds a bounded amount while that is away. */
import { createNativeCodec } from '@weft/protobuf';
import type { RawHandler, RawStream } from '@weft/rpc';
import { Backoff } from './backoff.ts';
import type { Log } from './log.ts';

export const ACCESS_LOGS = '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs';

export interface AlsRelayOptions {
  /** Opens a stream to a telemetry instance. */
  readonly open: (signal: AbortSignal) => RawStream;
  readonly onUnreachable: (error: unknown) => void;
  /** How many bytes of logs are held for all streams together; the oldest go first. Default 1 MiB. */
  readonly maxHeldBytes?: number;
  readonly log: Log;
}

const codec = createNativeCodec({
  messages: { Message: '1 identifier ?B', Head: '1 identifier ?B' },
  enums: {},
});

/** A message with the identifier of a stream alone, which its first message has to have. */
function identifierOf(bytes: Uint8Array): Buffer | undefined {
  const { identifier } = codec.decode('Message', bytes) as { readonly identifier?: Uint8Array };
  return identifier && codec.encode('Head', { identifier });
}

/** Messages on their way to telemetry, within a budget that streams share. */
class Budget {
  readonly maxBytes: number;
  bytes = 0;
  dropped = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** How many messages were dropped since this was asked last. */
  takeDropped(): number {
    const { dropped } = this;
    this.dropped = 0;
    return dropped;
  }
}

/** One access log of the data plane. */
class LogStream {
  readonly #options: AlsRelayOptions;
  readonly #downstream: RawStream;
  readonly #budget: Budget;
  readonly #queue: Buffer[] = [];
  #identifier: Buffer | undefined;
  #wake: () => void = () => undefined;
  #isOver = false;

  constructor(downstream: RawStream, options: AlsRelayOptions, budget: Budget) {
    this.#downstream = downstream;
    this.#options = options;
    this.#budget = budget;
  }

  async run(): Promise<void> {
    const sending = this.#sendForEver();
    try {
      for await (const bytes of this.#downstream.messages) this.#take(bytes);
      this.#downstream.end();
    } finally {
      this.#isOver = true;
      this.#wake();
    }
    await sending;
    while (this.#next()) this.#budget.dropped++;
  }

  #take(bytes: Buffer): void {
    this.#identifier ??= identifierOf(bytes);
    this.#queue.push(bytes);
    this.#budget.bytes += bytes.length;
    while (this.#budget.bytes > this.#budget.maxBytes && this.#queue.length > 0) {
      this.#next();
      this.#budget.dropped++;
    }
    this.#wake();
  }

  #next(): Buffer | undefined {
    const bytes = this.#queue.shift();
    this.#budget.bytes -= bytes?.length ?? 0;
    return bytes;
  }

  async #sendForEver(): Promise<void> {
    const backoff = new Backoff({ firstMs: 100, maxMs: 5000 });
    const { signal } = this.#downstream;
    while (!this.#isOver || this.#queue.length > 0) {
      if (this.#queue.length === 0) await this.#more();
      if (this.#queue.length === 0) continue;
      try {
        await this.#sendOverOne(() => {
          backoff.reset();
          const messages = this.#budget.takeDropped();
          if (messages > 0) this.#options.log.warn({ messages }, 'access logs were dropped while telemetry was away');
        });
      } catch (thrown) {
        this.#options.onUnreachable(thrown);
      }
      if (this.#isOver) return;
      await backoff.wait(signal);
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Sends over one stream until it breaks or there is nothing more to come. */
  async #sendOverOne(onSent: () => void): Promise<void> {
    const ended = new AbortController();
    const upstream = this.#options.open(ended.signal);
    const over = drain(upstream).finally(() => this.#wake());
    over.catch(() => undefined);
    let isFirst = true;
    while (!upstream.signal.aborted) {
      const bytes = this.#next();
      if (!bytes) {
        if (this.#isOver) break;
        await this.#more();
        continue;
      }
      // A stream that follows another begins as the first did; a second identifier in a message is the same one.
      if (isFirst && this.#identifier) upstream.send(this.#identifier);
      isFirst = false;
      if (!upstream.send(bytes)) await upstream.drained();
      onSent();
    }
    upstream.end();
    await over;
  }
}

/** Reads a stream that is to say nothing, to its end. */
async function drain(stream: RawStream): Promise<void> {
  for await (const _ of stream.messages);
}

/** The handler of the access log service. */
export function alsRelay(options: AlsRelayOptions): RawHandler {
  const budget = new Budget(options.maxHeldBytes ?? 1024 * 1024);
  return (stream) => {
    new LogStream(stream, options, budget).run().catch((thrown: unknown) => stream.end(thrown));
  };
}
