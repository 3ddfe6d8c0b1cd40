/**
 * Messages of a stream, in order, from a consumer of one's own, until anything at all goes wrong with it: then the feed
 * breaks within about two seconds and its owner opens another. The client library's own watchers were seen to stall for
 * a minute and a half when the server that hosts their consumer dies.
 */
import { randomBytes } from 'node:crypto';
import { createInbox, type Msg, type Subscription } from '@nats-io/transport-node';
import { onAbort, onAnyAbort, Wakeup } from '../wakeup.ts';
import { RequestFailure } from './failure.ts';
import { HEADERS, type JetStream } from './jetstream.ts';
import type { Link } from './link.ts';

export interface FeedMessage {
  readonly subject: string;
  /** In the stream. */
  readonly sequence: number;
  readonly data: Uint8Array;
  /** Of the message alone that KV clients write when a key is deleted, or the server when a limit removes it. */
  readonly isDeletion: boolean;
}

export type FeedStart =
  /** The newest message of each subject, in the order of sequences, then what comes. */
  { readonly type: 'newest-of-each' } | { readonly type: 'sequence'; readonly sequence: number };

/** Heartbeats come when there is nothing else; one that misses this many is taken for dead. */
const HEARTBEAT_MS = 500;
const MISSED_HEARTBEATS = 3;
/** How long a pull request stands; then there is another. */
const PULL_MS = 30_000;
const BATCH = 128;
/** A consumer that nobody pulls from ends; a slow reader may take this long over a batch before its feed breaks. */
const INACTIVE_MS = 5 * 60_000;
const NS = 1e6;

/** Status messages that end a pull request in good order: https://github.com/nats-io/nats-architecture-and-design ADR-37. */
const END_OF_PULL = /^408|^409 (Message Size Exceeds MaxBytes|Batch Completed)/i;

/** What the reply subject of a delivered message tells: `$JS.ACK.….<delivered>.<stream>.<consumer>.<time>.<pending>`. */
function delivery(reply: string): { readonly ofStream: number; readonly ofConsumer: number; readonly pending: number } {
  const parts = reply.split('.');
  // Newer servers put a domain and an account before the stream's name, and a token at the end.
  const at = parts.length >= 11 ? 7 : 5;
  return { ofStream: Number(parts[at]), ofConsumer: Number(parts[at + 1]), pending: Number(parts[at + 3]) };
}

/** A consumer that was made, and how much it has to give. */
interface Made {
  readonly consumer: string;
  readonly pending: number;
}

export class Feed {
  readonly #link: Link;
  readonly #jetstream: JetStream;
  readonly #stream: string;
  readonly #consumer: string;
  readonly #queue: FeedMessage[] = [];
  readonly #wakeup = new Wakeup();
  readonly #subscription: Subscription;
  readonly #inbox: string;
  readonly #timer: NodeJS.Timeout;
  #forget: () => void = () => undefined;
  #isClosed = false;
  #received = 0;
  #pending: number;
  #isPulling = false;
  #leftOfPull = 0;
  #isHeard = true;
  #missed = 0;
  #broken: RequestFailure | undefined;

  private constructor(link: Link, jetstream: JetStream, stream: string, made: Made, over: AbortSignal) {
    this.#pending = made.pending;
    this.#link = link;
    this.#jetstream = jetstream;
    this.#stream = stream;
    this.#consumer = made.consumer;
    this.#inbox = createInbox(link.inboxPrefix);
    this.#subscription = link.connection.subscribe(this.#inbox, {
      callback: (error, message) => (error ? this.#break(error.message) : this.#take(message)),
    });
    this.#timer = setInterval(() => this.#check(), HEARTBEAT_MS);
    this.#forget = onAnyAbort([link.lost(), over], () => {
      this.#break('the connection was lost');
      // Whoever takes from the feed may never ask again after that.
      if (over.aborted) this.close();
    });
  }

  /** Makes a consumer and begins to pull; ends when `signal` aborts. Throws `RequestFailure` or `ApiError`. */
  static async open(
    link: Link,
    jetstream: JetStream,
    stream: string,
    start: FeedStart,
    signal: AbortSignal,
  ): Promise<Feed> {
    const name = `weft-${randomBytes(9).toString('hex')}`;
    const from =
      start.type === 'sequence'
        ? { deliver_policy: 'by_start_sequence', opt_start_seq: start.sequence }
        : { deliver_policy: 'last_per_subject', filter_subjects: ['>'] };
    const settings = { ack_policy: 'none', mem_storage: true, num_replicas: 1, inactive_threshold: INACTIVE_MS * NS };
    const made = await jetstream.createConsumer(stream, name, { ...from, ...settings, max_deliver: -1 }, signal);
    const feed = new Feed(link, jetstream, stream, { consumer: name, pending: made.num_pending }, signal);
    if (!signal.aborted) feed.#pull();
    return feed;
  }

  #pull(): void {
    const request = {
      batch: BATCH,
      // Room for two of the largest, so that a slow reader holds no more.
      max_bytes: 2 * this.#link.maxPayloadBytes + 65_536,
      expires: PULL_MS * NS,
      idle_heartbeat: HEARTBEAT_MS * NS,
    };
    this.#isPulling = true;
    this.#leftOfPull = BATCH;
    this.#missed = 0;
    try {
      const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.#stream}.${this.#consumer}`;
      this.#link.connection.publish(subject, JSON.stringify(request), { reply: this.#inbox });
    } catch (thrown) {
      this.#break(String(thrown));
    }
  }

  #take(message: Msg): void {
    this.#isHeard = true;
    if (message.headers && message.headers.code > 0) {
      this.#status(`${message.headers.code} ${message.headers.description}`);
      return;
    }
    const { ofStream, ofConsumer, pending } = delivery(message.reply ?? '');
    this.#pending = pending;
    if (ofConsumer !== ++this.#received) {
      this.#break(`message ${this.#received} was lost on the way`);
      return;
    }
    const operation = message.headers?.get(HEADERS.operation) || message.headers?.get(HEADERS.markerReason);
    this.#queue.push({
      subject: message.subject,
      sequence: ofStream,
      data: message.data,
      isDeletion: Boolean(operation),
    });
    if (--this.#leftOfPull === 0) this.#isPulling = false;
    this.#wakeup.ring();
  }

  #status(status: string): void {
    if (status.startsWith('100')) return;
    if (!END_OF_PULL.test(status)) {
      this.#break(`the server says ${status}`);
      return;
    }
    this.#isPulling = false;
    this.#wakeup.ring();
  }

  /** Counts turns without a sign of life, not time: so a process that was itself held up breaks nothing. */
  #check(): void {
    this.#missed = this.#isHeard || !this.#isPulling ? 0 : this.#missed + 1;
    this.#isHeard = false;
    if (this.#missed >= MISSED_HEARTBEATS) this.#break(`${MISSED_HEARTBEATS} heartbeats were missed`);
  }

  /** Whether everything that the consumer had when last heard of has been taken. */
  get isDrained(): boolean {
    return this.#pending === 0 && this.#queue.length === 0;
  }

  #break(reason: string): void {
    this.#broken ??= new RequestFailure('lost', `the feed of ${this.#stream} broke: ${reason}`);
    this.#stopListening();
    this.#wakeup.ring();
  }

  #stopListening(): void {
    clearInterval(this.#timer);
    this.#forget();
    this.#subscription.unsubscribe();
  }

  /**
   * The next message; undefined when none came within `idleMs`, or `signal` aborted. Throws `RequestFailure` once the
   * feed is broken and what it held is taken.
   */
  async next(signal: AbortSignal, idleMs?: number): Promise<FeedMessage | undefined> {
    const until = idleMs === undefined ? undefined : performance.now() + idleMs;
    const forget = onAbort(signal, () => this.#wakeup.ring());
    const timer = idleMs === undefined ? undefined : setTimeout(() => this.#wakeup.ring(), idleMs);
    try {
      while (!signal.aborted) {
        const message = this.#queue.shift();
        if (message) return message;
        if (this.#broken) throw this.#broken;
        if (!this.#isPulling) this.#pull();
        if (until !== undefined && performance.now() >= until) return undefined;
        await this.#wakeup.wait();
      }
      return undefined;
    } finally {
      clearTimeout(timer);
      forget();
    }
  }

  /** Lets go of the consumer; also done when the signal that the feed was opened with aborts. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopListening();
    if (!this.#link.closing.aborted) void this.#jetstream.deleteConsumer(this.#stream, this.#consumer);
  }
}
