/** One client's ADS stream: what it asked for, what it is sent, and how far it is. */

import { WeftError } from '@weft/contracts/error';
import { RESOURCE_TYPES, typeUrl } from '@weft/envoy-api';
import { type EncodedResource, SERVED_TYPES, type ServedType } from '../snapshot/resource.ts';
import { eachResource, lookUp, NO_RESOURCES, type Snapshot } from '../snapshot/snapshot.ts';
import { Awaited } from './awaited.ts';
import { FOLLOWS, STEPS, type Step } from './order.ts';
import { type Batch, type Refusal, Subscription } from './subscription.ts';
import type { ClientMessage, Variant } from './wire.ts';

/** The world that a snapshot was made of. */
export interface Target {
  readonly revision: number;
  readonly registryRevision: number;
}

/** How far a client is. */
export interface Progress {
  /** The newest that was sent. */
  readonly sent: Target;
  /** The newest configuration and registry that it accepted in full. */
  readonly accepted: Target;
  /** The snapshot that it accepted in full; empty while there is none. */
  readonly snapshot: string;
  readonly refusals: readonly { readonly typeUrl: string; readonly refusal: Refusal }[];
}

/** What a snapshot changes, by type; undefined: anything may have changed. */
export type Changes = { readonly [T in ServedType]: readonly string[] } | undefined;

export interface StreamOptions {
  readonly variant: Variant;
  /** Who serves. */
  readonly identifier: string;
  /** Sends a message; false: the client is slow, and nothing is to be sent until `resume` is called. */
  readonly send: (message: Buffer, typeUrl: string) => boolean;
  readonly now: () => number;
  /** For how long a client that does not answer holds up what depends on the answer. */
  readonly patienceMs: number;
  /** Told how long it took from a new snapshot until the client had accepted all of it. */
  readonly onAccepted?: (milliseconds: number) => void;
  /** Calls back after that time, unless the function that it gives is called. */
  readonly later: (milliseconds: number, callback: () => void) => () => void;
}

const MAX_TYPES = 64;
const MAX_NAMES = 100_000;
/** Of a type that is not served, whose names are kept only to say that there is nothing of them. */
const MAX_UNSERVED_NAMES = 1000;
/** Of a name, a version or the URL of a type, in UTF-16 units. */
const MAX_NAME_LENGTH = 1000;
/** The types that others follow. */
type Leader = keyof typeof FOLLOWS;

const NOTHING: Target = { revision: 0, registryRevision: 0 };
const TYPE_OF_URL: ReadonlyMap<string, ServedType> = new Map(
  SERVED_TYPES.map((type) => [typeUrl(RESOURCE_TYPES[type]), type]),
);

export class AdsStream {
  readonly #options: StreamOptions;
  readonly #startedAtMs: number;
  readonly #subscriptions = new Map<string, Subscription>();
  /** Names that the client is going to ask for, by their type. */
  readonly #awaited: { readonly [T in ServedType]: Awaited };
  #snapshot: Snapshot | undefined;
  #target: Target = NOTHING;
  #accepted: Target = NOTHING;
  #acceptedSnapshot = '';
  #nonce = 0;
  #offeredAtMs: number | undefined;
  #paused = false;
  #cancelTimer: (() => void) | undefined;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#startedAtMs = options.now();
    const awaited = () => new Awaited();
    this.#awaited = { cluster: awaited(), endpoint: awaited(), listener: awaited(), route: awaited() };
  }

  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** Takes what the client says, and answers. Throws `WeftError` when it asks for more than any client needs. */
  hear(message: ClientMessage): void {
    if (message.typeUrl === '') throw new WeftError('INVALID_ARGUMENT', 'a request names no type: type_url is empty');
    requireShort(message);
    const first = !this.#subscriptions.has(message.typeUrl);
    const subscription = this.#subscription(message.typeUrl);
    const forgotten = subscription.hear(message, this.#options.now());
    const { names } = subscription.interest;
    const type = TYPE_OF_URL.get(message.typeUrl);
    const most = type ? MAX_NAMES : MAX_UNSERVED_NAMES;
    if (names.size > most) {
      throw new WeftError('RESOURCE_EXHAUSTED', `more than ${most} names of ${message.typeUrl} were asked for`);
    }
    if (type) this.#awaited[type].arrived(names);
    if (first && type) this.#expectFollowers(type);
    if (type && forgotten.length > 0) this.#expectAgain(type, new Set(forgotten));
    this.pump();
  }

  /** What a client dropped with a resource that has come back since, it will ask for again when it hears of that. */
  #expectAgain(type: ServedType, forgotten: ReadonlySet<string>): void {
    for (const leader of ['cluster', 'listener'] as const) {
      if (FOLLOWS[leader] !== type || !this.#snapshot) continue;
      const back = [...eachResource(this.#snapshot.sets[leader])].filter(({ needs }) =>
        needs[FOLLOWS[leader]]?.some((name) => forgotten.has(name)),
      );
      this.#expect(leader, back);
    }
  }

  /** What a client that comes back has already, it will ask the rest of in a moment. */
  #expectFollowers(type: ServedType): void {
    const subscription = this.#served(type);
    if (!subscription || !this.#snapshot || !(type in FOLLOWS)) return;
    const all = [...eachResource(this.#snapshot.sets[type])];
    this.#expect(
      type as Leader,
      all.filter(({ name }) => subscription.interest.wants(name)),
    );
  }

  #expect(type: Leader, resources: readonly EncodedResource[]): void {
    const next = FOLLOWS[type];
    const subscription = this.#served(next);
    for (const { needs } of resources) {
      for (const name of needs[next] ?? []) {
        if (!subscription?.interest.wants(name)) this.#awaited[next].expect(name, this.#options.now());
      }
    }
  }

  #subscription(url: string): Subscription {
    const existing = this.#subscriptions.get(url);
    if (existing) return existing;
    if (this.#subscriptions.size >= MAX_TYPES) {
      throw new WeftError('RESOURCE_EXHAUSTED', `more than ${MAX_TYPES} types were asked for on one stream`);
    }
    const type = TYPE_OF_URL.get(url);
    const whole = type === 'cluster' || type === 'listener';
    const sotw = this.#options.variant.name === 'sotw';
    const created = new Subscription({
      typeUrl: url,
      emptyMeansAll: whole,
      fullState: whole && sotw,
      tellsRemoval: !sotw,
    });
    created.offer(type && this.#snapshot ? this.#snapshot.sets[type] : NO_RESOURCES, undefined);
    this.#subscriptions.set(url, created);
    return created;
  }

  #served(type: ServedType): Subscription | undefined {
    return this.#subscriptions.get(typeUrl(RESOURCE_TYPES[type]));
  }

  /** Takes the snapshot that the client is to have from now on. */
  offer(snapshot: Snapshot, target: Target, changes: Changes): void {
    const known = this.#snapshot !== undefined && changes !== undefined;
    if (snapshot !== this.#snapshot) {
      const first = this.#snapshot === undefined;
      this.#snapshot = snapshot;
      this.#offeredAtMs ??= this.#options.now();
      for (const type of SERVED_TYPES)
        this.#served(type)?.offer(snapshot.sets[type], known ? changes[type] : undefined);
      for (const type of SERVED_TYPES)
        this.#awaited[type].retain((name) => lookUp(snapshot.sets[type], name) !== undefined);
      if (first) for (const type of SERVED_TYPES) this.#expectFollowers(type);
    }
    this.#target = target;
    this.pump();
  }

  /** Goes on after the client was slow. */
  resume(): void {
    this.#paused = false;
    this.pump();
  }

  close(): void {
    this.#cancelTimer?.();
    this.#paused = true;
  }

  /** Sends what can be sent now. */
  pump(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    // Before there is a snapshot nothing is known, which is not the same as that there is nothing.
    if (!this.#snapshot) return;
    const { now, patienceMs } = this.#options;
    for (const type of SERVED_TYPES) this.#awaited[type].forget(now() - patienceMs);
    for (const step of STEPS) this.#run(step);
    for (const [url, subscription] of this.#subscriptions) {
      if (!TYPE_OF_URL.has(url)) this.#send(subscription, subscription.takeNews());
    }
    this.#measure();
    this.#wait();
  }

  #run(step: Step): void {
    const subscription = this.#served(step.type);
    if (!subscription || !this.#isOpen(step)) return;
    while (!this.#paused && this.#mayFollow(subscription)) {
      const batch = step.what === 'news' ? subscription.takeNews() : subscription.takeRemovals();
      if (!batch) return;
      this.#send(subscription, batch);
      if (step.type in FOLLOWS) this.#follow(step.type as Leader, batch.news);
    }
  }

  /** One response of a type at a time, but for what the client asks for. */
  #mayFollow(subscription: Subscription): boolean {
    return subscription.isAsked || !this.#isFresh(subscription.waitingSinceMs);
  }

  #isFresh(sinceMs: number | undefined): boolean {
    return sinceMs !== undefined && this.#options.now() - sinceMs < this.#options.patienceMs;
  }

  /** Whether the steps before this one are done, or have been given time enough. */
  #isOpen(step: Step): boolean {
    return step.after.every(({ type, what }) => {
      const subscription = this.#served(type);
      // A client that does not ask for a type does not wait for it. One that has only just come may still ask for it,
      // and may have from an earlier stream what refers to what is gone.
      const isEarly = step.what === 'removals' && this.#isFresh(this.#startedAtMs);
      if (!subscription) return !isEarly && !this.#isFresh(this.#awaited[type].sinceMs);
      if (this.#isFresh(subscription.waitingSinceMs) || this.#isFresh(this.#awaited[type].sinceMs)) return false;
      if (subscription.waitingSinceMs !== undefined) return true;
      return what === 'news' ? !subscription.hasNews : !subscription.hasRemovals;
    });
  }

  #send(subscription: Subscription, batch: Batch | undefined): void {
    if (!batch) return;
    const { variant, identifier, send, now } = this.#options;
    const nonce = String(++this.#nonce);
    const version = this.#snapshot?.id ?? '';
    const { typeUrl: url } = subscription;
    const { resources, removed } = batch;
    subscription.sent(batch, nonce, version, now());
    if (subscription.overdue) {
      throw new WeftError('RESOURCE_EXHAUSTED', `the client answers none of what it is sent of ${url}`);
    }
    if (!send(variant.write({ typeUrl: url, nonce, version, resources, removed, identifier }), url))
      this.#paused = true;
  }

  /** What a resource needs is sent after it, even if the client has it: it may wait for that as for something new. */
  #follow(type: Leader, sent: readonly EncodedResource[]): void {
    const next = FOLLOWS[type];
    const subscription = this.#served(next);
    for (const { needs } of sent) for (const name of needs[next] ?? []) subscription?.resend(name);
    this.#expect(type, sent);
  }

  /** Notes what the client has accepted in full. */
  #measure(): void {
    const accepted = (types: readonly ServedType[]) =>
      types.every((type) => {
        const subscription = this.#served(type);
        return subscription ? subscription.isAccepted : true;
      }) && types.every((type) => !this.#isFresh(this.#awaited[type].sinceMs));
    // A client that has not asked for listeners yet is still starting, and has nothing in full.
    const started = this.#served('listener') !== undefined;
    if (accepted(['cluster', 'endpoint']) && (started || this.#served('cluster'))) {
      this.#accepted = { ...this.#accepted, registryRevision: this.#target.registryRevision };
    }
    if (started && accepted(SERVED_TYPES)) {
      this.#accepted = this.#target;
      this.#acceptedSnapshot = this.#snapshot?.id ?? '';
      if (this.#offeredAtMs !== undefined) this.#options.onAccepted?.(this.#options.now() - this.#offeredAtMs);
      this.#offeredAtMs = undefined;
    }
  }

  /** Looks again when the first of what is waited for has been given time enough. */
  #wait(): void {
    const times = SERVED_TYPES.flatMap((type) => [this.#served(type)?.waitingSinceMs, this.#awaited[type].sinceMs]);
    if (SERVED_TYPES.some((type) => this.#served(type)?.hasRemovals)) times.push(this.#startedAtMs);
    const fresh = times.filter((sinceMs) => sinceMs !== undefined && this.#isFresh(sinceMs));
    if (fresh.length === 0) return;
    const { now, patienceMs, later } = this.#options;
    const dueMs = Math.min(...(fresh as number[])) + patienceMs - now();
    this.#cancelTimer = later(Math.max(dueMs, 1), () => this.pump());
  }

  progress(): Progress {
    const refusals = [...this.#subscriptions.values()].flatMap(({ typeUrl: url, refusal }) =>
      refusal ? [{ typeUrl: url, refusal }] : [],
    );
    return { sent: this.#target, accepted: this.#accepted, snapshot: this.#acceptedSnapshot, refusals };
  }
}

/** What a client says is kept for as long as its stream lives, so that none of it may be long. Throws `WeftError`. */
function requireShort({ typeUrl: url, names }: ClientMessage): void {
  const told =
    names.type === 'all'
      ? names.names
      : [...names.subscribe, ...Object.entries(names.versions).flat(), ...names.unsubscribe];
  if (url.length <= MAX_NAME_LENGTH && told.every(({ length }) => length <= MAX_NAME_LENGTH)) return;
  const what = `${url.slice(0, 100)}: a name, version or type is longer than ${MAX_NAME_LENGTH} characters`;
  throw new WeftError('RESOURCE_EXHAUSTED', what);
}
