/**
 * Delta xDS as far as the agent reads it: names and versions. Resources stay bytes, passed on as they came:
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol#incremental-xds.
 */
import { createNativeCodec, type MessageType, messageType } from '@weft/protobuf';

export interface DeltaRequest {
  readonly typeUrl: string;
  readonly resourceNamesSubscribe: readonly string[];
  readonly resourceNamesUnsubscribe: readonly string[];
  /** What the data plane has already, by name; in the first request of a type on a stream alone. */
  readonly initialResourceVersions: Readonly<Record<string, string>>;
  readonly responseNonce: string;
  readonly errorDetail?: { readonly code: number; readonly message: string };
}

export interface DeltaResponse {
  readonly systemVersionInfo: string;
  /** Messages `envoy.service.discovery.v3.Resource`, encoded. */
  readonly resources: readonly Uint8Array[];
  readonly typeUrl: string;
  readonly nonce: string;
  readonly removedResources: readonly string[];
}

/** A resource's name and version, of its encoded `Resource`. */
export interface ResourceHead {
  readonly version: string;
  readonly name: string;
}

/** The state-of-the-world form, which the agent serves for secrets alone. */
export interface WorldRequest {
  readonly versionInfo: string;
  readonly resourceNames: readonly string[];
  readonly typeUrl: string;
  readonly responseNonce: string;
  readonly errorDetail?: { readonly code: number; readonly message: string };
}

export interface WorldResponse {
  readonly versionInfo: string;
  /** Messages `google.protobuf.Any`, encoded. */
  readonly resources: readonly Uint8Array[];
  readonly typeUrl: string;
  readonly nonce: string;
}

const codec = createNativeCodec({
  messages: {
    DeltaRequest:
      '2 type_url =s;3 resource_names_subscribe *s;4 resource_names_unsubscribe *s;5 initial_resource_versions %ss;' +
      '6 response_nonce =s;7 error_detail ?m Status',
    DeltaResponse: '1 system_version_info =s;2 resources *B;4 type_url =s;5 nonce =s;6 removed_resources *s',
    ResourceHead: '1 version =s;3 name =s',
    Resource: '1 version =s;2 resource ?B;3 name =s',
    Any: '1 type_url =s;2 value =B',
    WorldRequest: '1 version_info =s;3 resource_names *s;4 type_url =s;5 response_nonce =s;6 error_detail ?m Status',
    WorldResponse: '1 version_info =s;2 resources *B;4 type_url =s;5 nonce =s',
    Status: '1 code =i;2 message =s',
  },
  enums: {},
});

export const DeltaRequest: MessageType<DeltaRequest> = messageType(codec, 'DeltaRequest');
export const DeltaResponse: MessageType<DeltaResponse> = messageType(codec, 'DeltaResponse');
export const ResourceHead: MessageType<ResourceHead> = messageType(codec, 'ResourceHead');
export const WorldRequest: MessageType<WorldRequest> = messageType(codec, 'WorldRequest');
export const WorldResponse: MessageType<WorldResponse> = messageType(codec, 'WorldResponse');

/** An encoded `google.protobuf.Any`. */
export function anyBytes(typeUrl: string, value: Uint8Array): Buffer {
  return codec.encode('Any', { typeUrl, value });
}

/** An encoded `Resource` around an encoded `Any`. */
export function resourceBytes(name: string, version: string, any: Uint8Array): Buffer {
  return codec.encode('Resource', { version, resource: any, name });
}

/** What a data plane has subscribed to of one type: everything, or names. */
export class Subscription {
  readonly #names = new Set<string>();
  #wildcard = false;
  #began = false;

  /**
   * Takes in a request and gives the names that were added. A first request without names subscribes to everything, as
   * does the name `*`.
   */
  update(request: DeltaRequest): readonly string[] {
    const { resourceNamesSubscribe: added, resourceNamesUnsubscribe: left } = request;
    if (!this.#began && added.length === 0) this.#wildcard = true;
    this.#began = true;
    for (const name of left) {
      if (name === '*') this.#wildcard = false;
      else this.#names.delete(name);
    }
    for (const name of added) {
      if (name === '*') this.#wildcard = true;
      else this.#names.add(name);
    }
    return added;
  }

  wants(name: string): boolean {
    return this.#wildcard || this.#names.has(name);
  }
}
