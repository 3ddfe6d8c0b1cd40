/**
 * The two variants of the xDS protocol (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol): state of
 * the world and delta. Here they are made one: what a client says and what it is told have the same form in both.
 */
import { type DeltaDiscoveryRequest, type DiscoveryRequest, decode, encode, type Node } from '@weft/envoy-api';
import type { EncodedResource } from '../snapshot/resource.ts';

/** How the names that a client asks for change. */
export type NameChange =
  /** From now on these. */
  | { readonly type: 'all'; readonly names: readonly string[] }
  | {
      readonly type: 'difference';
      readonly subscribe: readonly string[];
      readonly unsubscribe: readonly string[];
      /** What the client has from an earlier stream, by name. */
      readonly versions: Readonly<Record<string, string>>;
    };

/** What a client says of one type of resource. */
export interface ClientMessage {
  readonly node: Node | undefined;
  readonly typeUrl: string;
  /** Of the response that this is the answer to; empty when it is the answer to none. */
  readonly nonce: string;
  /** Why the client refused that response; undefined when it accepted it. */
  readonly refusal: string | undefined;
  readonly names: NameChange;
}

/** What a client is told of one type of resource. */
export interface ServerMessage {
  readonly typeUrl: string;
  readonly nonce: string;
  /** Of the snapshot. */
  readonly version: string;
  readonly resources: readonly EncodedResource[];
  readonly removed: readonly string[];
  /** Who serves. */
  readonly identifier: string;
}

export interface Variant {
  readonly name: 'sotw' | 'delta';
  /** Throws `MessageError` when the bytes are not a request. */
  read(bytes: Buffer): ClientMessage;
  write(message: ServerMessage): Buffer;
}

/** A client may tell all of what it refuses; what is kept, logged and written to the bus is the beginning of it. */
const MAX_REFUSAL_LENGTH = 8192;

function refusalOf({ error_detail: error }: DiscoveryRequest | DeltaDiscoveryRequest): string | undefined {
  if (error === undefined) return undefined;
  const { message = '', code = 0 } = error;
  if (message === '') return `code ${code}, without a reason`;
  return message.length <= MAX_REFUSAL_LENGTH ? message : `${message.slice(0, MAX_REFUSAL_LENGTH - 1).toWellFormed()}…`;
}

/** Every response holds all resources of its type that the client asked for. */
export const SOTW: Variant = {
  name: 'sotw',
  read(bytes) {
    const request = decode('envoy.service.discovery.v3.DiscoveryRequest', bytes);
    return {
      node: request.node,
      typeUrl: request.type_url ?? '',
      nonce: request.response_nonce ?? '',
      refusal: refusalOf(request),
      names: { type: 'all', names: request.resource_names ?? [] },
    };
  },
  write({ typeUrl, nonce, version, resources, identifier }) {
    const head = encode('envoy.service.discovery.v3.DiscoveryResponse', {
      version_info: version,
      type_url: typeUrl,
      nonce,
      control_plane: { identifier },
    });
    return Buffer.concat([head, ...resources.map(({ sotwField }) => sotwField)]);
  },
};

/** Every response holds what changed. */
export const DELTA: Variant = {
  name: 'delta',
  read(bytes) {
    const request = decode('envoy.service.discovery.v3.DeltaDiscoveryRequest', bytes);
    return {
      node: request.node,
      typeUrl: request.type_url ?? '',
      nonce: request.response_nonce ?? '',
      refusal: refusalOf(request),
      names: {
        type: 'difference',
        subscribe: request.resource_names_subscribe ?? [],
        unsubscribe: request.resource_names_unsubscribe ?? [],
        versions: request.initial_resource_versions ?? {},
      },
    };
  },
  write({ typeUrl, nonce, version, resources, removed, identifier }) {
    const head = encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', {
      system_version_info: version,
      type_url: typeUrl,
      nonce,
      removed_resources: removed,
      control_plane: { identifier },
    });
    return Buffer.concat([head, ...resources.map(({ deltaField }) => deltaField)]);
  },
};
