/**
 * What stands in a bucket and every change of it, over feeds that break. A new feed goes on after the last message. Where
 * that cannot give everything (the stream was made anew or lost its end, or markers of deletions have expired while the
 * watch was away), what stands is read again, and keys that are gone are told as deleted.
 */
import type { StateEvent } from '../index.ts';
import { Feed, type FeedMessage } from './feed.ts';
import type { StreamInfo } from './jetstream.ts';
import type { Ports } from './ports.ts';
import { reopening } from './reopening.ts';
import type { Place } from './streams.ts';

/** How often it is asked whether what stands is complete when messages do not come. */
const IDLE_MS = 500;

/** A change with its value still encoded. */
export type RawStateEvent = StateEvent<Uint8Array>;

export class StateWatch {
  readonly #place: Place;
  readonly #ports: Ports;
  readonly #toKey: (subject: string) => string;
  /** The revision of each key that was told and stands. */
  readonly #told = new Map<string, number>();
  /** Which stream was read. */
  #created: string | undefined;
  /** The newest message that was seen. */
  #sequence = 0;
  /** When the feed last gave or had nothing more: what expired since may have been missed. */
  #seenAt = Date.now();
  #isSynced = false;
  /** Whether what stands has to be read, first or again. */
  #isPartial = true;

  constructor(place: Place, ports: Ports, toKey: (subject: string) => string) {
    this.#place = place;
    this.#ports = ports;
    this.#toKey = toKey;
  }

  /** Until `signal` aborts or the bus is closed. */
  changes(signal: AbortSignal): AsyncGenerator<RawStateEvent> {
    const over = AbortSignal.any([signal, this.#ports.link.closing]);
    return reopening((one) => this.#follow(one), over, this.#place, this.#ports);
  }

  /** Takes in what stream there is now. */
  #begin(info: StreamInfo): void {
    const isAnother = this.#created !== info.created || info.state.last_seq < this.#sequence;
    if (isAnother) {
      // Its revisions say nothing of those that were told.
      for (const key of this.#told.keys()) this.#told.set(key, 0);
      this.#sequence = 0;
    }
    const awayMs = Date.now() - this.#seenAt;
    if (isAnother || awayMs > this.#ports.markerLifeMs / 2) this.#isPartial = true;
    this.#created = info.created;
  }

  async *#follow(over: AbortSignal): AsyncGenerator<RawStateEvent> {
    const { link, jetstream, streams } = this.#ports;
    await streams.ensure(this.#place);
    const info = await jetstream.streamInfo(this.#place.stream, over);
    this.#begin(info);
    const start = this.#isPartial
      ? ({ type: 'newest-of-each' } as const)
      : ({ type: 'sequence', sequence: this.#sequence + 1 } as const);
    const feed = await Feed.open(link, jetstream, this.#place.stream, start, over);
    try {
      if (this.#isPartial) yield* this.#standing(feed, info, over);
      while (!over.aborted) {
        const message = await feed.next(over, IDLE_MS);
        this.#seenAt = Date.now();
        if (message) yield* this.#change(message);
      }
    } finally {
      feed.close();
    }
  }

  /** What stands when the feed is opened, deletions of what is gone, and the first time `synced`. */
  async *#standing(feed: Feed, info: StreamInfo, over: AbortSignal): AsyncGenerator<RawStateEvent> {
    const gone = new Set(this.#told.keys());
    let target = info.state.last_seq;
    let reached = 0;
    while (reached < target && !over.aborted) {
      const message = await feed.next(over, IDLE_MS);
      if (message) {
        reached = message.sequence;
        if (!message.isDeletion) gone.delete(this.#toKey(message.subject));
        yield* this.#change(message);
      } else if (!over.aborted && feed.isDrained) {
        target = await this.#newestThere(target, over);
      }
    }
    if (over.aborted) return;
    this.#sequence = Math.max(this.#sequence, info.state.last_seq);
    for (const key of gone) yield* this.#delete(key, this.#sequence);
    this.#isPartial = false;
    this.#seenAt = Date.now();
    if (!this.#isSynced) {
      this.#isSynced = true;
      yield { type: 'synced', revision: this.#sequence };
    }
  }

  /** The target, or 0 when that message itself is gone (it was a marker and expired), so that none will come. */
  async #newestThere(target: number, over: AbortSignal): Promise<number> {
    const { jetstream } = this.#ports;
    const message = await jetstream.message(this.#place.stream, { seq: target });
    if (message) return target;
    const { state } = await jetstream.streamInfo(this.#place.stream, over);
    return state.last_seq === target ? 0 : state.last_seq;
  }

  *#change(message: FeedMessage): Generator<RawStateEvent> {
    this.#sequence = Math.max(this.#sequence, message.sequence);
    const key = this.#toKey(message.subject);
    // A server that lags behind may give again what was told, or what was before it.
    if ((this.#told.get(key) ?? 0) >= message.sequence) return;
    if (message.isDeletion) {
      yield* this.#delete(key, message.sequence);
      return;
    }
    this.#told.set(key, message.sequence);
    yield { type: 'put', key, value: message.data, revision: message.sequence };
  }

  /** A key that was never told to be there is not told to be gone. */
  *#delete(key: string, revision: number): Generator<RawStateEvent> {
    if (this.#told.delete(key)) yield { type: 'delete', key, revision };
  }
}
