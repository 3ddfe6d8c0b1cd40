/**
 * The Envoy v3 API as ProtoJSON with the names of the .proto files: the form of Envoy's documentation, of bootstrap
 * files and of `/config_dump`. Bytes are made and read only where they leave or enter a process.
 */
import { readFileSync } from 'node:fs';
import { type Codec, createJsonCodec, type DecodeOptions, type EncodeOptions, type TableSource } from '@weft/protobuf';
import type { AnyMessage, Messages } from '../gen/types.ts';

export { RESOURCE_TYPES, type ResourceType, TYPE_PREFIX, typeUrl } from './type-url.ts';
export type * from './types.ts';
export { ENVOY_VERSION } from './version.ts';
export type { AnyMessage, Messages };

export type MessageName = keyof Messages;

let loaded: Codec | undefined;

/** The codec of the whole API; its tables are read from disk when the first message is. */
function codec(): Codec {
  if (loaded) return loaded;
  const path = new URL('../gen/tables.json', import.meta.url);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new Error('the tables of the Envoy API are not generated: run ./weft once, or npm run generate', { cause });
  }
  loaded = createJsonCodec(JSON.parse(text) as TableSource);
  return loaded;
}

/** Whether the pinned Envoy API has a message of that full name. */
export function isMessageName(name: string): name is MessageName {
  return codec().has(name);
}

/**
 * The wire form of a message given as ProtoJSON. Throws `MessageError` with every violation and its path, unknown
 * fields among them.
 */
export function encode<N extends MessageName>(name: N, value: Messages[N]): Buffer {
  return codec().encode(name, value);
}

/** {@link encode} for a value that no type has been checked of, such as a parsed YAML file. */
export function encodeUnknown(name: MessageName, value: unknown, options?: EncodeOptions): Buffer {
  return codec().encode(name, value, options);
}

/** The ProtoJSON of a message's wire form. Throws `MessageError` when the bytes are not a message. */
export function decode<N extends MessageName>(name: N, bytes: Uint8Array, options?: DecodeOptions): Messages[N] {
  return codec().decode(name, bytes, options) as Messages[N];
}

/** A message inside a `google.protobuf.Any`, checked against its type. */
export function any<N extends MessageName>(name: N, value: Messages[N]): AnyMessage {
  return { '@type': `type.googleapis.com/${name}`, ...value };
}
