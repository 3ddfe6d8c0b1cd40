/** All that is wanted and held of one type from one source, over all of the streams to it. */
import type { ResourceType } from '@weft/envoy-api';
import type { Clock } from '../clock.ts';
import type { XdsVariant } from '../config/config-source.ts';
import type { Log } from '../log.ts';
import type { Steps } from '../slices.ts';
import { type Asking, makeAsking, WILDCARD } from './asking.ts';
import { ABSENT, Held } from './held.ts';
import { LARGE_BYTES, readLargeRoutes } from './large-routes.ts';
import { refusalText } from './refusal.ts';
import { digestOf, type GoodResource, type ReadAhead } from './resource.ts';
import type { SubscriptionCounts } from './statistics.ts';
import type {
  CollectionListener,
  CollectionUpdate,
  ResourceIssue,
  ResourceListener,
  Unwatch,
} from './subscriptions.ts';
import { tellAll, tellOne, tellRemoved } from './telling.ts';
import { readUpdate } from './update.ts';
import { type DiscoveryRequest, type DiscoveryResponse, nameOf } from './wire.ts';

export interface TypeSubscriptionOptions {
  readonly type: ResourceType;
  readonly variant: XdsVariant;
  readonly counts: SubscriptionCounts;
  readonly clock: Clock;
  readonly log: Log;
  /** Told when there may be something to say to the server. */
  readonly onChange: () => void;
}

/** How many resources are taken before others have their turn, where there are many. */
const PART = 8;

type Changed = GoodResource & { readonly resource: object };

export class TypeSubscription {
  readonly #options: TypeSubscriptionOptions;
  readonly #held = new Map<string, Held>();
  readonly #collections = new Set<CollectionListener>();
  /** Names that somebody watches, the wildcard among them. */
  readonly #wanted = new Set<string>();
  /** Of them, those that were watched or left since the server was told last. */
  readonly #dirty = new Set<string>();
  readonly #asking: Asking;
  /** Large resources of the response that comes next, by their bytes. */
  readonly #ahead: ReadAhead = new Map();
  /** Whether the source has said what there is for those who want all. */
  #isAnswered = false;
  /** Whether a response is being taken, in steps. */
  #isTaking = false;
  #isClosed = false;

  constructor(options: TypeSubscriptionOptions) {
    this.#options = options;
    const { type, variant } = options;
    this.#asking = makeAsking(variant, { type, wanted: this.#wanted, versions: () => this.#versions() });
  }

  get isWanted(): boolean {
    return this.#wanted.size > 0;
  }

  /** Whether the server was asked for anything on this stream. */
  get isAsked(): boolean {
    return this.#asking.isAsked;
  }

  /** Whether there is something that the server was not told yet. */
  get isBehind(): boolean {
    return this.isAsked ? this.#dirty.size > 0 : this.isWanted;
  }

  watch(name: string, listener: ResourceListener): Unwatch {
    const held = this.#holderOf(name);
    // Each watch is one of its own, also when a listener watches twice.
    const own: ResourceListener = {
      onResource: (resource, version) => listener.onResource(resource, version),
      ...(listener.prepare ? { prepare: listener.prepare.bind(listener) } : {}),
      onRemoved: () => listener.onRemoved(),
    };
    if (held.watchers.size === 0) this.#want(name);
    held.watchers.add(own);
    this.#tellLate(held, own);
    return () => {
      if (held.watchers.delete(own) && held.watchers.size === 0) this.#leave(name);
    };
  }

  watchAll(listener: CollectionListener): Unwatch {
    const own: CollectionListener = { onUpdate: (update) => listener.onUpdate(update) };
    if (this.#collections.size === 0) this.#want(WILDCARD);
    this.#collections.add(own);
    if (this.#isAnswered && !this.#isTaking) this.#tellAllLate(own);
    return () => {
      if (this.#collections.delete(own) && this.#collections.size === 0) this.#leave(WILDCARD);
    };
  }

  #holderOf(name: string): Held {
    const known = this.#held.get(name);
    if (known) return known;
    const held = new Held(name);
    this.#held.set(name, held);
    return held;
  }

  #want(name: string): void {
    this.#wanted.add(name);
    this.#dirty.add(name);
    this.#options.counts.began(name === WILDCARD ? undefined : name);
    this.#options.onChange();
  }

  #leave(name: string): void {
    this.#wanted.delete(name);
    this.#dirty.add(name);
    this.#options.onChange();
  }

  #tellLate(held: Held, listener: ResourceListener): void {
    const { log } = this.#options;
    const { name, knowledge } = held;
    if (knowledge.type === 'absent') tellRemoved(listener, log);
    else if (knowledge.type === 'present') this.#logLate(tellOne(listener, { ...knowledge, name }, log));
  }

  #tellAllLate(listener: CollectionListener): void {
    this.#logLate(tellAll(listener, { changed: this.#present([], []), removed: [] }, this.#options.log));
  }

  /** The server knows the resource as accepted, by those who came first; it can only be said here. */
  #logLate(issues: readonly ResourceIssue[]): void {
    const { type, log } = this.#options;
    if (issues.length === 0) return;
    log.warn({ type, reason: refusalText(type, issues) }, 'a resource that others use cannot be used here');
  }

  /** Lets go of what nobody wants any more; gives the names that were watched or left. */
  settle(): readonly string[] {
    const changed = [...this.#dirty];
    this.#dirty.clear();
    for (const name of changed) {
      if (this.#wanted.has(name)) continue;
      if (name === WILDCARD) this.#forgetAll();
      else this.#forget(name);
    }
    return changed;
  }

  /** What is held for those who want all stays for them. */
  #forget(name: string): void {
    this.#options.counts.ended(name);
    const held = this.#held.get(name);
    if (!held || (this.#wanted.has(WILDCARD) && held.knowledge.type === 'present')) return;
    held.expiry = undefined;
    this.#held.delete(name);
  }

  #forgetAll(): void {
    this.#isAnswered = false;
    for (const [name, held] of this.#held) {
      if (held.watchers.size > 0) continue;
      held.expiry = undefined;
      this.#held.delete(name);
    }
  }

  /** What the server is to be told now, if anything: on a new stream all that is wanted and held, later what changed. */
  request(): DiscoveryRequest | undefined {
    return this.#asking.request(this.settle());
  }

  /** What the server is told of a response that was taken, but for what is wrong with it. */
  answer(response: DiscoveryResponse, refusal: string | undefined): DiscoveryRequest {
    return this.#asking.answer(response, refusal);
  }

  #versions(): Readonly<Record<string, string>> {
    const versions = [...this.#held.values()].flatMap(({ name, knowledge }) =>
      knowledge.type === 'present' ? [[name, knowledge.version] as const] : [],
    );
    return Object.fromEntries(versions);
  }

  /** What was asked for could not be had. */
  failed(): void {
    this.#options.counts.failed(this.#wanted);
  }

  /** The stream is over; what is held stays in use. */
  streamEnded(): void {
    if (!this.isAsked) return;
    this.#asking.ended();
    this.#options.counts.failed(this.#wanted);
  }

  /** Nothing is told any more. */
  close(): void {
    this.#isClosed = true;
    this.#collections.clear();
    for (const held of this.#held.values()) {
      held.watchers.clear();
      held.expiry = undefined;
    }
    this.#held.clear();
    this.#wanted.clear();
  }

  /** Whether a response takes so long to read that {@link prepare} should come before {@link take}. */
  isLarge({ resources }: DiscoveryResponse): boolean {
    return this.#options.type === 'route' && resources.some(({ length }) => length >= LARGE_BYTES);
  }

  /** What of {@link take} can be done before, a step at a time. It changes nothing that anybody sees. */
  *prepare({ resources }: DiscoveryResponse): Steps<void> {
    this.#ahead.clear();
    for (const bytes of resources) {
      const held = bytes.length < LARGE_BYTES ? undefined : this.#held.get(nameOf(bytes));
      if (!held || (held.knowledge.type === 'present' && held.knowledge.digest === digestOf(bytes))) continue;
      const read = yield* readLargeRoutes(bytes);
      if (!read?.resource) continue;
      this.#ahead.set(bytes, read);
      for (const watcher of [...held.watchers]) {
        const steps = watcher.prepare?.(read.resource, bytes);
        if (steps) yield* steps;
      }
    }
  }

  /**
   * Takes a response and tells of what is in it, some of it at a time. Gives what is wrong with it, all else of it being
   * taken.
   */
  *take(response: DiscoveryResponse): Steps<string | undefined> {
    const { type, counts, clock, log } = this.#options;
    const isUnchanged = (name: string) => counts.resource(name, response.version, false, clock.wallMs());
    const {
      good,
      issues: unreadable,
      removed,
    } = yield* readUpdate(type, response, { held: this.#held, ahead: this.#ahead, isUnchanged });
    const issues = [...unreadable];
    const unusable = new Set(unreadable.map(({ name }) => name));
    for (const name of unusable) if (this.#wanted.has(name)) counts.resource(name, '', true, clock.wallMs());
    const gone = removed.filter((name) => !unusable.has(name) && this.#held.has(name));
    const changed = this.#sortOut(good, issues);
    this.#isTaking = true;
    issues.push(...(yield* this.#tell(changed, gone)));
    this.#isTaking = false;
    this.#ahead.clear();
    if (this.#isClosed) return undefined;
    counts.answered(response.version, issues.length > 0, clock.wallMs());
    if (issues.length === 0) return undefined;
    const refusal = refusalText(type, issues);
    log.warn({ type, reason: refusal }, 'resources are refused; what was there before stays in use');
    return refusal;
  }

  *#tell(changed: readonly Changed[], removed: readonly string[]): Steps<readonly ResourceIssue[]> {
    const issues: ResourceIssue[] = [];
    const listeners = [...this.#collections];
    // A listener that goes and one that comes may have the same address: they are told together.
    const size = this.#options.type === 'listener' ? Math.max(changed.length, 1) : PART;
    for (let start = 0; start === 0 || start < changed.length; start += size) {
      const part = changed.slice(start, start + size).filter(({ name }) => this.#isWanted(name));
      const isLast = start + size >= changed.length;
      const told = listeners.filter((listener) => this.#collections.has(listener));
      issues.push(...this.#tellCollections(told, part, { removed: isLast ? removed : [], start, isLast }));
      const bad = new Set(issues.map(({ name }) => name));
      for (const resource of part) issues.push(...this.#takeOne(resource, bad.has(resource.name)));
      if (isLast) break;
      yield;
      if (this.#isClosed) return [];
    }
    for (const name of removed) this.#remove(name);
    if (!this.#isAnswered) return issues;
    for (const late of this.#collections) if (!listeners.includes(late)) this.#tellAllLate(late);
    return issues;
  }

  #isWanted(name: string): boolean {
    return this.#wanted.has(name) || this.#wanted.has(WILDCARD);
  }

  /** Tells of a resource unless it is refused already; gives what else is wrong with it. */
  #takeOne(resource: Changed, isBad: boolean): readonly ResourceIssue[] {
    const { counts, clock } = this.#options;
    const issues = isBad ? [] : this.#tellWatchers(resource);
    const isRefused = isBad || issues.length > 0;
    if (!isRefused) this.#hold(resource);
    counts.resource(resource.name, resource.version, isRefused, clock.wallMs());
    return issues;
  }

  /** Of what can be read, what is wanted and has content; what has none only says that it lives on. */
  #sortOut(good: readonly GoodResource[], issues: ResourceIssue[]): readonly Changed[] {
    const changed: Changed[] = [];
    for (const found of good) {
      const { name, resource, ttlMs } = found;
      if (!this.#wanted.has(name) && !this.#wanted.has(WILDCARD)) continue;
      const held = this.#held.get(name);
      if (resource) changed.push({ ...found, resource });
      else if (held?.knowledge.type === 'present') this.#setExpiry(held, ttlMs);
      else issues.push({ name, path: '', message: 'has no content' });
    }
    return changed;
  }

  /** Tells those who want all of a part of an update, the part that begins with the `start`th of what changed. */
  #tellCollections(
    listeners: readonly CollectionListener[],
    changed: readonly Changed[],
    {
      removed,
      start,
      isLast,
    }: { readonly removed: readonly string[]; readonly start: number; readonly isLast: boolean },
  ): readonly ResourceIssue[] {
    const isFirst = !this.#isAnswered;
    // What comes by name before all was asked for is no answer to that.
    if (this.#collections.size === 0 || (isFirst && !this.#asking.asksFor(WILDCARD))) return [];
    if (isLast) this.#isAnswered = true;
    const gone = removed.filter((name) => this.#held.get(name)?.knowledge.type === 'present');
    // What was there by name is not sent again when all is asked for.
    const before = isFirst && start === 0 ? this.#present(changed, gone) : [];
    if (!isFirst && changed.length + gone.length === 0) return [];
    const update = {
      changed: [...before, ...changed],
      removed: isFirst && start === 0 ? [] : gone,
      isPartial: !isLast,
    };
    return listeners.flatMap((listener) => tellAll(listener, update, this.#options.log));
  }

  /** What is held, but for what changes or goes right now. */
  #present(changed: readonly Changed[], gone: readonly string[]): CollectionUpdate['changed'] {
    const passed = new Set([...gone, ...changed.map(({ name }) => name)]);
    return [...this.#held.values()].flatMap(({ name, knowledge }) =>
      knowledge.type === 'present' && !passed.has(name)
        ? [{ name, version: knowledge.version, resource: knowledge.resource }]
        : [],
    );
  }

  #tellWatchers(changed: Changed): readonly ResourceIssue[] {
    const issues: ResourceIssue[] = [];
    // Who comes or goes while others are told is told, or not, as the set goes.
    for (const watcher of this.#held.get(changed.name)?.watchers ?? []) {
      issues.push(...tellOne(watcher, changed, this.#options.log));
    }
    return issues;
  }

  #hold({ name, version, resource, ttlMs, digest }: Changed): void {
    const held = this.#holderOf(name);
    held.knowledge = { type: 'present', version, resource, digest };
    this.#setExpiry(held, ttlMs);
  }

  #setExpiry(held: Held, ttlMs: number | undefined): void {
    held.expiry = ttlMs === undefined ? undefined : this.#options.clock.after(ttlMs, () => this.#expire(held.name));
  }

  #expire(name: string): void {
    const { type, log } = this.#options;
    log.warn({ type, name }, 'a resource has outlived its time to live, and is taken as removed');
    const told = this.#isAnswered ? [...this.#collections] : [];
    this.#tellCollections(told, [], { removed: [name], start: 0, isLast: this.#isAnswered });
    this.#remove(name);
  }

  #remove(name: string): void {
    const held = this.#held.get(name);
    if (!held) return;
    held.expiry = undefined;
    const wasAbsent = held.knowledge.type === 'absent';
    held.knowledge = ABSENT;
    if (held.watchers.size === 0) this.#held.delete(name);
    if (wasAbsent) return;
    for (const watcher of held.watchers) tellRemoved(watcher, this.#options.log);
  }
}
