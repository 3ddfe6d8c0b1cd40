/** Random messages in ProtoJSON, made from protobufjs's reflection and so from another reading of the descriptors. */
import { Enum, type FieldBase, MapField, type Root, Type } from 'protobufjs';

export type Random = () => number;

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)] as T;
}

const STRINGS = [
  '',
  '0',
  'a',
  'outbound/shop/cart',
  'ä€😀',
  '__proto__',
  'constructor',
  'x'.repeat(300),
  '"\\\n\u0000',
];
const INT32 = [0, 1, -1, 127, 128, 300, -2147483648, 2147483647, '12', '1e3'];
const UINT32 = [0, 1, 127, 128, 16384, 4294967295, '4294967295'];
const INT64 = [
  '0',
  '1',
  '-1',
  0,
  5,
  -5,
  '9007199254740993',
  '-9007199254740993',
  '9223372036854775807',
  '-9223372036854775808',
];
const UINT64 = ['0', 0, 1, '4294967296', '9007199254740993', '18446744073709551615'];
const DOUBLE = [0, 1, -1.5, 0.1, 1e300, 5e-324, 'NaN', 'Infinity', '-Infinity', '2.5'];
const FLOAT = [0, 1, -1.5, 0.1, 3.4028234663852886e38, 1.401298464324817e-45, 16777217, 'NaN', '-Infinity'];

const SCALARS: Readonly<Record<string, readonly unknown[]>> = {
  string: STRINGS,
  bytes: ['', 'AA==', 'aGVsbG8=', '-_-_', '__8', 'AAECAwQ='],
  bool: [true, false],
  int32: INT32,
  sint32: INT32,
  sfixed32: INT32,
  uint32: UINT32,
  fixed32: UINT32,
  int64: INT64,
  sint64: INT64,
  sfixed64: INT64,
  uint64: UINT64,
  fixed64: UINT64,
  double: DOUBLE,
  float: FLOAT,
};

const DURATIONS = ['0s', '0.250s', '-1.000000001s', '315576000000s', '1.5s', '0.000001s', '-0.5s'];
const TIMES = [
  '1970-01-01T00:00:00Z',
  '2026-11-21T05:06:07.123456789Z',
  '0001-01-01T00:00:00Z',
  '1969-12-31T23:59:59.500Z',
];
const JSON_VALUES = [
  null,
  true,
  0,
  -1.5,
  'text',
  [],
  {},
  [1, [null, 'a'], { b: false }],
  { a: { b: [1, {}] }, __proto: 1 },
];

/** Message types that may stand in an Any; the well-known ones among them have a form of their own there. */
export interface Source {
  readonly root: Root;
  readonly anyTypes: readonly string[];
}

export class RandomMessages {
  readonly #random: Random;
  readonly #source: Source;

  constructor(source: Source, seed: number) {
    this.#random = seeded(seed);
    this.#source = source;
  }

  /** A value of the message; `depth` more levels of messages may hang on it. */
  message(type: Type, depth: number): unknown {
    const special = this.#wellKnown(type.fullName.slice(1), depth);
    if (special !== undefined) return special;
    const value: Record<string, unknown> = {};
    const taken = new Set<string>();
    for (const field of type.fieldsArray) {
      field.resolve();
      if (this.#random() < 0.35) continue;
      const oneof = field.partOf?.name;
      if (oneof !== undefined && taken.has(oneof)) continue;
      const content = this.#field(field, depth);
      if (content === undefined) continue;
      if (oneof !== undefined) taken.add(oneof);
      value[this.#random() < 0.9 ? field.protoName : field.jsonName] = content;
    }
    return value;
  }

  #wellKnown(name: string, depth: number): unknown {
    const random = this.#random;
    switch (name) {
      case 'google.protobuf.Duration':
        return pick(random, DURATIONS);
      case 'google.protobuf.Timestamp':
        return pick(random, TIMES);
      case 'google.protobuf.FieldMask':
        return pick(random, ['', 'a', 'a,fooBar.bazQux']);
      case 'google.protobuf.Struct':
        return pick(random, [{}, { a: 1, b: [null], c: { d: 'x' } }, JSON.parse('{"__proto__": {"polluted": true}}')]);
      case 'google.protobuf.ListValue':
        return pick(random, [[], [null, 1, 'a', [true], {}]]);
      case 'google.protobuf.Value':
        return pick(random, JSON_VALUES);
      case 'google.protobuf.Any':
        return this.#any(depth);
      default: {
        const wrapped = /^google\.protobuf\.(\w+)Value$/.exec(name)?.[1];
        return wrapped === undefined ? undefined : pick(random, SCALARS[wrapped.toLowerCase()] ?? []);
      }
    }
  }

  #any(depth: number): unknown {
    if (depth <= 0) return {};
    const name = pick(this.#random, this.#source.anyTypes);
    const content = this.message(this.#source.root.lookupType(name), depth - 1);
    const typeUrl = `type.googleapis.com/${name}`;
    if (this.#wellKnown(name, 0) !== undefined) return { '@type': typeUrl, value: content };
    return { '@type': typeUrl, ...(content as object) };
  }

  #field(field: FieldBase, depth: number): unknown {
    if (depth <= 0 && field.resolvedType instanceof Type) return undefined;
    if (field instanceof MapField) return this.#map(field, depth);
    if (!field.repeated) return this.#single(field, depth);
    return Array.from({ length: Math.floor(this.#random() * 3) }, () => this.#single(field, depth));
  }

  #map(field: MapField, depth: number): unknown {
    const keys = field.keyType === 'string' ? STRINGS : field.keyType === 'bool' ? ['true', 'false'] : ['0', '7', '12'];
    const chosen = keys.filter(() => this.#random() < 0.3);
    const map: Record<string, unknown> = {};
    for (const key of chosen) {
      const value = this.#single(field, depth);
      Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
    }
    return map;
  }

  #single(field: FieldBase, depth: number): unknown {
    if (field.resolvedType instanceof Type) return this.message(field.resolvedType, depth - 1);
    if (field.resolvedType instanceof Enum) {
      if (field.resolvedType.fullName === '.google.protobuf.NullValue') return null;
      // Those of proto2 are closed: they take no numbers that have no name.
      const unnamed = field.resolvedType.fullName.startsWith('.io.prometheus.') ? [] : [12345];
      return pick(this.#random, [...Object.keys(field.resolvedType.values), ...unnamed]);
    }
    return pick(this.#random, SCALARS[field.type] ?? []);
  }
}
