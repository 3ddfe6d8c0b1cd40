/** A client of the delta variant that behaves as a proxy does, in memory, for tests. */
import { type DeltaDiscoveryRequest, decode, encode, RESOURCE_TYPES, typeUrl } from '@weft/envoy-api';
import type { SpiffeId } from '@weft/identity';
import { memoryStreamPair, type RawStream } from '@weft/rpc';
import type { RunningService } from '@weft/service';
import { SERVED_TYPES, type ServedType } from '../snapshot/resource.ts';

const DELTA_PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
const TYPE_URLS = new Map(SERVED_TYPES.map((type) => [typeUrl(RESOURCE_TYPES[type]), type]));

export interface TestProxyOptions {
  readonly id: string;
  readonly identity?: SpiffeId;
  /** Why a resource is refused; undefined when it is taken. */
  readonly refuse?: (type: ServedType, name: string) => string | undefined;
  /** Versions from an earlier stream. */
  readonly versions?: Partial<Record<ServedType, Readonly<Record<string, string>>>>;
}

export class TestProxy {
  readonly #stream: RawStream;
  readonly #options: TestProxyOptions;
  readonly #versions: { readonly [T in ServedType]: Map<string, string> };
  readonly #subscribed: { readonly endpoint: Set<string>; readonly route: Set<string> } = {
    endpoint: new Set(),
    route: new Set(),
  };
  /** What it was sent, in short: `cluster +outbound/shop/stock`. */
  readonly received: string[] = [];
  /** Why the stream ended, once it has. */
  readonly ended: Promise<unknown>;
  /** While set, nothing is answered. */
  silent = false;

  constructor(service: RunningService, options: TestProxyOptions) {
    this.#options = options;
    const [client, server] = memoryStreamPair();
    this.#stream = client;
    const method = service.node.map(({ methods }) => methods.get(DELTA_PATH)).find((found) => found !== undefined);
    if (method?.type !== 'raw') throw new Error('the service does not serve ADS');
    const { identity } = options;
    method.handler(server, {
      caller: { identity, address: 'memory' },
      signal: server.signal,
      metadata: () => undefined,
    });
    const version = (type: ServedType) => new Map(Object.entries(options.versions?.[type] ?? {}));
    this.#versions = {
      cluster: version('cluster'),
      endpoint: version('endpoint'),
      listener: version('listener'),
      route: version('route'),
    };
    this.ended = this.#run();
    const known = this.versions;
    this.#say('cluster', {
      node: { id: options.id, user_agent_name: 'test', user_agent_version: '1' },
      initial_resource_versions: known.cluster,
    });
    this.#say('listener', { initial_resource_versions: known.listener });
    for (const type of ['endpoint', 'route'] as const) {
      const names = Object.keys(known[type]);
      if (names.length > 0) this.#subscribe(type, names, known[type]);
    }
  }

  /** What it has, by type and name. */
  get versions(): { readonly [T in ServedType]: Readonly<Record<string, string>> } {
    const of = (type: ServedType) => Object.fromEntries(this.#versions[type]);
    return { cluster: of('cluster'), endpoint: of('endpoint'), listener: of('listener'), route: of('route') };
  }

  has(type: ServedType, name: string): boolean {
    return this.#versions[type].has(name);
  }

  leave(): void {
    this.#stream.end(new Error('gone'));
  }

  #say(type: ServedType, request: DeltaDiscoveryRequest): void {
    const message = { type_url: typeUrl(RESOURCE_TYPES[type]), ...request };
    this.#stream.send(encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', message));
  }

  #subscribe(
    type: 'endpoint' | 'route',
    names: readonly string[],
    versions: Readonly<Record<string, string>> = {},
  ): void {
    const fresh = names.filter((name) => !this.#subscribed[type].has(name));
    for (const name of fresh) this.#subscribed[type].add(name);
    if (fresh.length === 0) return;
    this.#say(type, { resource_names_subscribe: fresh, initial_resource_versions: versions });
  }

  async #run(): Promise<unknown> {
    try {
      for await (const bytes of this.#stream.messages) this.#take(bytes);
      return undefined;
    } catch (thrown) {
      return thrown;
    }
  }

  #take(bytes: Buffer): void {
    const message = decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes);
    const type = TYPE_URLS.get(message.type_url ?? '');
    if (!type) return;
    const { resources = [], removed_resources: removed = [], nonce = '' } = message;
    const names = resources.map(({ name = '' }) => name);
    this.received.push(
      [type, ...names.map((name) => `+${name}`).sort(), ...removed.map((name) => `-${name}`)].join(' '),
    );
    const refusal = names.map((name) => this.#options.refuse?.(type, name)).find((reason) => reason !== undefined);
    if (this.silent) return;
    if (refusal !== undefined) {
      this.#say(type, { response_nonce: nonce, error_detail: { code: 3, message: refusal } });
      return;
    }
    for (const { name = '', version = '' } of resources) this.#versions[type].set(name, version);
    for (const name of removed) this.#versions[type].delete(name);
    this.#say(type, { response_nonce: nonce });
    if (type === 'cluster')
      this.#subscribe(
        'endpoint',
        names.filter((name) => name.startsWith('outbound/')),
      );
    if (type === 'listener') this.#subscribe('route', routesOf(resources));
  }
}

/** The route configurations that listeners refer to. */
function routesOf(resources: readonly object[]): string[] {
  return [...JSON.stringify(resources).matchAll(/"route_config_name":"([^"]+)"/g)].map(([, name = '']) => name);
}
