/** Secrets by name, as they arrive and change. */
import { randomBytes } from 'node:crypto';
import { type ConfigIssue, Place } from '../config/schema.ts';
import { type SecretConfig, type SecretReference, secret } from '../config/tls.ts';
import type { Subscriptions, Unwatch } from '../xds/subscriptions.ts';

export interface SecretListener {
  /** What it can use; it is told of nothing else. */
  readonly kind: SecretKind;
  onSecret(secret: SecretConfig): void;
}

export type SecretKind = Exclude<SecretConfig['type'], 'none'>;

const FIELDS: { readonly [K in SecretKind]: string } = {
  certificate: 'a tls_certificate',
  validation: 'a validation_context',
  'ticket-keys': 'session_ticket_keys',
};

/** A secret that somebody waits for, with what is known of it. */
interface Watched {
  readonly listeners: Set<SecretListener>;
  current: SecretConfig | undefined;
  unwatch: Unwatch;
}

export class SecretStore {
  readonly #subscriptions: Subscriptions;
  readonly #watched = new Map<string, Watched>();
  readonly #static: ReadonlyMap<string, SecretConfig>;
  /** The process's own, of which keys of session tickets are made. */
  readonly ticketSecret: Uint8Array;

  constructor(
    subscriptions: Subscriptions,
    secrets: readonly SecretConfig[],
    ticketSecret: Uint8Array = randomBytes(32),
  ) {
    this.#subscriptions = subscriptions;
    this.ticketSecret = ticketSecret;
    this.#static = new Map(secrets.map((entry) => [entry.name, entry]));
  }

  /** Whether the bootstrap has a secret of that name. */
  isStatic(name: string): boolean {
    return this.#static.has(name);
  }

  /** Tells of a secret now, if it is known, and whenever it changes, until the result is called. */
  watch(reference: SecretReference, listener: SecretListener): Unwatch {
    const { source, name } = reference;
    if (!source) {
      const found = this.#static.get(name);
      if (found) tell(listener, found);
      return () => undefined;
    }
    const key = `${JSON.stringify(source)}/${name}`;
    const watched = this.#watched.get(key) ?? this.#begin(key, reference);
    watched.listeners.add(listener);
    if (watched.current) tell(listener, watched.current);
    return () => {
      watched.listeners.delete(listener);
      if (watched.listeners.size > 0) return;
      watched.unwatch();
      this.#watched.delete(key);
    };
  }

  /** Every secret that is known, for `/config_dump` and `/certs`. */
  known(): readonly SecretConfig[] {
    const dynamic = [...this.#watched.values()].flatMap(({ current }) => (current ? [current] : []));
    return [...this.#static.values(), ...dynamic];
  }

  #begin(key: string, { name, source }: SecretReference): Watched {
    const watched: Watched = { listeners: new Set(), current: undefined, unwatch: () => undefined };
    this.#watched.set(key, watched);
    if (source) {
      watched.unwatch = this.#subscriptions.watch(source, 'secret', name, {
        onResource: (resource) => this.#onResource(watched, resource),
        onRemoved: () => undefined,
      });
    }
    return watched;
  }

  #onResource(watched: Watched, resource: unknown): readonly ConfigIssue[] {
    const place = new Place();
    const parsed = secret.parse(resource, place);
    for (const { kind } of watched.listeners) {
      if (parsed.type === 'none' || kind === parsed.type) continue;
      place.refuse(`holds ${FIELDS[parsed.type]}, and those who use it need ${FIELDS[kind]}`);
      break;
    }
    if (place.issues.length > 0) return place.issues;
    watched.current = parsed;
    for (const listener of watched.listeners) listener.onSecret(parsed);
    return [];
  }
}

function tell(listener: SecretListener, known: SecretConfig): void {
  if (known.type === listener.kind) listener.onSecret(known);
}
