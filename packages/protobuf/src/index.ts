export {
  type Codec,
  createJsonCodec,
  createNativeCodec,
  type DecodeOptions,
  type EncodeOptions,
  type MessageType,
  messageType,
} from './codec.ts';
export { type Enum, type Field, type Message, type TableSource, Tables } from './table.ts';
export { MessageError, type Violation } from './violation.ts';
export { typeNameOf } from './well-known.ts';
