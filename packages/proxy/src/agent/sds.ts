/**
 * The secret discovery service: `weft/identity` and `weft/trust`, in both forms of the protocol, pushed when the certificate
 * is renewed or the roots change: https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/security/secret.
 */
import { createHash } from 'node:crypto';
import { typeUrl } from '@weft/envoy-api';
import type { RawHandler, RawStream, TlsSource } from '@weft/rpc';
import {
  anyBytes,
  DeltaRequest,
  DeltaResponse,
  ResourceHead,
  resourceBytes,
  Subscription,
  WorldRequest,
  WorldResponse,
} from './delta.ts';
import type { Log } from './log.ts';
import { secretBytes } from './secret.ts';

export const DELTA_SECRETS = '/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets';
export const STREAM_SECRETS = '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets';

const SECRET_TYPE = typeUrl('envoy.extensions.transport_sockets.tls.v3.Secret');

interface ServedSecret {
  readonly version: string;
  readonly any: Buffer;
  readonly resource: Buffer;
}

type Secrets = ReadonlyMap<string, ServedSecret>;

/** The secrets as they are now; each is encoded once a change. */
export class SecretStore {
  readonly #source: TlsSource;
  readonly #trustDomain: string;
  readonly #listeners = new Set<() => void>();
  #secrets: Secrets;

  constructor(source: TlsSource, trustDomain: string, signal: AbortSignal) {
    this.#source = source;
    this.#trustDomain = trustDomain;
    this.#secrets = this.#encode();
    source.onChange(() => {
      this.#secrets = this.#encode();
      for (const listener of [...this.#listeners]) listener();
    }, signal);
  }

  get secrets(): Secrets {
    return this.#secrets;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #encode(): Secrets {
    const material = this.#source.current();
    const secrets = new Map<string, ServedSecret>();
    for (const [name, secret] of secretBytes(material, this.#trustDomain)) {
      const version = createHash('sha256').update(secret).digest('hex').slice(0, 16);
      const any = anyBytes(SECRET_TYPE, secret);
      secrets.set(name, { version, any, resource: resourceBytes(name, version, any) });
    }
    return secrets;
  }
}

/** One side of the protocol: what a request asks for, and what is sent when secrets change. */
interface Dialogue {
  /** The response to a request, where there is one to give. */
  request(bytes: Uint8Array): Buffer | undefined;
  /** The response that tells what has changed. */
  changed(): Buffer | undefined;
}

class DeltaDialogue implements Dialogue {
  readonly #store: SecretStore;
  readonly #log: Log;
  readonly #subscription = new Subscription();
  /** By name, the version that the data plane has been sent. */
  readonly #sent = new Map<string, string>();
  #nonce = 0;

  constructor(store: SecretStore, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  request(bytes: Uint8Array): Buffer | undefined {
    const request = DeltaRequest.decode(bytes);
    if (request.errorDetail) {
      this.#log.warn({ reason: request.errorDetail.message }, 'the data plane refuses a secret');
      return undefined;
    }
    const added = this.#subscription.update(request);
    const { initialResourceVersions: had, resourceNamesUnsubscribe: left } = request;
    // What is subscribed to again is sent again.
    for (const name of added) if (!Object.hasOwn(had, name)) this.#sent.delete(name);
    for (const name of left) this.#sent.delete(name);
    for (const [name, version] of Object.entries(had)) this.#sent.set(name, version);
    const missing = added.filter((name) => name !== '*' && !this.#store.secrets.has(name));
    return this.#response(missing);
  }

  changed(): Buffer | undefined {
    return this.#response([]);
  }

  #response(removedResources: readonly string[]): Buffer | undefined {
    const resources: Buffer[] = [];
    for (const [name, { version, resource }] of this.#store.secrets) {
      if (!this.#subscription.wants(name) || this.#sent.get(name) === version) continue;
      this.#sent.set(name, version);
      resources.push(resource);
    }
    if (resources.length === 0 && removedResources.length === 0) return undefined;
    const systemVersionInfo = resources.map((resource) => ResourceHead.decode(resource).version).join(',');
    return DeltaResponse.encode({
      systemVersionInfo,
      resources,
      typeUrl: SECRET_TYPE,
      nonce: String(++this.#nonce),
      removedResources,
    });
  }
}

class WorldDialogue implements Dialogue {
  readonly #store: SecretStore;
  readonly #log: Log;
  #names: readonly string[] = [];
  #sentVersion = '';
  #nonce = 0;

  constructor(store: SecretStore, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  request(bytes: Uint8Array): Buffer | undefined {
    const request = WorldRequest.decode(bytes);
    if (request.errorDetail) {
      this.#log.warn({ reason: request.errorDetail.message }, 'the data plane refuses a secret');
      return undefined;
    }
    const names = [...request.resourceNames].sort();
    const isSame = names.join('\n') === this.#names.join('\n');
    if (request.responseNonce === '' && request.versionInfo !== '') this.#sentVersion = request.versionInfo;
    this.#names = names;
    return isSame ? this.changed() : this.#response();
  }

  changed(): Buffer | undefined {
    return this.#version() === this.#sentVersion ? undefined : this.#response();
  }

  #wanted(): readonly ServedSecret[] {
    return [...this.#store.secrets].filter(([name]) => this.#names.includes(name)).map(([, secret]) => secret);
  }

  #version(): string {
    return this.#wanted()
      .map(({ version }) => version)
      .join(',');
  }

  #response(): Buffer {
    this.#sentVersion = this.#version();
    return WorldResponse.encode({
      versionInfo: this.#sentVersion,
      resources: this.#wanted().map(({ any }) => any),
      typeUrl: SECRET_TYPE,
      nonce: String(++this.#nonce),
    });
  }
}

async function converse(stream: RawStream, store: SecretStore, dialogue: Dialogue): Promise<void> {
  const send = (bytes: Buffer | undefined) => bytes && stream.send(bytes);
  const stop = store.onChange(() => send(dialogue.changed()));
  try {
    for await (const bytes of stream.messages) send(dialogue.request(bytes));
  } finally {
    stop();
  }
  stream.end();
}

/** The handlers of the secret discovery service. */
export function secretHandlers(store: SecretStore, log: Log): Readonly<Record<string, RawHandler>> {
  const handler =
    (dialogue: () => Dialogue): RawHandler =>
    (stream) => {
      converse(stream, store, dialogue()).catch((thrown: unknown) => stream.end(thrown));
    };
  return {
    [DELTA_SECRETS]: handler(() => new DeltaDialogue(store, log)),
    [STREAM_SECRETS]: handler(() => new WorldDialogue(store, log)),
  };
}
