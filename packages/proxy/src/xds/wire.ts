/**
 * The delta variant of the xDS protocol on the wire, as a client speaks it:
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol#incremental-xds. Of a response the resources stay
 * bytes at first, so that one that cannot be read does not take the others with it.
 */
import { encode, type Node, RESOURCE_TYPES, type ResourceType, typeUrl } from '@weft/envoy-api';
import { createNativeCodec, messageType } from '@weft/protobuf';

/** What the server says of one type. */
export interface DeltaResponse {
  readonly systemVersionInfo: string;
  /** Messages `envoy.service.discovery.v3.Resource`, encoded. */
  readonly resources: readonly Uint8Array[];
  readonly typeUrl: string;
  readonly nonce: string;
  readonly removedResources: readonly string[];
}

/** What the client says of one type. */
export interface DeltaRequest {
  readonly type: ResourceType;
  /** On the first request of a stream alone. */
  readonly node?: Node;
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  /** What the client has already, by name; in the first request of a type on a stream alone. */
  readonly versions?: Readonly<Record<string, string>>;
  /** Of the response that this answers. */
  readonly nonce?: string;
  /** Why that response, or part of it, is refused. */
  readonly refusal?: string | undefined;
}

const codec = createNativeCodec({
  messages: {
    DeltaResponse: '1 system_version_info =s;2 resources *B;4 type_url =s;5 nonce =s;6 removed_resources *s',
    ResourceHead: '3 name =s',
  },
  enums: {},
});

const deltaResponse = messageType<DeltaResponse>(codec, 'DeltaResponse');
const resourceHead = messageType<{ readonly name: string }>(codec, 'ResourceHead');

/** Throws `MessageError` when the bytes are not a response. */
export function readResponse(bytes: Uint8Array): DeltaResponse {
  return deltaResponse.decode(bytes);
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

export function writeRequest({ type, node, subscribe, unsubscribe, versions, nonce, refusal }: DeltaRequest): Buffer {
  return encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
    type_url: typeUrl(RESOURCE_TYPES[type]),
    ...(node ? { node } : {}),
    ...(subscribe ? { resource_names_subscribe: subscribe } : {}),
    ...(unsubscribe ? { resource_names_unsubscribe: unsubscribe } : {}),
    ...(versions ? { initial_resource_versions: versions } : {}),
    ...(nonce === undefined ? {} : { response_nonce: nonce }),
    ...(refusal === undefined ? {} : { error_detail: { code: REFUSED, message: refusal } }),
  });
}

/** In the order in which a client asks for them: what is referred to before what refers to it. */
export const TYPE_ORDER: readonly ResourceType[] = ['cluster', 'endpoint', 'listener', 'route', 'secret'];

const TYPE_OF_URL: ReadonlyMap<string, ResourceType> = new Map(
  TYPE_ORDER.map((type) => [typeUrl(RESOURCE_TYPES[type]), type]),
);

/** The type of that URL; undefined when it is none that the proxy knows. */
export function typeOfUrl(url: string): ResourceType | undefined {
  return TYPE_OF_URL.get(url);
}

/** The method in which all types share one stream. */
export const AGGREGATED_PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';

/** The method of each type alone. */
export const PATHS: { readonly [T in ResourceType]: string } = {
  cluster: '/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters',
  endpoint: '/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints',
  listener: '/envoy.service.listener.v3.ListenerDiscoveryService/DeltaListeners',
  route: '/envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes',
  secret: '/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets',
};
