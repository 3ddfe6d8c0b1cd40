/**
 * Codecs between protobuf bytes and plain values, in one of two shapes:
 *
 * - `json`: ProtoJSON with the names of the .proto files: what Envoy's documentation, bootstrap files and
 *   `/config_dump` show. Fields that were not sent are absent; 64-bit integers are strings, bytes base64.
 * - `native`: for one's own messages: camelCase, every field without presence filled with its default, 64-bit
 *   integers as numbers (those beyond 2^53 are refused), bytes as Uint8Array. Well-known types have no special form.
 */
import { base64Bytes } from './base64.ts';
import { type DecodeShape, decodeInto } from './decode.ts';
import { type EncodeContext, type EncodeShape, NULL_VALUE, writeBody } from './encode.ts';
import { Path } from './path.ts';
import { type TableSource, Tables } from './table.ts';
import { MessageError, type Violation } from './violation.ts';
import { readWellKnown, writeWellKnown } from './well-known.ts';
import { Reader, WireError, Writer } from './wire.ts';

export interface DecodeOptions {
  /** Told of each field that the tables do not know, once a message: the path of the message, its type, the number. */
  readonly unknownField?: (path: string, typeName: string, number: number) => void;
}

export interface EncodeOptions {
  /**
   * Whether more is taken than ProtoJSON has, as files that people write have it and Envoy reads them: enum values in
   * small letters (`strict_dns`), a list of one entry as that entry (`domains: '*'`), and the words that YAML 1.1 has for
   * true and false (`yes`, `off`).
   */
  readonly isLenient?: boolean;
}

export interface Codec {
  /** Whether the codec has a message of that full name. */
  has(typeName: string): boolean;
  /** The wire form of `value`; throws {@link MessageError} with every violation. */
  encode(typeName: string, value: unknown, options?: EncodeOptions): Buffer;
  /** The value that `bytes` hold; throws {@link MessageError} when they are not that message. */
  decode(typeName: string, bytes: Uint8Array, options?: DecodeOptions): unknown;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const JSON_SHAPE: { readonly decode: DecodeShape; readonly encode: EncodeShape } = {
  decode: {
    names: 'proto',
    defaults: false,
    bytes: (value) => value.toString('base64'),
    integer64: String,
    floating: (value) => (Number.isFinite(value) ? value : String(value)),
    enumeration: (value, label, typeName) => (typeName === NULL_VALUE ? null : (label ?? value)),
    wellKnown: readWellKnown,
  },
  encode: { bytes: base64Bytes, numericStrings: true, wellFormed: true, wellKnown: writeWellKnown },
};

/** A number stands for no two integers: one that it cannot tell from its neighbour is refused. */
function exactInteger(value: number | bigint): number {
  if (typeof value === 'number') return value;
  throw new WireError(`the integer ${value} is beyond what numbers hold exactly`);
}

/** One for all fields without bytes. */
const NO_BYTES = Buffer.alloc(0);

const NATIVE_SHAPE: { readonly decode: DecodeShape; readonly encode: EncodeShape } = {
  decode: {
    names: 'camel',
    defaults: true,
    bytes: (value) => (value.length === 0 ? NO_BYTES : Buffer.from(value)),
    integer64: exactInteger,
    floating: (value) => value,
    enumeration: (value, label) => label ?? value,
    wellKnown: () => undefined,
  },
  encode: {
    bytes: (value) => (value instanceof Uint8Array ? value : undefined),
    numericStrings: false,
    wellFormed: false,
    wellKnown: () => undefined,
  },
};

function createCodec(source: TableSource, shape: typeof JSON_SHAPE): Codec {
  const tables = new Tables(source);
  return {
    has: (typeName) => tables.has(typeName),
    encode(typeName, value, options) {
      const violations: Violation[] = [];
      const path = new Path();
      const context: EncodeContext = {
        tables,
        shape: shape.encode,
        isLenient: options?.isLenient ?? false,
        writer: new Writer(),
        violations,
        path,
        depth: 0,
      };
      try {
        writeBody(typeName, value, context);
      } catch (thrown) {
        if (!(thrown instanceof WireError)) throw thrown;
        violations.push({ path: path.toString(), message: thrown.message });
      }
      if (violations.length > 0) throw new MessageError(typeName, violations);
      return context.writer.finish();
    },
    decode(typeName, bytes, options) {
      const context = { tables, shape: shape.decode, unknownField: options?.unknownField, path: new Path(), depth: 0 };
      const reader = new Reader(asBuffer(bytes));
      try {
        const special = shape.decode.wellKnown(typeName);
        return special ? special(reader, context) : decodeInto(reader, typeName, context, {});
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        const error = new MessageError(typeName, [
          { path: context.path.toString(), message: `not a valid message: ${reason}` },
        ]);
        error.cause = cause;
        throw error;
      }
    },
  };
}

/** A codec whose values are ProtoJSON with .proto names. */
export function createJsonCodec(source: TableSource): Codec {
  return createCodec(source, JSON_SHAPE);
}

/** A codec whose values are JavaScript's own: numbers, Uint8Array, camelCase, defaults filled in. */
export function createNativeCodec(source: TableSource): Codec {
  return createCodec(source, NATIVE_SHAPE);
}

/** One message of a codec, typed: what generated code exports for each message. */
export interface MessageType<T> {
  /** The full name, `weft.bus.v1.Workload`. */
  readonly typeName: string;
  encode(value: T): Buffer;
  decode(bytes: Uint8Array): T;
}

export function messageType<T>(codec: Codec, typeName: string): MessageType<T> {
  return {
    typeName,
    encode: (value) => codec.encode(typeName, value),
    decode: (bytes) => codec.decode(typeName, bytes) as T,
  };
}
