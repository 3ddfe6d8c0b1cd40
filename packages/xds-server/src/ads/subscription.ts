/** What one client has, wants and was sent of one type of resource. */
import type { EncodedResource } from '../snapshot/resource.ts';
import { eachResource, lookUp, NO_RESOURCES, type ResourceSet } from '../snapshot/snapshot.ts';
import { Interest } from './interest.ts';
import type { ClientMessage } from './wire.ts';

/** A refusal that stands. */
export interface Refusal {
  readonly version: string;
  /** The client's own words. */
  readonly message: string;
  readonly atMs: number;
}

/** What goes into one response. */
export interface Batch {
  readonly resources: readonly EncodedResource[];
  readonly removed: readonly string[];
  /** Of the resources, those that are new to the client. */
  readonly news: readonly EncodedResource[];
}

interface Sent {
  readonly nonce: string;
  readonly version: string;
  readonly news: readonly EncodedResource[];
  readonly removed: readonly string[];
  readonly atMs: number;
}

export interface SubscriptionOptions {
  readonly typeUrl: string;
  /** Whether a first request without names asks for everything. */
  readonly emptyMeansAll: boolean;
  /** Whether a response must hold everything that the client wants: what is not in it is gone. */
  readonly fullState: boolean;
  /** Whether a response can say that a resource is gone. */
  readonly tellsRemoval: boolean;
}

/** A response of this size is split where the protocol lets it be. */
const MAX_BATCH_BYTES = 1 << 20;
const MAX_UNANSWERED = 1000;

export class Subscription {
  readonly typeUrl: string;
  readonly interest: Interest;
  readonly #options: SubscriptionOptions;
  #set: ResourceSet = NO_RESOURCES;
  /** By name what the client has: a resource, the version that it told of, or '' when it was told that there is none. */
  readonly #known = new Map<string, EncodedResource | string>();
  /** Names to look at when the next response is made. */
  readonly #dirty = new Set<string>();
  /** Of them, those to be answered though nothing changed. */
  readonly #due = new Set<string>();
  #answerDue = false;
  #unanswered: Sent[] = [];
  #latestNonce = '';
  /** By name the version that the client refused. */
  readonly #refused = new Map<string, string>();
  /** Parts of a refused response, to be sent apart until the bad resource is found. */
  readonly #parts: (readonly string[])[] = [];
  #refusal: Refusal | undefined;
  #asked = false;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
    this.typeUrl = options.typeUrl;
    this.interest = new Interest(options.emptyMeansAll);
  }

  /** Why the client refuses something that it is to have; undefined when it refuses nothing. */
  get refusal(): Refusal | undefined {
    return this.#refused.size > 0 || this.#parts.length > 0 ? this.#refusal : undefined;
  }

  /** Whether the client never answers what it is sent. */
  get overdue(): boolean {
    return this.#unanswered.length > MAX_UNANSWERED;
  }

  /** Takes what the client says, and gives the names that it no longer asks for. */
  hear(message: ClientMessage, nowMs: number): readonly string[] {
    const first = !this.#asked;
    this.#asked = true;
    if (!first && message.nonce !== '') this.#settle(message, nowMs);
    // Over the state of the world names that go with an older response than the last are of no effect.
    const isOld = message.nonce !== '' && message.nonce !== this.#latestNonce;
    if (message.names.type === 'all' && !first && isOld) return [];
    const hadAll = this.interest.wildcard;
    const asked = this.interest.change(message.names);
    if (first && message.names.type === 'difference') this.#remember(message.names.versions);
    const lost = hadAll && !this.interest.wildcard ? [...this.#known.keys()] : [];
    for (const name of [...asked.forgotten, ...lost]) if (!this.interest.wants(name)) this.#forget(name);
    for (const name of asked.names) this.#ask(name, first);
    if (asked.everything) this.#askEverything();
    if (first && (message.names.type === 'all' || (asked.everything && this.#known.size === 0))) this.#answerDue = true;
    return asked.forgotten;
  }

  #remember(versions: Readonly<Record<string, string>>): void {
    for (const [name, version] of Object.entries(versions)) this.#known.set(name, version);
  }

  #forget(name: string): void {
    this.#known.delete(name);
    this.#dirty.delete(name);
    this.#due.delete(name);
    this.#refused.delete(name);
  }

  /** A name that a client asks for again is sent again: it may have lost it. Not so as it comes back with it. */
  #ask(name: string, first: boolean): void {
    this.#dirty.add(name);
    if (first && this.#known.has(name)) return;
    this.#known.delete(name);
    this.#due.add(name);
    this.#refused.delete(name);
  }

  #askEverything(): void {
    for (const { name } of eachResource(this.#set)) this.#dirty.add(name);
    for (const name of this.#known.keys()) this.#dirty.add(name);
  }

  /** The resources that are to be there from now on, and which of them changed; undefined: any may have. */
  offer(set: ResourceSet, changed: Iterable<string> | undefined): void {
    this.#set = set;
    if (changed) for (const name of changed) this.#touch(name);
    else {
      for (const { name } of eachResource(set)) this.#touch(name);
      for (const name of this.#known.keys()) this.#dirty.add(name);
      for (const name of this.interest.names) this.#dirty.add(name);
    }
  }

  #touch(name: string): void {
    if (this.interest.wants(name) || this.#known.has(name)) this.#dirty.add(name);
  }

  /** Has a resource sent again though it did not change, where the client wants it. */
  resend(name: string): void {
    if (!this.interest.wants(name) || !lookUp(this.#set, name)) return;
    this.#known.delete(name);
    this.#dirty.add(name);
  }

  #version(name: string): string | undefined {
    const known = this.#known.get(name);
    return typeof known === 'object' ? known.version : known;
  }

  #isNews({ name, version }: EncodedResource): boolean {
    return this.#version(name) !== version && this.#refused.get(name) !== version;
  }

  /** Sorts what is to be looked at; what turns out to be as the client has it is dropped. */
  #pending(): { readonly news: EncodedResource[]; readonly absent: string[]; readonly gone: string[] } {
    const news: EncodedResource[] = [];
    const absent: string[] = [];
    const gone: string[] = [];
    for (const name of this.#dirty) {
      const resource = this.interest.wants(name) ? lookUp(this.#set, name) : undefined;
      if (resource && this.#isNews(resource)) news.push(resource);
      else if (!resource && this.#version(name)) gone.push(name);
      else if (!resource && this.#due.has(name)) absent.push(name);
      else this.#dirty.delete(name);
    }
    return { news, absent, gone };
  }

  /** Whether there is something to send beside what waits for an answer; removals count apart. */
  get hasNews(): boolean {
    if (this.#parts.length > 0 || this.#answerDue) return true;
    const { news, absent } = this.#pending();
    return news.length + absent.length > 0;
  }

  get hasRemovals(): boolean {
    return this.#pending().gone.length > 0;
  }

  /** Whether the client waits for an answer to something that it asked for. */
  get isAsked(): boolean {
    return this.#answerDue || this.#due.size > 0;
  }

  /** When the oldest response was sent that the client has not answered; undefined when it has answered all. */
  get waitingSinceMs(): number | undefined {
    return this.#unanswered[0]?.atMs;
  }

  /** Whether the client has accepted everything that it is to have. */
  get isAccepted(): boolean {
    return this.#unanswered.length === 0 && this.#refused.size === 0 && !this.hasNews && !this.hasRemovals;
  }

  /** Of what is new, as much as goes into one response; undefined when there is nothing to say. */
  takeNews(): Batch | undefined {
    const part = this.#takePart();
    if (part) return this.#commit(part, [], part);
    const { news, absent } = this.#pending();
    const due = this.#answerDue;
    if (news.length + absent.length === 0 && !due) return undefined;
    this.#answerDue = false;
    for (const name of absent) this.#setAbsent(name);
    if (this.#options.fullState) return this.#commit([...this.#wanted(), ...this.#leaving()], [], news);
    const fitting = cut(news);
    const removed = this.#options.tellsRemoval ? absent : [];
    if (fitting.length + removed.length === 0 && !due) return undefined;
    return this.#commit(fitting, removed, fitting);
  }

  /** The next part of a refused response of which anything is still as it was. */
  #takePart(): readonly EncodedResource[] | undefined {
    for (let names = this.#parts.shift(); names; names = this.#parts.shift()) {
      const resources = names.flatMap((name) => {
        const resource = this.interest.wants(name) ? lookUp(this.#set, name) : undefined;
        return resource ? [resource] : [];
      });
      if (resources.length > 0) return resources;
    }
    return undefined;
  }

  /** What is gone; undefined when nothing is, or the variant has no words for it. */
  takeRemovals(): Batch | undefined {
    const { gone } = this.#pending();
    if (gone.length === 0) return undefined;
    for (const name of gone) {
      this.#setAbsent(name);
      this.#refused.delete(name);
    }
    if (this.#options.fullState) return this.#commit([...this.#had()], [], []);
    return this.#options.tellsRemoval ? this.#commit([], gone, []) : undefined;
  }

  #setAbsent(name: string): void {
    this.#dirty.delete(name);
    this.#due.delete(name);
    if (this.interest.names.has(name)) this.#known.set(name, '');
    else this.#known.delete(name);
  }

  *#wanted(): Generator<EncodedResource> {
    if (this.interest.wildcard) yield* eachResource(this.#set);
    else {
      for (const name of this.interest.names) {
        const resource = lookUp(this.#set, name);
        if (resource) yield resource;
      }
    }
  }

  /** What the client has: news among it wait for their own turn. */
  *#had(): Generator<EncodedResource> {
    for (const known of this.#known.values()) if (typeof known === 'object') yield known;
  }

  /** What the client has and is to lose later: until then it stays in the full state. */
  *#leaving(): Generator<EncodedResource> {
    for (const name of this.#pending().gone) {
      const known = this.#known.get(name);
      if (typeof known === 'object') yield known;
    }
  }

  #commit(resources: readonly EncodedResource[], removed: readonly string[], news: readonly EncodedResource[]): Batch {
    for (const resource of news) {
      this.#known.set(resource.name, resource);
      this.#dirty.delete(resource.name);
      this.#due.delete(resource.name);
    }
    return { resources, removed, news };
  }

  /** Notes that a batch was sent. */
  sent(batch: Batch, nonce: string, version: string, nowMs: number): void {
    this.#latestNonce = nonce;
    this.#unanswered.push({ nonce, version, news: batch.news, removed: batch.removed, atMs: nowMs });
  }

  /** The answer to a response is one to all that were sent before it, too: streams are in order. */
  #settle({ nonce, refusal }: ClientMessage, nowMs: number): void {
    const index = this.#unanswered.findIndex((sent) => sent.nonce === nonce);
    const answered = this.#unanswered[index];
    if (!answered) return;
    this.#unanswered = this.#unanswered.slice(index + 1);
    if (refusal === undefined) this.#accept(answered);
    else this.#refuse(answered, refusal, nowMs);
  }

  #accept({ news }: Sent): void {
    if (this.#options.fullState) this.#refused.clear();
    for (const { name } of news) this.#refused.delete(name);
  }

  #refuse({ news, version }: Sent, message: string, atMs: number): void {
    const [only, ...others] = news;
    const bad = only && others.length === 0 ? only.version : version;
    this.#refusal = { version: bad, message, atMs };
    if (only && others.length > 0 && !this.#options.fullState) {
      // One of several is bad: halves are sent apart, so that the good ones get through.
      const names = news.map(({ name }) => name);
      const middle = Math.ceil(names.length / 2);
      this.#parts.push(names.slice(0, middle), names.slice(middle));
    } else for (const resource of news) this.#refused.set(resource.name, resource.version);
  }
}

function cut(news: readonly EncodedResource[]): readonly EncodedResource[] {
  let bytes = 0;
  const end = news.findIndex((resource, index) => {
    bytes += resource.bytes.length;
    return bytes > MAX_BATCH_BYTES && index > 0;
  });
  return end < 0 ? news : news.slice(0, end);
}
