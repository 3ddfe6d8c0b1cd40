/** Resources as they are served: encoded once, named by the hash of their content. */
import { createHash } from 'node:crypto';
import { encode, type MessageName, type Messages, RESOURCE_TYPES, typeUrl } from '@weft/envoy-api';

/** The types that are served, in the order in which additions are safe to make. */
export const SERVED_TYPES = ['cluster', 'endpoint', 'listener', 'route'] as const;
export type ServedType = (typeof SERVED_TYPES)[number];

/** What the message of each type is. */
interface MessageOf {
  readonly cluster: Messages[typeof RESOURCE_TYPES.cluster];
  readonly endpoint: Messages[typeof RESOURCE_TYPES.endpoint];
  readonly listener: Messages[typeof RESOURCE_TYPES.listener];
  readonly route: Messages[typeof RESOURCE_TYPES.route];
}

/** The type URL of a served type. */
export function typeUrlOf(type: ServedType): string {
  return typeUrl(RESOURCE_TYPES[type]);
}

/** What a resource needs to be there, by type. */
export interface Needs {
  readonly cluster?: readonly string[];
  readonly endpoint?: readonly string[];
  readonly route?: readonly string[];
}

/** A hash of 132 bits in 22 characters. */
export function contentHash(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('base64url').slice(0, 22);
}

/** One resource. Its bytes are shared by every proxy that it is sent to. */
export class EncodedResource {
  readonly type: ServedType;
  readonly name: string;
  /** The hash of its content: the same in every instance and after every restart. */
  readonly version: string;
  /** The message. */
  readonly bytes: Buffer;
  readonly needs: Needs;
  #sotwField: Buffer | undefined;
  #deltaField: Buffer | undefined;

  constructor(type: ServedType, name: string, bytes: Buffer, needs: Needs) {
    this.type = type;
    this.name = name;
    this.bytes = bytes;
    this.needs = needs;
    this.version = contentHash(bytes);
  }

  #any() {
    return { '@type': typeUrlOf(this.type), '@bytes': this.bytes.toString('base64') };
  }

  /** A DiscoveryResponse of this resource alone. Messages put one after the other are one message with all of it. */
  get sotwField(): Buffer {
    this.#sotwField ??= encode('envoy.service.discovery.v3.DiscoveryResponse', { resources: [this.#any()] });
    return this.#sotwField;
  }

  /** A DeltaDiscoveryResponse of this resource alone. */
  get deltaField(): Buffer {
    const { name, version } = this;
    this.#deltaField ??= encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', {
      resources: [{ name, version, resource: this.#any() }],
    });
    return this.#deltaField;
  }
}

/** Encodes a resource; throws `MessageError` with every violation when it is none. */
export function encodeResource<T extends ServedType>(
  type: T,
  name: string,
  message: MessageOf[T],
  needs: Needs = {},
): EncodedResource {
  const messageName: MessageName = RESOURCE_TYPES[type];
  return new EncodedResource(type, name, encode(messageName, message), needs);
}

/** Resources of one type by name. */
export type Resources = ReadonlyMap<string, EncodedResource>;

/** A hash that names these resources in this version. */
export function hashOf(resources: Iterable<EncodedResource>): string {
  const lines = [...resources].map(({ type, name, version }) => `${type} ${name} ${version}`);
  return contentHash(lines.sort().join('\n'));
}
