/** The streams behind logs and states: found, or made when they are first used. */
import { API_CODES, ApiError } from './failure.ts';
import type { JetStream, StreamConfig, StreamInfo } from './jetstream.ts';
import type { Link } from './link.ts';
import { retrying } from './retry.ts';

/** How long message ids are remembered; longer than an operation is tried. */
const DUPLICATES_NS = 120 * 1e9;

const FIRST_ANSWER_MS = 250;
const LONGEST_ANSWER_MS = 2_000;

/** Where a log or state is on NATS. */
export interface Place {
  /** For error texts: `the log config`. */
  readonly what: string;
  readonly stream: string;
  readonly subjects: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** A stream that is never cut: no limits, and nobody may delete or purge. */
export function logPlace(name: string): Place & { readonly subject: string } {
  const subject = `weft.log.${name}`;
  const settings = { deny_delete: true, deny_purge: true };
  return { what: `the log ${name}`, stream: `WEFT_${name.toUpperCase()}`, subjects: subject, subject, settings };
}

/** A bucket as other KV clients make and read them (ADR-8 of NATS), of history 1. */
export function statePlace(name: string): Place & { readonly prefix: string } {
  const prefix = `$KV.weft_${name}.`;
  const settings = {
    max_msgs_per_subject: 1,
    allow_rollup_hdrs: true,
    deny_delete: true,
    allow_direct: true,
    allow_msg_ttl: true,
  };
  return { what: `the state ${name}`, stream: `KV_weft_${name}`, subjects: `${prefix}>`, prefix, settings };
}

export interface StreamsOptions {
  readonly replicas: number | undefined;
  readonly operationTimeoutMs: number;
}

export class Streams {
  readonly #link: Link;
  readonly #jetstream: JetStream;
  readonly #options: StreamsOptions;
  readonly #known = new Map<string, Promise<StreamInfo>>();

  constructor(link: Link, jetstream: JetStream, options: StreamsOptions) {
    this.#link = link;
    this.#jetstream = jetstream;
    this.#options = options;
  }

  /** Makes the stream unless it is there. Remembered: ask again after {@link forget}. */
  ensure(place: Place): Promise<StreamInfo> {
    const known = this.#known.get(place.stream);
    if (known) return known;
    const making = this.#findOrMake(place);
    this.#known.set(place.stream, making);
    making.catch(() => this.forget(place));
    return making;
  }

  /** To be called when the stream turned out not to be there. */
  forget(place: Place): void {
    this.#known.delete(place.stream);
  }

  #findOrMake(place: Place): Promise<StreamInfo> {
    const retry = { what: place.what, timeoutMs: this.#options.operationTimeoutMs, retryable: true };
    return retrying(retry, async (attempt) => {
      try {
        // A stream that another client is just making does not answer: ask again soon, and more patiently each time.
        const timeoutMs = Math.min(FIRST_ANSWER_MS * 2 ** (attempt - 1), LONGEST_ANSWER_MS);
        return await this.#jetstream.streamInfo(place.stream, undefined, timeoutMs);
      } catch (thrown) {
        if (!(thrown instanceof ApiError && thrown.code === API_CODES.streamNotFound)) throw thrown;
        return this.#make(place);
      }
    });
  }

  #config(place: Place, replicas: number): StreamConfig {
    return {
      name: place.stream,
      subjects: [place.subjects],
      retention: 'limits',
      storage: 'file',
      discard: 'new',
      num_replicas: replicas,
      max_consumers: -1,
      max_msgs: -1,
      max_bytes: -1,
      max_age: 0,
      max_msg_size: -1,
      duplicate_window: DUPLICATES_NS,
      ...place.settings,
    };
  }

  async #make(place: Place): Promise<StreamInfo> {
    const { replicas } = this.#options;
    if (replicas !== undefined) return this.#create(place, replicas);
    if (this.#link.connection.info?.cluster === undefined) return this.#create(place, 1);
    // Three also while a cluster starts and has fewer: one copy would stay one copy for ever.
    try {
      return await this.#create(place, 3);
    } catch (thrown) {
      const isAlone = thrown instanceof ApiError && thrown.code === API_CODES.replicasWithoutCluster;
      if (!isAlone) throw thrown;
      return this.#create(place, 1);
    }
  }

  async #create(place: Place, replicas: number): Promise<StreamInfo> {
    try {
      return await this.#jetstream.createStream(this.#config(place, replicas));
    } catch (thrown) {
      // Another client made it a moment ago, in its own way.
      const isThere = thrown instanceof ApiError && thrown.code === API_CODES.streamNameInUse;
      if (!isThere) throw thrown;
      return this.#jetstream.streamInfo(place.stream);
    }
  }
}
