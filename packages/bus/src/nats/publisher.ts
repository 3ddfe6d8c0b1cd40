/**
 * Stores messages so that trying again is safe: each has an id that the stream stores once, and a write whose answer was
 * lost is looked for before it counts as refused.
 */
import { randomBytes } from 'node:crypto';
import { checkSize } from '../checks.ts';
import { API_CODES, ApiError } from './failure.ts';
import { HEADERS, headersSize, type JetStream, type StoredMessage } from './jetstream.ts';
import type { Link } from './link.ts';
import { type Retry, retrying } from './retry.ts';
import type { Place, Streams } from './streams.ts';

/** The stream has another newest message than was expected; nothing was stored. */
export const CONFLICT = Symbol('conflict');

export interface Write {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  /** Where the message must be when it was stored after all. */
  readonly readBack: () => Promise<StoredMessage | undefined>;
  readonly retryable: boolean;
}

function isConflict(thrown: unknown): boolean {
  const codes: readonly number[] = [API_CODES.wrongLastSequence, API_CODES.wrongLastSequenceUnknown];
  return thrown instanceof ApiError && codes.includes(thrown.code);
}

export class Publisher {
  readonly #link: Link;
  readonly #jetstream: JetStream;
  readonly #streams: Streams;
  readonly #timeoutMs: number;

  constructor(link: Link, jetstream: JetStream, streams: Streams, timeoutMs: number) {
    this.#link = link;
    this.#jetstream = jetstream;
    this.#streams = streams;
    this.#timeoutMs = timeoutMs;
  }

  /** How reads and writes of that place are tried. */
  retry(place: Place, retryable: boolean): Retry {
    return { what: place.what, timeoutMs: this.#timeoutMs, retryable };
  }

  /** Stores the message and gives its sequence, or {@link CONFLICT}. Throws `WeftError`. */
  async write(place: Place, write: Write): Promise<number | typeof CONFLICT> {
    const id = randomBytes(12).toString('base64url');
    const headers = { ...write.headers, [HEADERS.messageId]: id };
    const limit = this.#link.maxPayloadBytes;
    checkSize(place.what, write.data.length, limit, 'the NATS server');
    checkSize(place.what, write.data.length + headersSize(headers), limit, 'the NATS server, with headers,');
    return retrying(this.retry(place, write.retryable), async (attempt) => {
      await this.#streams.ensure(place);
      try {
        return (await this.#jetstream.publish(write.subject, write.data, headers)).seq;
      } catch (thrown) {
        // A stream that is gone listens no more; whether it is, the next attempt finds out.
        if (!isConflict(thrown)) this.#streams.forget(place);
        if (!isConflict(thrown)) throw thrown;
        const stored = attempt > 1 ? await write.readBack() : undefined;
        return stored?.headers.get(HEADERS.messageId) === id ? stored.sequence : CONFLICT;
      }
    });
  }

  /** Runs a read until it succeeds. Throws `WeftError`. */
  read<T>(place: Place, read: () => Promise<T>): Promise<T> {
    return retrying(this.retry(place, true), async () => {
      await this.#streams.ensure(place);
      try {
        return await read();
      } catch (thrown) {
        this.#streams.forget(place);
        throw thrown;
      }
    });
  }
}
