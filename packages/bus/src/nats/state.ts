/** A state on JetStream: a KV bucket of history 1, read through the leader of its stream. */
import type { StateContract } from '@weft/contracts/bus';
import { checkKey, decodeStored, revisionConflict } from '../checks.ts';
import type { Entry, State, StateEvent } from '../index.ts';
import { HEADERS, type StoredMessage } from './jetstream.ts';
import type { Ports } from './ports.ts';
import { CONFLICT } from './publisher.ts';
import { StateWatch } from './state-watch.ts';
import { statePlace } from './streams.ts';

/** How many keys of a list are read at once. */
const LIST_CONCURRENCY = 64;

/** A key that begins or ends with a dot is no subject of NATS: it stands between slashes, where no key can. */
function subjectOf(prefix: string, key: string): string {
  return prefix + (key.startsWith('.') || key.endsWith('.') ? `/${key}/` : key);
}

function keyOf(prefix: string, subject: string): string {
  const name = subject.slice(prefix.length);
  return name.startsWith('/') ? name.slice(1, -1) : name;
}

function isDeletion(message: StoredMessage): boolean {
  return message.headers.has(HEADERS.operation) || message.headers.has(HEADERS.markerReason);
}

export class NatsState<T> implements State<T> {
  readonly #contract: StateContract<T>;
  readonly #place: ReturnType<typeof statePlace>;
  readonly #ports: Ports;

  constructor(contract: StateContract<T>, ports: Ports) {
    this.#contract = contract;
    this.#place = statePlace(contract.name);
    this.#ports = ports;
  }

  /** The newest message of the key, a deletion's too, as the leader has it. */
  #newest(key: string): Promise<StoredMessage | undefined> {
    const { jetstream, publisher } = this.#ports;
    const subject = subjectOf(this.#place.prefix, key);
    return publisher.read(this.#place, () => jetstream.message(this.#place.stream, { last_by_subj: subject }));
  }

  #decode(key: string, data: Uint8Array): T {
    return decodeStored(this.#contract.value, data, `${key} of the state ${this.#contract.name}`);
  }

  #entry(message: StoredMessage | undefined): Entry<T> | undefined {
    if (!message || isDeletion(message)) return undefined;
    const key = keyOf(this.#place.prefix, message.subject);
    return { key, revision: message.sequence, value: this.#decode(key, message.data) };
  }

  async get(key: string): Promise<Entry<T> | undefined> {
    checkKey(this.#contract.name, key);
    return this.#entry(await this.#newest(key));
  }

  async list(): Promise<readonly Entry<T>[]> {
    const { jetstream, publisher } = this.#ports;
    const { stream, prefix, subjects } = this.#place;
    const waiting = [...(await publisher.read(this.#place, () => jetstream.subjects(stream, subjects)))];
    const entries: Entry<T>[] = [];
    const work = async (): Promise<void> => {
      for (let subject = waiting.pop(); subject !== undefined; subject = waiting.pop()) {
        const entry = this.#entry(await this.#newest(keyOf(prefix, subject)));
        if (entry) entries.push(entry);
      }
    };
    await Promise.all(Array.from({ length: LIST_CONCURRENCY }, work));
    return entries;
  }

  /** Writes over exactly that message of the key, or whatever there is; gives {@link CONFLICT} when it is another. */
  #write(
    key: string,
    data: Uint8Array,
    over: number | undefined,
    headers: Readonly<Record<string, string>>,
  ): Promise<number | typeof CONFLICT> {
    const { jetstream, publisher } = this.#ports;
    const subject = subjectOf(this.#place.prefix, key);
    return publisher.write(this.#place, {
      subject,
      data,
      headers: over === undefined ? headers : { ...headers, [HEADERS.expectedLastOfSubject]: String(over) },
      readBack: () => jetstream.message(this.#place.stream, { last_by_subj: subject }),
      // A put over whatever there is may be done twice.
      retryable: over === undefined,
    });
  }

  async put(key: string, value: T, options: { readonly expectedRevision?: number } = {}): Promise<number> {
    const { name } = this.#contract;
    checkKey(name, key);
    const data = this.#contract.value.encode(value);
    const { expectedRevision } = options;
    if (expectedRevision === undefined) return Number(await this.#write(key, data, undefined, {}));
    for (;;) {
      // A deletion leaves a message too, which is not a revision of the key, so what there is must be known.
      const newest = await this.#newest(key);
      const found = newest && !isDeletion(newest) ? newest.sequence : 0;
      if (found !== expectedRevision) throw revisionConflict(name, key, expectedRevision, found);
      const written = await this.#write(key, data, newest?.sequence ?? 0, {});
      if (written !== CONFLICT) return written;
    }
  }

  async delete(key: string, options: { readonly expectedRevision?: number } = {}): Promise<number> {
    const { name } = this.#contract;
    checkKey(name, key);
    const { expectedRevision } = options;
    for (;;) {
      const newest = await this.#newest(key);
      const found = newest && !isDeletion(newest) ? newest.sequence : 0;
      if (expectedRevision !== undefined && found !== expectedRevision) {
        throw revisionConflict(name, key, expectedRevision, found);
      }
      if (!newest || found === 0) return this.#newestRevision();
      const written = await this.#write(key, Buffer.alloc(0), newest.sequence, await this.#marker());
      if (written !== CONFLICT) return written;
    }
  }

  async #newestRevision(): Promise<number> {
    const { jetstream, publisher } = this.#ports;
    return (await publisher.read(this.#place, () => jetstream.streamInfo(this.#place.stream))).state.last_seq;
  }

  /** The headers of a deletion; it stays for good in a bucket that was made without messages that expire. */
  async #marker(): Promise<Readonly<Record<string, string>>> {
    const info = await this.#ports.streams.ensure(this.#place);
    const expires = info.config.allow_msg_ttl === true;
    return {
      [HEADERS.operation]: 'DEL',
      ...(expires && { [HEADERS.timeToLive]: `${Math.ceil(this.#ports.markerLifeMs / 1000)}s` }),
    };
  }

  async *watch(signal: AbortSignal): AsyncIterable<StateEvent<T>> {
    const toKey = (subject: string): string => keyOf(this.#place.prefix, subject);
    const watch = new StateWatch(this.#place, this.#ports, toKey);
    for await (const change of watch.changes(signal)) {
      if (change.type === 'put') yield { ...change, value: this.#decode(change.key, change.value) };
      else yield change;
    }
  }
}
