/** Which resources of one type a client wants: by name, or all of them. */
import type { NameChange } from './wire.ts';

const WILDCARD = '*';

/** What a change of names asks for. */
export interface Asked {
  /** Names to be answered, even if nothing is known of them or the client had them. */
  readonly names: readonly string[];
  /** Whether every resource is to be looked at. */
  readonly everything: boolean;
  /** Names that the client no longer wants, and has forgotten. */
  readonly forgotten: readonly string[];
}

export class Interest {
  readonly #names = new Set<string>();
  /** For listeners and clusters a first request without names asks for all of them. */
  readonly #emptyMeansAll: boolean;
  #wildcard = false;
  #legacy = false;
  #asked = false;

  constructor(emptyMeansAll: boolean) {
    this.#emptyMeansAll = emptyMeansAll;
  }

  get wildcard(): boolean {
    return this.#wildcard;
  }

  /** By name, beside the wildcard. */
  get names(): ReadonlySet<string> {
    return this.#names;
  }

  wants(name: string): boolean {
    return this.#wildcard || this.#names.has(name);
  }

  change(change: NameChange): Asked {
    const first = !this.#asked;
    this.#asked = true;
    return change.type === 'all' ? this.#replace(change.names, first) : this.#adjust(change, first);
  }

  #replace(names: readonly string[], first: boolean): Asked {
    // Once a client has named something, an empty list means nothing.
    if (first) this.#legacy = this.#emptyMeansAll && names.length === 0;
    else if (names.length > 0) this.#legacy = false;
    const wildcard = this.#legacy || names.includes(WILDCARD);
    const wanted = new Set(names.filter((name) => name !== WILDCARD));
    const added = [...wanted].filter((name) => !this.#names.has(name));
    const dropped = [...this.#names].filter((name) => !wanted.has(name));
    const everything = wildcard && !this.#wildcard;
    for (const name of dropped) this.#names.delete(name);
    for (const name of added) this.#names.add(name);
    this.#wildcard = wildcard;
    return { names: added, everything, forgotten: dropped.filter((name) => !this.wants(name)) };
  }

  #adjust(change: NameChange & { readonly type: 'difference' }, first: boolean): Asked {
    const legacy = first && this.#emptyMeansAll && change.subscribe.length === 0;
    const everything = (legacy || change.subscribe.includes(WILDCARD)) && !this.#wildcard;
    if (everything) this.#wildcard = true;
    const added = change.subscribe.filter((name) => name !== WILDCARD);
    for (const name of added) this.#names.add(name);
    if (change.unsubscribe.includes(WILDCARD)) this.#wildcard = false;
    const dropped = change.unsubscribe.filter((name) => this.#names.delete(name));
    // Under the wildcard a client cannot know whether it still has what it no longer names: it is told.
    const told = this.#wildcard ? dropped : [];
    return { names: [...added, ...told], everything, forgotten: dropped.filter((name) => !this.wants(name)) };
  }
}
