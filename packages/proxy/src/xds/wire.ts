/**
 * The xDS protocol on the wire, as a client speaks it, in both of its variants
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol). Of a response the resources stay bytes at first,
 * so that one that cannot be read does not take the others with it.
 */
import { encode, type Node, RESOURCE_TYPES, type ResourceType, typeUrl } from '@weft/envoy-api';
import { createNativeCodec, messageType } from '@weft/protobuf';
import type { XdsVariant } from '../config/config-source.ts';

/** What the server says of one type. */
export interface DiscoveryResponse {
  readonly version: string;
  /** Messages `envoy.service.discovery.v3.Resource`, encoded. */
  readonly resources: readonly Uint8Array[];
  readonly typeUrl: string;
  readonly nonce: string;
  /** Names that there are no resources of any more; undefined: the server says what there is, not what changed. */
  readonly removed: readonly string[] | undefined;
}

interface AnyRequest {
  readonly type: ResourceType;
  /** Of the response that this answers or is based upon. */
  readonly nonce?: string | undefined;
  /** Why that response, or part of it, is refused. */
  readonly refusal?: string | undefined;
}

/** What the client says of one type: what changed of its wishes. */
export interface DeltaRequest extends AnyRequest {
  readonly variant: 'delta';
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  /** What the client has already, by name; in the first request of a type on a stream alone. */
  readonly versions?: Readonly<Record<string, string>>;
}

/** What the client says of one type: all of its wishes. */
export interface StateRequest extends AnyRequest {
  readonly variant: 'state-of-the-world';
  readonly names: readonly string[];
  /** Of the last response that was taken. */
  readonly version: string;
}

export type DiscoveryRequest = DeltaRequest | StateRequest;

const codec = createNativeCodec({
  messages: {
    DeltaResponse: '1 system_version_info =s;2 resources *B;4 type_url =s;5 nonce =s;6 removed_resources *s',
    StateResponse: '1 version_info =s;2 resources *B;4 type_url =s;5 nonce =s',
    ResourceHead: '3 name =s',
    AnyHead: '1 type_url =s;2 value =B',
  },
  enums: {},
});

interface DeltaResponse {
  readonly systemVersionInfo: string;
  readonly resources: readonly Uint8Array[];
  readonly typeUrl: string;
  readonly nonce: string;
  readonly removedResources: readonly string[];
}

interface StateResponse {
  readonly versionInfo: string;
  readonly resources: readonly Uint8Array[];
  readonly typeUrl: string;
  readonly nonce: string;
}

const deltaResponse = messageType<DeltaResponse>(codec, 'DeltaResponse');
const stateResponse = messageType<StateResponse>(codec, 'StateResponse');
const resourceHead = messageType<{ readonly name: string }>(codec, 'ResourceHead');
const anyHead = messageType<{ readonly typeUrl: string; readonly value: Uint8Array }>(codec, 'AnyHead');

const WRAPPER_URL = typeUrl('envoy.service.discovery.v3.Resource');
/** The field `resource` of a `Resource`: number 2, of bytes. */
const RESOURCE_TAG = 0x12;

/** A length as protobuf writes it. */
function varint(value: number): readonly number[] {
  const written: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) written.push((rest % 128) | 0x80);
  return [...written, rest];
}

/** A resource of a response with the state of the world stands there as it is, or wrapped as those of deltas are. */
function asWrapped(any: Uint8Array): Uint8Array {
  const { typeUrl: url, value } = anyHead.decode(any);
  if (url === WRAPPER_URL) return value;
  return Buffer.concat([Buffer.from([RESOURCE_TAG, ...varint(any.length)]), any]);
}

/** Throws `MessageError` when the bytes are not a response. */
export function readResponse(variant: XdsVariant, bytes: Uint8Array): DiscoveryResponse {
  if (variant === 'delta') {
    const { systemVersionInfo: version, removedResources: removed, ...rest } = deltaResponse.decode(bytes);
    return { ...rest, version, removed };
  }
  const { versionInfo: version, resources, typeUrl: url, nonce } = stateResponse.decode(bytes);
  return { version, resources: resources.map(asWrapped), typeUrl: url, nonce, removed: undefined };
}

/** The name of an encoded `Resource` whose content may be anything; empty when not even the name can be read. */
export function nameOf(bytes: Uint8Array): string {
  try {
    return resourceHead.decode(bytes).name;
  } catch {
    // What is wrong with the bytes is told by whoever reads all of them.
    return '';
  }
}

/** gRPC's INVALID_ARGUMENT. */
const REFUSED = 3;

/** `node` says who asks; the first request of a stream needs it. */
export function writeRequest(request: DiscoveryRequest, node: Node | undefined): Buffer {
  const { type, nonce, refusal } = request;
  const common = {
    type_url: typeUrl(RESOURCE_TYPES[type]),
    ...(node ? { node } : {}),
    ...(nonce === undefined ? {} : { response_nonce: nonce }),
    ...(refusal === undefined ? {} : { error_detail: { code: REFUSED, message: refusal } }),
  };
  if (request.variant === 'state-of-the-world') {
    const { names, version } = request;
    return encode('envoy.service.discovery.v3.DiscoveryRequest', {
      ...common,
      ...(version === '' ? {} : { version_info: version }),
      ...(names.length > 0 ? { resource_names: names } : {}),
    });
  }
  const { subscribe, unsubscribe, versions } = request;
  return encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
    ...common,
    ...(subscribe ? { resource_names_subscribe: subscribe } : {}),
    ...(unsubscribe ? { resource_names_unsubscribe: unsubscribe } : {}),
    ...(versions ? { initial_resource_versions: versions } : {}),
  });
}

/** In the order in which a client asks for them: what is referred to before what refers to it. */
export const TYPE_ORDER: readonly ResourceType[] = ['runtime', 'cluster', 'endpoint', 'listener', 'route', 'secret'];

/**
 * Of these a first request without names asks for all, which is known to servers that do not know the wildcard's name;
 * and a response with the state of the world has all that there is, so that what is not in it is gone.
 */
export const WHOLE_TYPES: ReadonlySet<ResourceType> = new Set(['cluster', 'listener']);

const TYPE_OF_URL: ReadonlyMap<string, ResourceType> = new Map(
  TYPE_ORDER.map((type) => [typeUrl(RESOURCE_TYPES[type]), type]),
);

/** The type of that URL; undefined when it is none that the proxy knows. */
export function typeOfUrl(url: string): ResourceType | undefined {
  return TYPE_OF_URL.get(url);
}

const SERVICES: { readonly [T in ResourceType]: readonly [service: string, of: string] } = {
  cluster: ['envoy.service.cluster.v3.ClusterDiscoveryService', 'Clusters'],
  endpoint: ['envoy.service.endpoint.v3.EndpointDiscoveryService', 'Endpoints'],
  listener: ['envoy.service.listener.v3.ListenerDiscoveryService', 'Listeners'],
  route: ['envoy.service.route.v3.RouteDiscoveryService', 'Routes'],
  secret: ['envoy.service.secret.v3.SecretDiscoveryService', 'Secrets'],
  runtime: ['envoy.service.runtime.v3.RuntimeDiscoveryService', 'Runtime'],
};

const AGGREGATED = ['envoy.service.discovery.v3.AggregatedDiscoveryService', 'AggregatedResources'] as const;

/** The method of one type alone, or the one in which all types share a stream. */
export function pathOf(variant: XdsVariant, only: ResourceType | undefined): string {
  const [service, of] = only ? SERVICES[only] : AGGREGATED;
  const verb = variant === 'delta' ? 'Delta' : 'Stream';
  return `/${service}/${verb}${of}`;
}
