/** For tests: a stream with a client that says what it is told to say, over the real wire format, on a clock of its own. */
import {
  type DeltaDiscoveryRequest,
  type DiscoveryRequest,
  decode,
  encode,
  RESOURCE_TYPES,
  typeUrl,
} from '@weft/envoy-api';
import { EncodedResource, type ServedType } from '../snapshot/resource.ts';
import { createSnapshot, layerOf, type Snapshot } from '../snapshot/snapshot.ts';
import { AdsStream, type Changes } from './stream.ts';
import { DELTA, SOTW } from './wire.ts';

/** A resource of some content; of clusters and listeners with what they need. */
export function resource(type: ServedType, name: string, content = 'a'): EncodedResource {
  const needs = type === 'cluster' ? { endpoint: [name] } : type === 'listener' ? { route: [name] } : {};
  const field = type === 'endpoint' ? 'cluster_name' : 'name';
  const message = { [field]: name, ...(type === 'cluster' ? { alt_stat_name: content } : {}) };
  const extra = type === 'listener' ? { stat_prefix: content } : {};
  const bytes = encode(RESOURCE_TYPES[type], { ...message, ...extra });
  // Types without a free text differ by an unknown field.
  const tail =
    type === 'endpoint' || type === 'route'
      ? Buffer.from([0xfa, 0x3f, content.length, ...Buffer.from(content)])
      : Buffer.alloc(0);
  return new EncodedResource(type, name, Buffer.concat([bytes, tail]), needs);
}

export function snapshotOf(...resources: EncodedResource[]): Snapshot {
  return createSnapshot({ layer: layerOf([]), hash: '' }, resources);
}

/** A response in short: `cluster +a +b -c`. */
function picture(
  variant: 'sotw' | 'delta',
  bytes: Buffer,
): { readonly text: string; readonly nonce: string; readonly url: string } {
  const short = (url: string) => Object.entries(RESOURCE_TYPES).find(([, name]) => typeUrl(name) === url)?.[0] ?? url;
  const nameOf = (any: object) => ('cluster_name' in any ? any.cluster_name : 'name' in any ? any.name : '?');
  if (variant === 'sotw') {
    const {
      type_url: url = '',
      nonce = '',
      resources = [],
    } = decode('envoy.service.discovery.v3.DiscoveryResponse', bytes);
    return { url, nonce, text: [short(url), ...resources.map((any) => `+${nameOf(any)}`).sort()].join(' ') };
  }
  const message = decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes);
  const { type_url: url = '', nonce = '', resources = [], removed_resources: removed = [] } = message;
  const added = resources.map(({ name }) => `+${name}`).sort();
  return { url, nonce, text: [short(url), ...added, ...removed.map((name) => `-${name}`).sort()].join(' ') };
}

export class ScriptedClient {
  readonly stream: AdsStream;
  readonly #variant: 'sotw' | 'delta';
  readonly #inbox: string[] = [];
  readonly #nonces = new Map<string, string>();
  #timers: { readonly atMs: number; readonly callback: () => void }[] = [];
  nowMs = 0;
  slow = false;
  acceptedAfterMs: number[] = [];

  constructor(variant: 'sotw' | 'delta') {
    this.#variant = variant;
    this.stream = new AdsStream({
      variant: variant === 'sotw' ? SOTW : DELTA,
      identifier: 'test',
      patienceMs: 5000,
      now: () => this.nowMs,
      send: (message) => {
        const { text, url, nonce } = picture(variant, message);
        this.#inbox.push(text);
        this.#nonces.set(url, nonce);
        return !this.slow;
      },
      onAccepted: (milliseconds) => this.acceptedAfterMs.push(milliseconds),
      later: (milliseconds, callback) => {
        const timer = { atMs: this.nowMs + milliseconds, callback };
        this.#timers.push(timer);
        return () => {
          this.#timers = this.#timers.filter((other) => other !== timer);
        };
      },
    });
  }

  /** What came since the last call. */
  got(): string[] {
    return this.#inbox.splice(0);
  }

  offer(snapshot: Snapshot, revision = 1, changes?: Changes): void {
    this.stream.offer(snapshot, { revision, registryRevision: revision }, changes);
  }

  /** Lets time pass. */
  pass(milliseconds: number): void {
    this.nowMs += milliseconds;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.nowMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.nowMs);
    for (const { callback } of due) callback();
  }

  /** Says something in the words of the delta protocol. */
  say(type: ServedType | string, request: DeltaDiscoveryRequest = {}): void {
    const type_url = type in RESOURCE_TYPES ? typeUrl(RESOURCE_TYPES[type as ServedType]) : type;
    const bytes = encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', { type_url, ...request });
    this.stream.hear(DELTA.read(bytes));
  }

  /** Says something in the words of the state of the world. */
  ask(type: ServedType | string, request: DiscoveryRequest = {}): void {
    const type_url = type in RESOURCE_TYPES ? typeUrl(RESOURCE_TYPES[type as ServedType]) : type;
    const bytes = encode('envoy.service.discovery.v3.DiscoveryRequest', { type_url, ...request });
    this.stream.hear(SOTW.read(bytes));
  }

  nonce(type: ServedType): string {
    return this.#nonces.get(typeUrl(RESOURCE_TYPES[type])) ?? '';
  }

  /** Accepts the last response of a type; of the state of the world with the names that are wanted. */
  accept(type: ServedType, names: readonly string[] = []): void {
    if (this.#variant === 'delta') this.say(type, { response_nonce: this.nonce(type) });
    else this.ask(type, { response_nonce: this.nonce(type), version_info: 'x', resource_names: names });
  }

  /** Refuses the last response of a type. */
  refuse(type: ServedType, message: string, names: readonly string[] = []): void {
    const error_detail = { code: 3, message };
    if (this.#variant === 'delta') this.say(type, { response_nonce: this.nonce(type), error_detail });
    else this.ask(type, { response_nonce: this.nonce(type), error_detail, resource_names: names });
  }
}
