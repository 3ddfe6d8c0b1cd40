/** The last known good configuration: every resource that the data plane has acknowledged, as it came. */
import { createNativeCodec } from '@weft/protobuf';
import { DeltaRequest, DeltaResponse, ResourceHead } from './delta.ts';
import type { AgentFolder } from './folder.ts';

/** By type URL, by name, the encoded `Resource`. */
export type Resources = ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>;

export interface Refusal {
  readonly typeUrl: string;
  readonly message: string;
}

interface Waiting {
  readonly typeUrl: string;
  readonly resources: readonly (readonly [name: string, resource: Uint8Array])[];
  readonly removed: readonly string[];
}

export const CLUSTER_TYPE = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
export const LISTENER_TYPE = 'type.googleapis.com/envoy.config.listener.v3.Listener';

/** Follows what passes between one data plane and the xds-server. One life of the data plane, over all of its streams. */
export class Acknowledged {
  readonly #byType = new Map<string, Map<string, Uint8Array>>();
  readonly #refusals = new Map<string, Refusal>();
  readonly #acknowledgedTypes = new Set<string>();
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get resources(): Resources {
    return this.#byType;
  }

  /** What the data plane refuses now: the newest refusal of each type that no acknowledgement followed. */
  get refusals(): readonly Refusal[] {
    return [...this.#refusals.values()];
  }

  /** Whether clusters and some listener have been acknowledged, which is when a data plane can start from it. */
  get isWhole(): boolean {
    const listeners = this.#byType.get(LISTENER_TYPE)?.size ?? 0;
    return this.#acknowledgedTypes.has(CLUSTER_TYPE) && listeners > 0;
  }

  hasListener(name: string): boolean {
    return this.#byType.get(LISTENER_TYPE)?.has(name) ?? false;
  }

  /** Begins from resources that were served from the last known good configuration. */
  apply(waiting: Waiting): void {
    const known = this.#byType.get(waiting.typeUrl) ?? new Map<string, Uint8Array>();
    for (const [name, resource] of waiting.resources) known.set(name, resource);
    for (const name of waiting.removed) known.delete(name);
    this.#byType.set(waiting.typeUrl, known);
    this.#acknowledgedTypes.add(waiting.typeUrl);
    this.#refusals.delete(waiting.typeUrl);
    this.#onChange();
  }

  refuse(refusal: Refusal): void {
    this.#refusals.set(refusal.typeUrl, refusal);
    this.#onChange();
  }

  forget(typeUrl: string, names: readonly string[]): void {
    const known = this.#byType.get(typeUrl);
    for (const name of names) known?.delete(name);
    if (names.length > 0) this.#onChange();
  }
}

/** Follows one stream for {@link Acknowledged}: responses wait until the data plane says what it thinks of them. */
export class StreamFollower {
  readonly #waiting = new Map<string, Waiting>();
  readonly #acknowledged: Acknowledged;

  constructor(acknowledged: Acknowledged) {
    this.#acknowledged = acknowledged;
  }

  /** Of an encoded response on its way to the data plane. */
  response(bytes: Uint8Array): void {
    const response = DeltaResponse.decode(bytes);
    this.#waiting.set(response.nonce, {
      typeUrl: response.typeUrl,
      resources: response.resources.map((resource) => [ResourceHead.decode(resource).name, resource] as const),
      removed: response.removedResources,
    });
  }

  /** Of an encoded request of the data plane. */
  request(bytes: Uint8Array): void {
    const request = DeltaRequest.decode(bytes);
    const waiting = this.#waiting.get(request.responseNonce);
    this.#waiting.delete(request.responseNonce);
    if (request.errorDetail) {
      this.#acknowledged.refuse({ typeUrl: request.typeUrl, message: request.errorDetail.message });
    } else if (waiting) this.#acknowledged.apply(waiting);
    this.#acknowledged.forget(request.typeUrl, request.resourceNamesUnsubscribe);
  }
}

const codec = createNativeCodec({
  messages: {
    LastGood: '1 format =u;2 types *m Type',
    Type: '1 type_url =s;2 resources *B',
  },
  enums: {},
});

interface LastGood {
  readonly format: number;
  readonly types: readonly { readonly typeUrl: string; readonly resources: readonly Uint8Array[] }[];
}

const FILE = 'last-good.binpb';
const FORMAT = 1;

/** Reads what was kept; undefined when there is nothing, or nothing that this version can read. */
export function readLastGood(folder: AgentFolder): Resources | undefined {
  const bytes = folder.read(FILE);
  if (!bytes) return undefined;
  let kept: LastGood;
  try {
    kept = codec.decode('LastGood', bytes) as LastGood;
  } catch {
    // Not written by this version; the control plane has a newer one anyway.
    return undefined;
  }
  if (kept.format !== FORMAT) return undefined;
  return new Map(
    kept.types.map(({ typeUrl, resources }) => [
      typeUrl,
      new Map(resources.map((resource) => [ResourceHead.decode(resource).name, resource])),
    ]),
  );
}

export function writeLastGood(folder: AgentFolder, resources: Resources): void {
  const types = [...resources].map(([typeUrl, byName]) => ({ typeUrl, resources: [...byName.values()] }));
  folder.write(FILE, codec.encode('LastGood', { format: FORMAT, types }));
}

/** Writes the configuration shortly after it changes. */
export class LastGoodKeeper {
  readonly acknowledged: Acknowledged;
  readonly #folder: AgentFolder;
  readonly #onError: (thrown: unknown) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(folder: AgentFolder, onError: (thrown: unknown) => void) {
    this.#folder = folder;
    this.#onError = onError;
    this.acknowledged = new Acknowledged(() => {
      this.#timer ??= setTimeout(() => this.flush(), 100);
    });
  }

  /** Writes now what is waiting to be. */
  flush(): void {
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      if (this.acknowledged.isWhole) writeLastGood(this.#folder, this.acknowledged.resources);
    } catch (thrown) {
      this.#onError(thrown);
    }
  }
}
