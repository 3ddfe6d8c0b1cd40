/**
 * Message tables: what the codec knows of each message, small enough to keep thousands of them unparsed.
 *
 * One message is one string; its fields are separated by `;` and read
 * `<number> <name> <presence><type> [<type name>] [@<oneof>]`, for example
 * `1 name =s;2 type =e envoy.config.cluster.v3.Cluster.DiscoveryType @cluster_discovery_type`.
 *
 * Presence: `=` implicit, `?` explicit, `*` repeated, `+` repeated and packed, `%` map (then the types of key and value).
 * Types: `d` double, `f` float, `i` int32, `I` int64, `u` uint32, `U` uint64, `z` sint32, `Z` sint64, `x` fixed32,
 * `X` fixed64, `y` sfixed32, `Y` sfixed64, `b` bool, `s` string, `B` bytes, `e` enum, `m` message.
 */
import type { WireType } from './wire.ts';

export type ScalarType = 'd' | 'f' | 'i' | 'I' | 'u' | 'U' | 'z' | 'Z' | 'x' | 'X' | 'y' | 'Y' | 'b' | 's' | 'B' | 'e';
export type FieldType = ScalarType | 'm';

/** How each type is written (https://protobuf.dev/programming-guides/encoding/#structure). */
export const WIRE_TYPES: Record<FieldType, WireType> = {
  d: 1,
  f: 5,
  i: 0,
  I: 0,
  u: 0,
  U: 0,
  z: 0,
  Z: 0,
  x: 5,
  X: 1,
  y: 5,
  Y: 1,
  b: 0,
  s: 2,
  B: 2,
  e: 0,
  m: 2,
};
export type Presence = '=' | '?' | '*' | '+' | '%';

export interface Field {
  readonly number: number;
  /** The name in the .proto file. */
  readonly protoName: string;
  /** The name in ProtoJSON, lowerCamelCase. */
  readonly jsonName: string;
  readonly presence: Presence;
  readonly type: FieldType;
  /** Of a map alone. */
  readonly keyType: ScalarType | undefined;
  /** The full name of the message or enum. */
  readonly typeName: string | undefined;
  readonly oneof: string | undefined;
  /** The other fields of its oneof. */
  readonly rivals: readonly Field[];
}

export interface Message {
  readonly name: string;
  /** In order of number. */
  readonly fields: readonly Field[];
  readonly byNumber: ReadonlyMap<number, Field>;
  /** By both names of a field. */
  readonly byName: ReadonlyMap<string, Field>;
}

export interface Enum {
  readonly name: string;
  readonly byNumber: ReadonlyMap<number, string>;
  readonly byName: ReadonlyMap<string, number>;
}

/** Tables as they are stored: message and enum bodies by full name. */
export interface TableSource {
  readonly messages: Readonly<Record<string, string>>;
  /** Body: `NAME=0;OTHER=1`. */
  readonly enums: Readonly<Record<string, string>>;
}

export function lowerCamelCase(name: string): string {
  return name.replace(/_+([a-z0-9]?)/g, (_, letter: string) => letter.toUpperCase());
}

/** Whether every object has a property of that name, so that a field of that name could not be told from it. */
export function isReservedName(name: string): boolean {
  return name in Object.prototype;
}

function parseField(text: string): Field {
  const [number = '', protoName = '', kind = '', ...rest] = text.split(' ');
  if (isReservedName(protoName) || isReservedName(lowerCamelCase(protoName))) {
    throw new Error(`a field cannot have the name ${protoName}, which every object has`);
  }
  const presence = kind[0] as Presence;
  const isMap = presence === '%';
  const oneof = rest.find((word) => word.startsWith('@'));
  const typeName = rest.find((word) => !word.startsWith('@'));
  return {
    number: Number(number),
    protoName,
    jsonName: lowerCamelCase(protoName),
    presence,
    type: kind[isMap ? 2 : 1] as FieldType,
    keyType: isMap ? (kind[1] as ScalarType) : undefined,
    typeName,
    oneof: oneof?.slice(1),
    rivals: [],
  };
}

function rivalsOf(field: Field, fields: readonly Field[]): readonly Field[] {
  if (field.oneof === undefined) return [];
  return fields.filter((other) => other !== field && other.oneof === field.oneof);
}

function parseMessage(name: string, body: string): Message {
  const parsed = body === '' ? [] : body.split(';').map(parseField);
  const fields = parsed.map((field) => Object.assign(field, { rivals: rivalsOf(field, parsed) }));
  const byName = new Map<string, Field>();
  for (const field of fields) {
    byName.set(field.jsonName, field);
    byName.set(field.protoName, field);
  }
  return { name, fields, byNumber: new Map(fields.map((field) => [field.number, field])), byName };
}

function parseEnum(name: string, body: string): Enum {
  const byNumber = new Map<number, string>();
  const byName = new Map<string, number>();
  for (const entry of body.split(';')) {
    const [label = '', number = ''] = entry.split('=');
    byName.set(label, Number(number));
    if (!byNumber.has(Number(number))) byNumber.set(Number(number), label);
  }
  return { name, byNumber, byName };
}

/** Tables that parse each message when it is first asked for. */
export class Tables {
  readonly #source: TableSource;
  readonly #messages = new Map<string, Message>();
  readonly #enums = new Map<string, Enum>();

  constructor(source: TableSource) {
    this.#source = source;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#source.messages, name);
  }

  /** The message of that full name; throws where the tables do not hold it. */
  message(name: string): Message {
    const known = this.#messages.get(name);
    if (known) return known;
    const body = Object.hasOwn(this.#source.messages, name) ? this.#source.messages[name] : undefined;
    if (body === undefined) throw new Error(`no message ${name} in the tables`);
    const parsed = parseMessage(name, body);
    this.#messages.set(name, parsed);
    return parsed;
  }

  enum(name: string): Enum {
    const known = this.#enums.get(name);
    if (known) return known;
    const body = Object.hasOwn(this.#source.enums, name) ? this.#source.enums[name] : undefined;
    if (body === undefined) throw new Error(`no enum ${name} in the tables`);
    const parsed = parseEnum(name, body);
    this.#enums.set(name, parsed);
    return parsed;
  }
}
