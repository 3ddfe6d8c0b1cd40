/** Plain values to bytes, with every violation and its path. */
import { halves, zigzag64 } from './numbers.ts';
import type { Path } from './path.ts';
import { type Enum, type Field, type FieldType, type Message, type Tables, WIRE_TYPES } from './table.ts';
import { picture, type Violation } from './violation.ts';
import { WireError, type Writer } from './wire.ts';

export interface EncodeShape {
  /** The value as bytes, or undefined when it is not of the kind that this shape uses for bytes. */
  bytes(value: unknown): Uint8Array | undefined;
  /** Whether numbers may be written as decimal strings, as ProtoJSON allows. */
  readonly numericStrings: boolean;
  /** Whether strings that are no Unicode are refused; else U+FFFD stands in for what is not. */
  readonly wellFormed: boolean;
  /** Writes messages that have a form of their own; undefined where the message is plain. */
  wellKnown(typeName: string): ((value: unknown, context: EncodeContext) => void) | undefined;
}

export interface EncodeContext {
  readonly tables: Tables;
  readonly shape: EncodeShape;
  /** Whether enum values may be in small letters, booleans words of YAML 1.1, and a list of one entry that entry. */
  readonly isLenient: boolean;
  readonly writer: Writer;
  readonly violations: Violation[];
  readonly path: Path;
  depth: number;
}

const MAX_DEPTH = 100;
/** The enum whose only value is null in ProtoJSON. */
export const NULL_VALUE = 'google.protobuf.NullValue';

export function report(context: EncodeContext, expected: string, value: unknown): void {
  context.violations.push({ path: context.path.toString(), message: `expected ${expected}, got ${picture(value)}` });
}

interface IntegerRange {
  readonly min: number | bigint;
  readonly max: number | bigint;
  readonly what: string;
}

const INT32: IntegerRange = { min: -0x8000_0000, max: 0x7fff_ffff, what: 'a 32-bit integer' };
const UINT32: IntegerRange = { min: 0, max: 0xffff_ffff, what: 'a whole number from 0 to 4294967295' };
const INT64: IntegerRange = { min: -(2n ** 63n), max: 2n ** 63n - 1n, what: 'a 64-bit integer' };
const UINT64: IntegerRange = { min: 0n, max: 2n ** 64n - 1n, what: 'a whole number of 64 bits' };

function toInteger(value: unknown, numericStrings: boolean): number | bigint | undefined {
  if (typeof value === 'number') return Number.isInteger(value) ? value : undefined;
  if (typeof value === 'bigint') return value;
  if (!numericStrings || typeof value !== 'string') return undefined;
  if (/^-?\d{1,15}$/.test(value)) return Number(value);
  if (/^-?\d{1,20}$/.test(value)) return BigInt(value);
  return wholeNumber(value);
}

/** The most digits that a 64-bit integer has, and as many zeros behind the point as anyone writes. */
const MAX_DIGITS = 40;

/** The integer that a decimal with a point or an exponent is, to the last digit; undefined where it is none. */
function wholeNumber(text: string): bigint | undefined {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text);
  if (!match || text.length > MAX_DIGITS) return undefined;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const digits = whole + fraction;
  const shift = Number(exponent) - fraction.length;
  if (shift > MAX_DIGITS) return undefined;
  const point = digits.length + Math.min(shift, 0);
  if (/[1-9]/.test(digits.slice(Math.max(point, 0)))) return undefined;
  const kept = BigInt(digits.slice(0, Math.max(point, 0)) + '0'.repeat(Math.max(shift, 0)));
  return sign === '-' ? -kept : kept;
}

function integer(value: unknown, range: IntegerRange, context: EncodeContext): number | bigint {
  const number = toInteger(value, context.shape.numericStrings);
  if (number === undefined) report(context, range.what, value);
  else if (!isExact(number, value, range, context.shape)) {
    report(context, context.shape.numericStrings ? `${range.what}, in quotes beyond 2^53` : range.what, value);
  } else if (number < range.min || number > range.max) report(context, range.what, value);
  else return number;
  return 0;
}

/** Whether it is the integer that was meant: beyond 2^53 one number stands for several, and text and bigints do not. */
function isExact(number: number | bigint, value: unknown, range: IntegerRange, shape: EncodeShape): boolean {
  if (typeof range.min === 'number') return true;
  return Number.isSafeInteger(Number(number)) || (shape.numericStrings && typeof value !== 'number');
}

function toFloating(value: unknown, numericStrings: boolean): number | undefined {
  if (typeof value === 'number') return value;
  if (!numericStrings || typeof value !== 'string') return undefined;
  if (value === 'NaN') return Number.NaN;
  if (value === 'Infinity') return Number.POSITIVE_INFINITY;
  if (value === '-Infinity') return Number.NEGATIVE_INFINITY;
  if (!/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value)) return undefined;
  return Number.isFinite(Number(value)) ? Number(value) : undefined;
}

function floating(value: unknown, isSingle: boolean, context: EncodeContext): number {
  const number = toFloating(value, context.shape.numericStrings);
  if (number === undefined) report(context, 'a number', value);
  else if (isSingle && Number.isFinite(number) && !Number.isFinite(Math.fround(number))) {
    report(context, 'a number of 32-bit floating point', value);
  } else return number;
  return 0;
}

/** Names of values are written in capitals, and files that people write often do not. */
function enumNamed(name: string, known: Enum, isLenient: boolean): number | undefined {
  return known.byName.get(name) ?? (isLenient ? known.byName.get(name.toUpperCase()) : undefined);
}

function enumNumber(value: unknown, field: Field, context: EncodeContext): number {
  const known = context.tables.enum(field.typeName as string);
  if (typeof value === 'number' && (value | 0) === value) return value;
  if (value === null && field.typeName === NULL_VALUE) return 0;
  const number = typeof value === 'string' ? enumNamed(value, known, context.isLenient) : undefined;
  if (number !== undefined) return number;
  const names = [...known.byName.keys()];
  const list = names.length > 12 ? `${names.slice(0, 12).join(', ')} …` : names.join(', ');
  report(context, `one of ${list}`, value);
  return 0;
}

/** The words that YAML 1.1 has for true and false as what they say; anything else as it is. */
function truth(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (/^(?:true|yes|on|y)$/i.test(value)) return true;
  return /^(?:false|no|off|n)$/i.test(value) ? false : value;
}

type WriteScalar = (value: unknown, field: Field, context: EncodeContext) => void;

function write64(low: number, high: number, context: EncodeContext): void {
  context.writer.varint64(low, high);
}

function writeSigned32(number: number, context: EncodeContext): void {
  if (number >= 0) context.writer.varint32(number);
  else context.writer.varint64(number >>> 0, 0xffff_ffff);
}

const WRITE_SCALAR: Record<Exclude<FieldType, 'm'>, WriteScalar> = {
  d: (value, _, context) => context.writer.double(floating(value, false, context)),
  f: (value, _, context) => context.writer.float(floating(value, true, context)),
  i: (value, _, context) => writeSigned32(Number(integer(value, INT32, context)), context),
  u: (value, _, context) => context.writer.varint32(Number(integer(value, UINT32, context))),
  z: (value, _, context) => {
    const number = Number(integer(value, INT32, context));
    context.writer.varint32(((number << 1) ^ (number >> 31)) >>> 0);
  },
  x: (value, _, context) => context.writer.fixed32(Number(integer(value, UINT32, context))),
  y: (value, _, context) => context.writer.fixed32(Number(integer(value, INT32, context))),
  I: (value, _, context) => {
    const { low, high } = halves(integer(value, INT64, context));
    write64(low, high, context);
  },
  U: (value, _, context) => {
    const { low, high } = halves(integer(value, UINT64, context));
    write64(low, high, context);
  },
  Z: (value, _, context) => {
    const { low, high } = zigzag64(integer(value, INT64, context));
    write64(low, high, context);
  },
  X: (value, _, context) => {
    const { low, high } = halves(integer(value, UINT64, context));
    context.writer.fixed64(low, high);
  },
  Y: (value, _, context) => {
    const { low, high } = halves(integer(value, INT64, context));
    context.writer.fixed64(low, high);
  },
  b: (value, _, context) => {
    const isSet = context.isLenient ? truth(value) : value;
    if (typeof isSet !== 'boolean') report(context, 'true or false', value);
    context.writer.varint32(isSet === true ? 1 : 0);
  },
  s: (value, _, context) => {
    if (typeof value !== 'string') report(context, 'a string', value);
    else if (context.shape.wellFormed && !value.isWellFormed())
      report(context, 'a string without half surrogates', value);
    else context.writer.string(value);
  },
  B: (value, _, context) => {
    const bytes = context.shape.bytes(value);
    if (bytes) context.writer.chunk(bytes);
    else report(context, 'bytes', value);
  },
  e: (value, field, context) => writeSigned32(enumNumber(value, field, context), context),
};

/**
 * Writes `value` as the message `typeName`, without tag or length. Throws {@link WireError} where it is nested too deep:
 * a value that holds itself twice would else be walked two to the power of that depth.
 */
export function writeBody(typeName: string, value: unknown, context: EncodeContext): void {
  if (++context.depth > MAX_DEPTH) throw new WireError(`nested more than ${MAX_DEPTH} deep`);
  const special = context.shape.wellKnown(typeName);
  if (special) special(value, context);
  else encodeMessage(context.tables.message(typeName), value, context);
  context.depth--;
}

function writeMessage(number: number, typeName: string, value: unknown, context: EncodeContext): void {
  context.writer.tag(number, 2);
  const mark = context.writer.begin();
  writeBody(typeName, value, context);
  context.writer.end(mark);
}

function writeValue(field: Field, value: unknown, context: EncodeContext): void {
  if (field.type === 'm') {
    writeMessage(field.number, field.typeName as string, value, context);
    return;
  }
  context.writer.tag(field.number, WIRE_TYPES[field.type]);
  WRITE_SCALAR[field.type](value, field, context);
}

/** Calls `write` for each item, with the item's index on the path. */
export function eachItem(items: readonly unknown[], context: EncodeContext, write: (item: unknown) => void): void {
  for (let index = 0; index < items.length; index++) {
    context.path.enter(index);
    write(items[index]);
    context.path.leave();
  }
}

function writeList(field: Field, given: unknown, context: EncodeContext): void {
  const isOne = context.isLenient && (field.type === 'm' ? isPlainObject(given) : typeof given !== 'object');
  const value = isOne ? [given] : given;
  if (!Array.isArray(value)) {
    report(context, 'a list', value);
    return;
  }
  if (field.presence === '+' && value.length > 0) {
    context.writer.tag(field.number, 2);
    const mark = context.writer.begin();
    const write = WRITE_SCALAR[field.type as Exclude<FieldType, 'm'>];
    eachItem(value, context, (item) => write(item, field, context));
    context.writer.end(mark);
    return;
  }
  eachItem(value, context, (item) => writeValue(field, item, context));
}

function mapKey(key: string, type: FieldType): unknown {
  if (type === 's') return key;
  if (type === 'b') return key === 'true' ? true : key === 'false' ? false : key;
  return /^-?\d{1,20}$/.test(key) ? BigInt(key) : key;
}

function writeMap(field: Field, value: unknown, context: EncodeContext): void {
  if (!isPlainObject(value)) {
    report(context, 'a map', value);
    return;
  }
  const keyType = field.keyType as Exclude<FieldType, 'm'>;
  const valueField: Field = { ...field, number: 2, presence: '=' };
  // Keys are text in any case, so the other spellings that numbers may have as text are not for them.
  const keyContext: EncodeContext = { ...context, shape: { ...context.shape, numericStrings: false } };
  // Sorted, so that equal maps give equal bytes and equal versions.
  for (const key of Object.keys(value).sort()) {
    context.path.enterKey(key);
    context.writer.tag(field.number, 2);
    const mark = context.writer.begin();
    context.writer.tag(1, WIRE_TYPES[keyType]);
    WRITE_SCALAR[keyType](mapKey(key, keyType), field, keyContext);
    writeValue(valueField, value[key], context);
    context.writer.end(mark);
    context.path.leave();
  }
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  // Those of other realms and classes are objects too; lists, maps, dates and bytes have a tag of their own.
  return Object.prototype.toString.call(value) === '[object Object]';
}

/** Whether the value is that of a field that is not there; a zero of another type is none, and is refused as it is written. */
function isDefault(field: Field, value: unknown, shape: EncodeShape): boolean {
  if (field.presence !== '=') return false;
  if (field.type === 's') return value === '';
  if (field.type === 'b') return value === false;
  if (field.type === 'B') return shape.bytes(value)?.length === 0;
  // Minus zero is no zero.
  if (field.type === 'd' || field.type === 'f') return Object.is(toFloating(value, shape.numericStrings), 0);
  const number = toInteger(value, shape.numericStrings);
  return number === 0 || number === 0n;
}

function violate(context: EncodeContext, name: string, message: string): void {
  if (/^[\w@]+$/.test(name)) context.path.enter(name);
  else context.path.enterKey(name);
  context.violations.push({ path: context.path.toString(), message });
  context.path.leave();
}

function unknownKeys(message: Message, value: Record<string, unknown>, context: EncodeContext): void {
  for (const key of Object.keys(value)) {
    if (!message.byName.has(key)) violate(context, key, `${message.name} has no such field`);
  }
}

function isSet(field: Field, value: unknown): boolean {
  // null is "not set", but where it is a value.
  if (value !== null) return value !== undefined;
  return field.typeName === 'google.protobuf.Value' || field.typeName === NULL_VALUE;
}

/** The name under which `value` has the field; a field may be spelled in both ways that ProtoJSON allows, once. */
function spelling(field: Field, value: Record<string, unknown>, context: EncodeContext): string | undefined {
  const hasProtoName = Object.hasOwn(value, field.protoName) && isSet(field, value[field.protoName]);
  if (field.jsonName === field.protoName) return hasProtoName ? field.protoName : undefined;
  const hasJsonName = Object.hasOwn(value, field.jsonName) && isSet(field, value[field.jsonName]);
  if (hasProtoName && hasJsonName) violate(context, field.jsonName, `is ${field.protoName}, which is set too`);
  if (hasProtoName) return field.protoName;
  return hasJsonName ? field.jsonName : undefined;
}

/** Writes a field that is set, its path entered. */
export function encodeField(field: Field, value: unknown, context: EncodeContext): void {
  if (field.presence === '*' || field.presence === '+') writeList(field, value, context);
  else if (field.presence === '%') writeMap(field, value, context);
  else if (field.type === 'e' && field.presence === '=') writeEnum(field, value, context);
  else if (!isDefault(field, value, context.shape)) writeValue(field, value, context);
}

function encodeFields(message: Message, value: Record<string, unknown>, context: EncodeContext): number {
  let found = 0;
  let oneofs: Map<string, string> | undefined;
  for (const field of message.fields) {
    const name = spelling(field, value, context);
    if (name === undefined) continue;
    found++;
    if (field.oneof) {
      oneofs ??= new Map();
      const rival = oneofs.get(field.oneof);
      if (rival) violate(context, name, `only one of ${rival} and ${name} can be set`);
      oneofs.set(field.oneof, name);
    }
    context.path.enter(name);
    encodeField(field, value[name], context);
    context.path.leave();
  }
  return found;
}

function writeEnum(field: Field, value: unknown, context: EncodeContext): void {
  const number = enumNumber(value, field, context);
  if (number === 0) return;
  context.writer.tag(field.number, 0);
  writeSigned32(number, context);
}

function encodeMessage(message: Message, value: unknown, context: EncodeContext): void {
  if (!isPlainObject(value)) {
    report(context, `an object (${message.name})`, value);
    return;
  }
  if (encodeFields(message, value, context) !== Object.keys(value).length) unknownKeys(message, value, context);
}
