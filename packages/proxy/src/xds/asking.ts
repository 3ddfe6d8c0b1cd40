/** What a server is told of the resources of one type that are wanted, and what it was told already on this stream. */
import type { ResourceType } from '@weft/envoy-api';
import type { XdsVariant } from '../config/config-source.ts';
import { type DiscoveryRequest, type DiscoveryResponse, WHOLE_TYPES } from './wire.ts';

/** The name that stands for all. */
export const WILDCARD = '*';

/** What is wanted of a type, and what there is of it. */
export interface Wishes {
  readonly type: ResourceType;
  /** Names that somebody watches, the wildcard among them. */
  readonly wanted: ReadonlySet<string>;
  /** Versions of what is held, by name. */
  versions(): Readonly<Record<string, string>>;
}

export interface Asking {
  /** Whether the server was asked for anything on this stream. */
  readonly isAsked: boolean;
  /** Whether it was asked for that name. */
  asksFor(name: string): boolean;
  /** What to say after those names were watched or left; undefined: the server knows all there is to know. */
  request(changed: readonly string[]): DiscoveryRequest | undefined;
  /** What to say to a response that was dealt with. */
  answer(response: DiscoveryResponse, refusal: string | undefined): DiscoveryRequest;
  /** The stream is over. */
  ended(): void;
}

/** How the wish for all that there is, and nothing by name, is said in a first request. */
function firstNames({ type, wanted }: Wishes): readonly string[] {
  const isAllAlone = wanted.size === 1 && wanted.has(WILDCARD);
  return isAllAlone && WHOLE_TYPES.has(type) ? [] : [...wanted];
}

/** What the server was asked for on this stream. */
abstract class Asked {
  /** Undefined while nothing was. */
  protected asked: Set<string> | undefined;

  get isAsked(): boolean {
    return this.asked !== undefined;
  }

  asksFor(name: string): boolean {
    return this.asked?.has(name) ?? false;
  }

  ended(): void {
    this.asked = undefined;
  }
}

/** Says what changed. */
class DeltaAsking extends Asked implements Asking {
  readonly #wishes: Wishes;

  constructor(wishes: Wishes) {
    super();
    this.#wishes = wishes;
  }

  request(changed: readonly string[]): DiscoveryRequest | undefined {
    const { type, wanted } = this.#wishes;
    const asked = this.asked;
    if (!asked) return wanted.size > 0 ? this.#first() : undefined;
    const subscribe = changed.filter((name) => wanted.has(name) && !asked.has(name));
    const unsubscribe = changed.filter((name) => !wanted.has(name) && asked.has(name));
    if (subscribe.length + unsubscribe.length === 0) return undefined;
    for (const name of subscribe) asked.add(name);
    for (const name of unsubscribe) asked.delete(name);
    return { variant: 'delta', type, subscribe, unsubscribe };
  }

  #first(): DiscoveryRequest {
    const { type, wanted } = this.#wishes;
    this.asked = new Set(wanted);
    return { variant: 'delta', type, subscribe: firstNames(this.#wishes), versions: this.#wishes.versions() };
  }

  answer({ nonce }: DiscoveryResponse, refusal: string | undefined): DiscoveryRequest {
    return { variant: 'delta', type: this.#wishes.type, nonce, refusal };
  }
}

/** Says all that is wanted, each time. */
class StateAsking extends Asked implements Asking {
  readonly #wishes: Wishes;
  /** Of the last response that was taken, on whichever stream. */
  #version = '';
  /** Of the last response on this stream. */
  #nonce: string | undefined;

  constructor(wishes: Wishes) {
    super();
    this.#wishes = wishes;
  }

  request(): DiscoveryRequest | undefined {
    const { wanted } = this.#wishes;
    const asked = this.asked;
    if (!asked && wanted.size === 0) return undefined;
    if (asked && asked.size === wanted.size && wanted.isSubsetOf(asked)) return undefined;
    return this.#say();
  }

  #say(refusal?: string): DiscoveryRequest {
    const { type, wanted } = this.#wishes;
    this.asked = new Set(wanted);
    const names = firstNames(this.#wishes);
    return { variant: 'state-of-the-world', type, names, version: this.#version, nonce: this.#nonce, refusal };
  }

  answer({ nonce, version }: DiscoveryResponse, refusal: string | undefined): DiscoveryRequest {
    this.#nonce = nonce;
    if (refusal === undefined) this.#version = version;
    return this.#say(refusal);
  }

  override ended(): void {
    super.ended();
    this.#nonce = undefined;
  }
}

export function makeAsking(variant: XdsVariant, wishes: Wishes): Asking {
  return variant === 'delta' ? new DeltaAsking(wishes) : new StateAsking(wishes);
}
