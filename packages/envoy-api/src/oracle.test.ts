/** Compares the codec with protobufjs on every message of the committed descriptors. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import protobuf, { Enum, Type } from 'protobufjs';
import 'protobufjs/ext/descriptor.js';
import protojson from 'protobufjs/ext/protojson.js';
import { decode, encodeUnknown, isMessageName } from './index.ts';
import { RandomMessages, type Source } from './testing/random-message.ts';
import { ENVOY_VERSION } from './version.ts';

const SEEDS = 8;
const DEPTH = 4;
/** What stands in an Any, among them one of each well-known kind. */
const ANY_TYPES = [
  'envoy.config.core.v3.Address',
  'envoy.extensions.filters.http.router.v3.Router',
  'envoy.config.route.v3.RouteConfiguration',
  'google.protobuf.Duration',
  'google.protobuf.Struct',
  'google.protobuf.UInt32Value',
  'google.protobuf.Any',
];

/** Descriptors describe themselves in proto2, with closed enums and extensions, which the codec has no need of. */
function isCompared(type: Type): boolean {
  const name = type.fullName.slice(1);
  return isMessageName(name) && (!name.startsWith('google.protobuf.') || WELL_KNOWN.test(name));
}

const WELL_KNOWN = /^google\.protobuf\.(Any|Duration|Timestamp|FieldMask|Struct|(List|\w+)?Value|Empty)$/;

function load(): Source {
  const bytes = readFileSync(new URL(`../descriptors/envoy-${ENVOY_VERSION}.binpb`, import.meta.url));
  const root = protobuf.Root.fromDescriptor(bytes);
  protojson.install();
  root.resolveAll();
  return { root, anyTypes: ANY_TYPES };
}

function allTypes(space: protobuf.NamespaceBase, found: Type[] = []): readonly Type[] {
  for (const nested of space.nestedArray) {
    if (nested instanceof Type) found.push(nested);
    if (nested instanceof protobuf.Namespace) allTypes(nested, found);
  }
  return found;
}

/** A float in the fewest digits that read back the same, as other languages print it; the oracle prints the double. */
function shortest(value: unknown): unknown {
  if (typeof value !== 'number') return value;
  const short = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((digits) => Number(value.toPrecision(digits)));
  return short.find((candidate) => Math.fround(candidate) === value) ?? value;
}

/** The oracle's ProtoJSON with the names of the .proto files instead of lowerCamelCase. */
function protoNames(type: Type, json: unknown, root: protobuf.Root): unknown {
  const name = type.fullName.slice(1);
  if (name === 'google.protobuf.Any') return anyProtoNames(json as Record<string, unknown>, root);
  if (name === 'google.protobuf.FloatValue') return shortest(json);
  if (WELL_KNOWN.test(name)) return json;
  const byJsonName = new Map(type.fieldsArray.map((field) => [field.jsonName, field]));
  const entries = Object.entries(json as object).map(([key, value]): [string, unknown] => {
    const field = byJsonName.get(key);
    if (!field) return [key, value];
    const { resolvedType } = field;
    if (field.type === 'float')
      return [field.protoName, field.repeated ? (value as unknown[]).map(shortest) : shortest(value)];
    if (!(resolvedType instanceof Type)) return [field.protoName, value];
    const convert = (one: unknown): unknown => protoNames(resolvedType, one, root);
    if (field.map) {
      return [
        field.protoName,
        Object.fromEntries(Object.entries(value as object).map(([k, one]) => [k, convert(one)])),
      ];
    }
    return [field.protoName, field.repeated ? (value as unknown[]).map(convert) : convert(value)];
  });
  return Object.fromEntries(entries);
}

function anyProtoNames(json: Record<string, unknown>, root: protobuf.Root): unknown {
  const typeUrl = json['@type'];
  if (typeof typeUrl !== 'string') return json;
  const type = root.lookupType(typeUrl.slice(typeUrl.lastIndexOf('/') + 1));
  const { '@type': _, ...rest } = json;
  if (/^\.google\.protobuf\./.test(type.fullName)) {
    return { '@type': typeUrl, value: protoNames(type, rest.value, root) };
  }
  return { '@type': typeUrl, ...(protoNames(type, rest, root) as object) };
}

test('every message is written and read as protobufjs writes and reads it', { timeout: 120_000 }, (t) => {
  const source = load();
  let compared = 0;
  for (const type of allTypes(source.root)) {
    const name = type.fullName.slice(1);
    if (!isCompared(type) || !isMessageName(name)) continue;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const value = new RandomMessages(source, seed * 7919 + compared).message(type, DEPTH);
      const where: string = `${name} of ${JSON.stringify(value)}`;
      const theirs = Buffer.from(type.encode(type.fromJson(value)).finish());
      const ours = encodeUnknown(name, value);
      assert.equal(ours.length, theirs.length, `as many bytes: ${where}`);
      const expected = type.toJson(type.decode(theirs));
      assert.deepEqual(type.toJson(type.decode(ours)), expected, `our bytes, read by the oracle: ${where}`);
      const inProtoNames = protoNames(type, expected, source.root);
      assert.deepEqual(decode(name, theirs), inProtoNames, `the oracle's bytes, read by us: ${where}`);
      assert.deepEqual(decode(name, ours), inProtoNames, `our bytes, read by us: ${where}`);
      compared++;
    }
  }
  assert.ok(compared > 4_000, `only ${compared} messages were compared`);
  t.diagnostic(`${compared} messages compared`);
});

test('every enum has the names and numbers that protobufjs reads', () => {
  const { root } = load();
  for (const type of allTypes(root)) {
    if (!isCompared(type)) continue;
    for (const field of type.fieldsArray) {
      const { resolvedType } = field.resolve();
      if (!(resolvedType instanceof Enum) || field.repeated || field.map) continue;
      if (resolvedType.fullName === '.google.protobuf.NullValue') continue;
      for (const [label, number] of Object.entries(resolvedType.values)) {
        const name = type.fullName.slice(1);
        assert.ok(isMessageName(name));
        const read = type.decode(encodeUnknown(name, { [field.protoName]: label })) as { [field: string]: unknown };
        assert.equal(read[field.name] ?? 0, number, `${name}.${field.name} ${label}`);
      }
    }
  }
});
