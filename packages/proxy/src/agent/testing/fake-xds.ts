/** An xds-server for tests: gives resources by delta ADS, and remembers what it was told. */
import { decode, encode } from '@weft/envoy-api';
import type { RawHandler, RawStream } from '@weft/rpc';

/** By type URL, by name; of a node, which is named as in its first request. */
export type FakeResources = (nodeId: string) => Readonly<Record<string, Readonly<Record<string, object>>>>;

const REQUEST = 'envoy.service.discovery.v3.DeltaDiscoveryRequest';
const RESPONSE = 'envoy.service.discovery.v3.DeltaDiscoveryResponse';

interface OpenStream {
  readonly stream: RawStream;
  /** By type URL, by name, the version that was sent. */
  readonly sent: Map<string, Map<string, string>>;
  nodeId: string;
}

export class FakeXds {
  readonly nodes: string[] = [];
  readonly nacks: string[] = [];
  /** By type URL, the versions with which data planes have begun. */
  readonly begun: { readonly typeUrl: string; readonly initial: Readonly<Record<string, string>> }[] = [];
  #resources: FakeResources;
  #version = 1;
  #nonce = 0;
  readonly #streams = new Set<OpenStream>();

  constructor(resources: FakeResources) {
    this.#resources = resources;
  }

  get streams(): number {
    return this.#streams.size;
  }

  /** Pushes other resources to everybody. */
  set(resources: FakeResources): void {
    this.#resources = resources;
    this.#version++;
    for (const open of this.#streams) for (const typeUrl of open.sent.keys()) this.#push(open, typeUrl);
  }

  readonly handler: RawHandler = (stream) => {
    const open: OpenStream = { stream, sent: new Map(), nodeId: '' };
    this.#streams.add(open);
    this.#serve(open)
      .then(() => stream.end())
      .catch((thrown: unknown) => stream.end(thrown))
      .finally(() => this.#streams.delete(open));
  };

  async #serve(open: OpenStream): Promise<void> {
    for await (const bytes of open.stream.messages) {
      const request = decode(REQUEST, bytes);
      if (request.node?.id) {
        open.nodeId = request.node.id;
        this.nodes.push(open.nodeId);
      }
      if (request.error_detail) this.nacks.push(request.error_detail.message ?? '');
      const typeUrl = request.type_url ?? '';
      const isFirst = !open.sent.has(typeUrl);
      if (isFirst) {
        const initial = { ...request.initial_resource_versions };
        this.begun.push({ typeUrl, initial });
        open.sent.set(typeUrl, new Map(Object.entries(initial)));
      }
      if (isFirst || (request.resource_names_subscribe ?? []).length > 0) this.#push(open, typeUrl);
    }
  }

  #push(open: OpenStream, typeUrl: string): void {
    const resources = this.#resources(open.nodeId);
    // Of a workload that has left nothing is taken away: what is under way there has to end.
    if (Object.keys(resources).length === 0) return;
    const wanted = resources[typeUrl] ?? {};
    const sent = open.sent.get(typeUrl) ?? new Map<string, string>();
    const version = String(this.#version);
    const changed = Object.entries(wanted).filter(([name]) => sent.get(name) !== version);
    const removed = [...sent.keys()].filter((name) => !Object.hasOwn(wanted, name));
    for (const [name] of changed) sent.set(name, version);
    for (const name of removed) sent.delete(name);
    open.stream.send(
      encode(RESPONSE, {
        type_url: typeUrl,
        nonce: String(++this.#nonce),
        resources: changed.map(([name, value]) => ({ name, version, resource: { '@type': typeUrl, ...value } })),
        removed_resources: removed,
      }),
    );
  }
}
