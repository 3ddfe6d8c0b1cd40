/** A delta server for tests that keeps to the protocol, in the plainest way: what it has is what clients are to have. */
import { type DeltaDiscoveryRequest, RESOURCE_TYPES, type ResourceType, typeUrl } from '@weft/envoy-api';
import type { ScriptedServer, ServedStream } from './scripted-server.ts';

/** What one stream was asked for, and what its client has. */
class Dialogue {
  readonly #type: ResourceType;
  readonly #stream: ServedStream;
  readonly #world: ReadonlyMap<string, string>;
  readonly #names = new Set<string>();
  /** By name the version that was sent; empty: that there is none. */
  readonly #sent = new Map<string, string>();
  #isWild = false;
  #isBegun = false;

  constructor(type: ResourceType, stream: ServedStream, world: ReadonlyMap<string, string>) {
    this.#type = type;
    this.#stream = stream;
    this.#world = world;
  }

  hear(request: DeltaDiscoveryRequest): void {
    const { resource_names_subscribe: added = [], resource_names_unsubscribe: left = [] } = request;
    const isFirst = !this.#isBegun;
    this.#isBegun = true;
    for (const [name, version] of Object.entries(request.initial_resource_versions ?? {})) {
      this.#sent.set(name, version);
    }
    const wasWild = this.#isWild;
    if ((isFirst && added.length === 0) || added.includes('*')) this.#isWild = true;
    if (left.includes('*')) this.#isWild = false;
    for (const name of left) this.#names.delete(name);
    for (const name of added) {
      if (name === '*') continue;
      this.#names.add(name);
      if (!isFirst) this.#sent.delete(name);
    }
    for (const name of this.#sent.keys()) if (!this.#wants(name)) this.#sent.delete(name);
    this.push(this.#isWild && !wasWild);
  }

  #wants(name: string): boolean {
    return this.#isWild || this.#names.has(name);
  }

  /** Says what the client does not have as it is. */
  push(isDue = false): void {
    if (!this.#isBegun) return;
    const resources = [...this.#world].flatMap(([name, version]) =>
      this.#wants(name) && this.#sent.get(name) !== version ? [{ name, version }] : [],
    );
    const known = new Set([...this.#names, ...this.#sent.keys()]);
    const removed = [...known].filter((name) => !this.#world.has(name) && this.#sent.get(name) !== '');
    for (const { name, version } of resources) this.#sent.set(name, version);
    for (const name of removed) {
      if (this.#names.has(name)) this.#sent.set(name, '');
      else this.#sent.delete(name);
    }
    if (isDue || resources.length + removed.length > 0) this.#stream.say(this.#type, { resources, removed });
  }
}

export class ModelServer {
  readonly world: { readonly [T in ResourceType]: Map<string, string> } = {
    cluster: new Map(),
    endpoint: new Map(),
    listener: new Map(),
    route: new Map(),
    secret: new Map(),
    runtime: new Map(),
  };
  /** Versions that clients said they have, as they came. */
  readonly brought: string[] = [];
  readonly #open = new Map<ServedStream, readonly Dialogue[]>();
  readonly #running: Promise<void>;

  constructor(server: ScriptedServer) {
    this.#running = this.#accept(server);
    void this.#running;
  }

  async #accept(server: ScriptedServer): Promise<void> {
    for (;;) void this.#serve(await server.stream());
  }

  async #serve(stream: ServedStream): Promise<void> {
    const types = Object.keys(RESOURCE_TYPES) as ResourceType[];
    const dialogues = new Map(types.map((type) => [typeUrl(RESOURCE_TYPES[type]), this.#dialogue(type, stream)]));
    this.#open.set(stream, [...dialogues.values()]);
    try {
      for (;;) {
        const request = await stream.next();
        this.brought.push(...Object.values(request.initial_resource_versions ?? {}));
        const isAnswer = (request.response_nonce ?? '') !== '';
        if (!isAnswer) dialogues.get(request.type_url ?? '')?.hear(request);
      }
    } catch {
      // The client left, or the stream was broken by the test.
      this.#open.delete(stream);
    }
  }

  #dialogue(type: ResourceType, stream: ServedStream): Dialogue {
    return new Dialogue(type, stream, this.world[type]);
  }

  push(): void {
    for (const dialogues of this.#open.values()) for (const dialogue of dialogues) dialogue.push();
  }

  breakAll(): void {
    for (const stream of this.#open.keys()) stream.break();
    this.#open.clear();
  }
}
