/** Bytes to plain values. */
import { shortestFloat, signed64, unsigned64, unzigzag64 } from './numbers.ts';
import type { Path } from './path.ts';
import { type Field, type FieldType, type Tables, WIRE_TYPES } from './table.ts';
import { Reader, TextError, WireError } from './wire.ts';

export type PlainObject = Record<string, unknown>;

/** How values look on the JavaScript side. */
export interface DecodeShape {
  /** Field names of decoded objects. */
  readonly names: 'proto' | 'camel';
  /** Whether fields that were not sent, and have no presence, get their default. */
  readonly defaults: boolean;
  bytes(value: Buffer): unknown;
  integer64(value: number | bigint): unknown;
  floating(value: number): unknown;
  enumeration(value: number, label: string | undefined, typeName: string): unknown;
  /** Reads messages that have a form of their own; undefined where the message is plain. */
  wellKnown(typeName: string): ((reader: Reader, context: DecodeContext) => unknown) | undefined;
}

export interface DecodeContext {
  readonly tables: Tables;
  readonly shape: DecodeShape;
  /** Told once for each message and number of a field on the wire that the tables do not know; `path` names the message. */
  readonly unknownField: ((path: string, typeName: string, number: number) => void) | undefined;
  readonly path: Path;
  depth: number;
}

/** What a field without items is in a shape with defaults: one for all, so that empty messages cost little. */
const EMPTY_LIST: readonly unknown[] = Object.freeze([]);
const EMPTY_MAP: Readonly<PlainObject> = Object.freeze({});

/** As deep as protobuf's own readers go. */
const MAX_DEPTH = 100;

/** Runs `read` one level deeper; what is deeper than any sensible message is refused before the stack overflows. */
export function deeper<T>(context: DecodeContext, read: () => T): T {
  if (++context.depth > MAX_DEPTH) throw new WireError(`messages are nested more than ${MAX_DEPTH} deep`);
  const result = read();
  context.depth--;
  return result;
}

const READ_SCALAR: Record<Exclude<FieldType, 'm' | 'e'>, (reader: Reader, shape: DecodeShape) => unknown> = {
  d: (reader, shape) => shape.floating(reader.double()),
  f: (reader, shape) => {
    const value = reader.float();
    return shape.floating(Number.isFinite(value) ? shortestFloat(value) : value);
  },
  i: (reader) => reader.varint32() | 0,
  u: (reader) => reader.varint32(),
  z: (reader) => {
    const value = reader.varint32();
    return (value >>> 1) ^ -(value & 1);
  },
  x: (reader) => reader.fixed32(),
  y: (reader) => reader.fixed32() | 0,
  I: (reader, shape) => {
    reader.varint64();
    return shape.integer64(signed64(reader.low, reader.high));
  },
  U: (reader, shape) => {
    reader.varint64();
    return shape.integer64(unsigned64(reader.low, reader.high));
  },
  Z: (reader, shape) => {
    reader.varint64();
    return shape.integer64(unzigzag64(reader.low, reader.high));
  },
  X: (reader, shape) => {
    reader.fixed64();
    return shape.integer64(unsigned64(reader.low, reader.high));
  },
  Y: (reader, shape) => {
    reader.fixed64();
    return shape.integer64(signed64(reader.low, reader.high));
  },
  b: (reader) => {
    reader.varint64();
    return reader.low !== 0 || reader.high !== 0;
  },
  s: (reader) => reader.string(),
  B: (reader, shape) => shape.bytes(reader.chunk()),
};

const ZERO: Record<Exclude<FieldType, 'm' | 'e'>, (shape: DecodeShape) => unknown> = {
  d: () => 0,
  f: () => 0,
  i: () => 0,
  u: () => 0,
  z: () => 0,
  x: () => 0,
  y: () => 0,
  I: (shape) => shape.integer64(0),
  U: (shape) => shape.integer64(0),
  Z: (shape) => shape.integer64(0),
  X: (shape) => shape.integer64(0),
  Y: (shape) => shape.integer64(0),
  b: () => false,
  s: () => '',
  B: (shape) => shape.bytes(Buffer.alloc(0)),
};

function enumeration(value: number, typeName: string, context: DecodeContext): unknown {
  return context.shape.enumeration(value, context.tables.enum(typeName).byNumber.get(value), typeName);
}

function readScalar(reader: Reader, field: Field, type: FieldType, context: DecodeContext): unknown {
  if (type === 'e') {
    return enumeration(reader.varint32() | 0, field.typeName as string, context);
  }
  return READ_SCALAR[type as Exclude<FieldType, 'm' | 'e'>](reader, context.shape);
}

function zeroOf(field: Field, context: DecodeContext): unknown {
  if (field.type === 'e') {
    return enumeration(0, field.typeName as string, context);
  }
  return ZERO[field.type as Exclude<FieldType, 'm' | 'e'>](context.shape);
}

function readMessage(reader: Reader, field: Field, context: DecodeContext, into: unknown): unknown {
  const typeName = field.typeName as string;
  const special = context.shape.wellKnown(typeName);
  if (special) return special(reader.message(), context);
  return decodeInto(reader.message(), typeName, context, (into as PlainObject | undefined) ?? {});
}

/** A map is a list of entries with a key of number 1 and a value of number 2. */
const KEY_TAG = 1 << 3;
const VALUE_TAG = 2 << 3;

function readMapEntry(reader: Reader, field: Field, context: DecodeContext, map: PlainObject): void {
  const entry = reader.message();
  const keyField: Field = { ...field, type: field.keyType as FieldType };
  let key: unknown = zeroOf(keyField, context);
  let value: Reader | undefined;
  while (!entry.done) {
    const tag = entry.tag();
    if (tag === KEY_TAG + WIRE_TYPES[keyField.type]) {
      key = readScalar(entry, keyField, keyField.type, context);
      continue;
    }
    const start = entry.position;
    entry.skip(tag);
    if (tag === VALUE_TAG + WIRE_TYPES[field.type]) value = new Reader(entry.bytes, start, entry.position);
  }
  context.path.enterKey(String(key));
  setOwn(map, String(key), readMapValue(value, field, context));
  context.path.leave();
}

function readMapValue(value: Reader | undefined, field: Field, context: DecodeContext): unknown {
  if (field.type === 'm') return readMessage(value ?? new Reader(Buffer.of(0)), field, context, undefined);
  return value ? readScalar(value, field, field.type, context) : zeroOf(field, context);
}

/** Sets a key that may be spelled `__proto__`. */
function setOwn(object: PlainObject, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  } else object[key] = value;
}

function readRepeated(reader: Reader, wireType: number, field: Field, context: DecodeContext, list: unknown[]): void {
  if (field.type === 'm') {
    context.path.enter(list.length);
    list.push(readMessage(reader, field, context, undefined));
    context.path.leave();
    return;
  }
  if (wireType === 2 && WIRE_TYPES[field.type] !== 2) {
    const packed = reader.message();
    while (!packed.done) list.push(readScalar(packed, field, field.type, context));
    return;
  }
  list.push(readScalar(reader, field, field.type, context));
}

function nameOf(field: Field, context: DecodeContext): string {
  return context.shape.names === 'proto' ? field.protoName : field.jsonName;
}

/** A field without presence: its zero is as if it had not been sent. */
function readImplicit(reader: Reader, field: Field, name: string, context: DecodeContext, target: PlainObject): void {
  let value: unknown;
  try {
    value = readScalar(reader, field, field.type, context);
  } catch (thrown) {
    if (thrown instanceof TextError) context.path.enter(name);
    throw thrown;
  }
  // Minus zero is no zero: only it is written.
  if (Object.is(value, zeroOf(field, context))) delete target[name];
  else target[name] = value;
}

function readField(reader: Reader, wireType: number, field: Field, context: DecodeContext, target: PlainObject): void {
  const name = nameOf(field, context);
  if (field.presence === '=') {
    readImplicit(reader, field, name, context, target);
    return;
  }
  context.path.enter(name);
  if (field.presence === '*' || field.presence === '+') {
    const before = (target[name] ?? EMPTY_LIST) as unknown[];
    const list = before.length === 0 ? [] : before;
    readRepeated(reader, wireType, field, context, list);
    // A packed field of no items sets nothing.
    if (list.length > 0) target[name] = list;
  } else if (field.presence === '%') {
    if (target[name] === undefined || target[name] === EMPTY_MAP) target[name] = {};
    readMapEntry(reader, field, context, target[name] as PlainObject);
  } else if (field.type === 'm') {
    target[name] = readMessage(reader, field, context, target[name]);
  } else {
    target[name] = readScalar(reader, field, field.type, context);
  }
  context.path.leave();
}

function fits(field: Field, wireType: number): boolean {
  if (field.presence === '%') return wireType === 2;
  if (wireType === WIRE_TYPES[field.type]) return true;
  return wireType === 2 && (field.presence === '*' || field.presence === '+');
}

/** Tells of a field that the tables do not know, unless `told` has it; gives the numbers that were told. */
function tellUnknown(
  number: number,
  typeName: string,
  told: Set<number> | undefined,
  context: DecodeContext,
): Set<number> {
  if (told?.has(number)) return told;
  context.unknownField?.(context.path.toString(), typeName, number);
  return (told ?? new Set()).add(number);
}

/** Reads the rest of `reader` as one message into `target`, merging as the format asks. */
export function decodeInto(reader: Reader, typeName: string, context: DecodeContext, target: PlainObject): PlainObject {
  if (++context.depth > MAX_DEPTH) throw new WireError(`messages are nested more than ${MAX_DEPTH} deep`);
  const message = context.tables.message(typeName);
  let unknown: Set<number> | undefined;
  while (!reader.done) {
    const tag = reader.tag();
    const field = message.byNumber.get(tag >>> 3);
    const wireType = tag & 7;
    if (field && fits(field, wireType)) {
      for (const rival of field.rivals) delete target[nameOf(rival, context)];
      readField(reader, wireType, field, context, target);
    } else {
      reader.skip(tag);
      if (context.unknownField) unknown = tellUnknown(tag >>> 3, typeName, unknown, context);
    }
  }
  if (context.shape.defaults) fillDefaults(target, message.fields, context);
  context.depth--;
  return target;
}

function fillDefaults(target: PlainObject, fields: readonly Field[], context: DecodeContext): void {
  for (const field of fields) {
    const name = nameOf(field, context);
    if (target[name] !== undefined) continue;
    if (field.presence === '=') target[name] = zeroOf(field, context);
    else if (field.presence === '*' || field.presence === '+') target[name] = EMPTY_LIST;
    else if (field.presence === '%') target[name] = EMPTY_MAP;
  }
}
