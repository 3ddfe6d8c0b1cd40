/** A log on JetStream: a stream that nothing is ever taken from. */
import type { LogContract } from '@weft/contracts/bus';
import { WeftError } from '@weft/contracts/error';
import { closedError, decodeStored, sequenceConflict } from '../checks.ts';
import type { Log, LogEntry, LogEvent } from '../index.ts';
import { Feed } from './feed.ts';
import { HEADERS, type StreamInfo } from './jetstream.ts';
import type { Ports } from './ports.ts';
import { CONFLICT } from './publisher.ts';
import { reopening } from './reopening.ts';
import { logPlace } from './streams.ts';

/** Where a reader is. */
interface Position {
  /** Which stream it reads; undefined before the first. */
  created: string | undefined;
  /** The newest sequence that it gave, or passed over; 0 before the first. */
  given: number;
  /** The first that it is to give. */
  readonly from: number;
}

export class NatsLog<T> implements Log<T> {
  readonly #contract: LogContract<T>;
  readonly #place: ReturnType<typeof logPlace>;
  readonly #ports: Ports;

  constructor(contract: LogContract<T>, ports: Ports) {
    this.#contract = contract;
    this.#place = logPlace(contract.name);
    this.#ports = ports;
  }

  async append(value: T, options: { readonly expectedSequence?: number } = {}): Promise<number> {
    const { jetstream, publisher } = this.#ports;
    const { expectedSequence } = options;
    const isExpected = expectedSequence !== undefined;
    const sequence = await publisher.write(this.#place, {
      subject: this.#place.subject,
      data: this.#contract.value.encode(value),
      headers: isExpected ? { [HEADERS.expectedLast]: String(expectedSequence) } : {},
      readBack: async () => jetstream.message(this.#place.stream, { seq: (expectedSequence ?? 0) + 1 }),
      retryable: false,
    });
    if (sequence === CONFLICT) throw sequenceConflict(this.#contract.name, expectedSequence ?? 0, undefined);
    return sequence;
  }

  async last(): Promise<number> {
    return (await this.#info()).state.last_seq;
  }

  #info(): Promise<StreamInfo> {
    const { jetstream, publisher } = this.#ports;
    return publisher.read(this.#place, () => jetstream.streamInfo(this.#place.stream));
  }

  #entry(sequence: number, data: Uint8Array): LogEntry<T> {
    const where = `entry ${sequence} of the log ${this.#contract.name}`;
    return { sequence, value: decodeStored(this.#contract.value, data, where) };
  }

  #lost(what: string): WeftError {
    const advice = 'put its stream back, and start this service again';
    return new WeftError('DATA_LOSS', `the log ${this.#contract.name} ${what}; ${advice}`);
  }

  /** Throws DATA_LOSS when the stream cannot be the one that was read so far, or lacks what comes next. */
  #check({ created, state }: StreamInfo, position: Position): void {
    const { first_seq: first, last_seq: last } = state;
    const isOther = position.created !== undefined && position.created !== created;
    if (isOther || last < position.given) {
      throw this.#lost(`was replaced: it had been read to ${position.given} and ends at ${last}`);
    }
    const next = Math.min(Math.max(position.given + 1, position.from), last + 1);
    if (first > next) throw this.#lost(`was cut: ${next} is wanted and it begins at ${first}`);
    position.created = created;
  }

  /** The entries from the position on, until the feed breaks, and `synced` after those that stood when it was opened. */
  async *#follow(position: Position, signal: AbortSignal): AsyncGenerator<LogEvent<T>> {
    const { link, jetstream, streams } = this.#ports;
    await streams.ensure(this.#place);
    const info = await jetstream.streamInfo(this.#place.stream, signal);
    this.#check(info, position);
    const stood = info.state.last_seq;
    position.given = Math.max(position.given, Math.min(position.from - 1, stood));
    const start = { type: 'sequence', sequence: position.given + 1 } as const;
    const feed = await Feed.open(link, jetstream, this.#place.stream, start, signal);
    try {
      if (position.given === stood) yield { type: 'synced', sequence: stood };
      for (;;) {
        const message = await feed.next(signal);
        if (!message) return;
        if (message.sequence <= position.given) continue;
        if (message.sequence !== position.given + 1) throw this.#lost(`has no entry ${position.given + 1}`);
        const entry = this.#entry(message.sequence, message.data);
        position.given = message.sequence;
        if (message.sequence >= position.from) yield { type: 'entry', ...entry };
        if (message.sequence === stood) yield { type: 'synced', sequence: stood };
      }
    } finally {
      feed.close();
    }
  }

  async *read(options: { readonly from?: number; readonly to?: number } = {}): AsyncIterable<LogEntry<T>> {
    const to = Math.min(options.to ?? Number.MAX_SAFE_INTEGER, await this.last());
    const position: Position = { created: undefined, given: 0, from: Math.max(1, options.from ?? 1) };
    if (position.from > to) return;
    const { link, operationTimeoutMs } = this.#ports;
    const follow = (over: AbortSignal): AsyncGenerator<LogEvent<T>> => this.#follow(position, over);
    for await (const event of reopening(follow, link.closing, this.#place, this.#ports, operationTimeoutMs)) {
      if (event.type === 'synced') continue;
      yield { sequence: event.sequence, value: event.value };
      if (event.sequence >= to) return;
    }
    throw closedError();
  }

  async *watch(signal: AbortSignal, options: { readonly from?: number } = {}): AsyncIterable<LogEvent<T>> {
    const position: Position = { created: undefined, given: 0, from: Math.max(1, options.from ?? 1) };
    const over = AbortSignal.any([signal, this.#ports.link.closing]);
    const follow = (one: AbortSignal): AsyncGenerator<LogEvent<T>> => this.#follow(position, one);
    let isSynced = false;
    for await (const event of reopening(follow, over, this.#place, this.#ports)) {
      if (event.type === 'synced' && isSynced) continue;
      isSynced ||= event.type === 'synced';
      yield event;
    }
  }
}
