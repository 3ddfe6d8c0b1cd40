/**
 * The messages with a ProtoJSON form of their own: https://protobuf.dev/programming-guides/json/.
 *
 * An `Any` whose type the tables do not hold is kept whole as `{ "@type": …, "@bytes": <base64> }`, a form of this
 * package, so that what cannot be read can still be shown and passed on. An `Any` without a type is `{}`.
 */
import { base64Bytes } from './base64.ts';
import { type DecodeContext, decodeInto, deeper } from './decode.ts';
import { type EncodeContext, eachItem, encodeField, isPlainObject, report, writeBody } from './encode.ts';
import { lowerCamelCase } from './table.ts';
import { duration, passOver, timestamp } from './times.ts';
import { picture } from './violation.ts';
import type { Read, WellKnown, Write } from './well-known-form.ts';
import { Reader, WireError } from './wire.ts';

function plain(typeName: string, reader: Reader, context: DecodeContext): Record<string, unknown> {
  return decodeInto(reader, typeName, context, {});
}

/** Writes the only field of a message that has one alone. */
function writeOnly(typeName: string, value: unknown, context: EncodeContext): void {
  const [field] = context.tables.message(typeName).fields;
  if (field) encodeField(field, value, context);
}

const ZERO_OF_WRAPPER: Readonly<Record<string, unknown>> = {
  'google.protobuf.BoolValue': false,
  'google.protobuf.StringValue': '',
  'google.protobuf.BytesValue': '',
  'google.protobuf.Int64Value': '0',
  'google.protobuf.UInt64Value': '0',
  'google.protobuf.Int32Value': 0,
  'google.protobuf.UInt32Value': 0,
  'google.protobuf.FloatValue': 0,
  'google.protobuf.DoubleValue': 0,
};

/** A wrapper's value stands for the wrapper. */
function wrapper(typeName: string): WellKnown {
  return {
    read: (reader, context) => plain(typeName, reader, context).value ?? ZERO_OF_WRAPPER[typeName],
    write: (input, context) => writeOnly(typeName, input, context),
  };
}

/** Numbers of the arms of google.protobuf.Value with their wire types, as tags. */
const VALUE_TAGS = { null: 8, number: 17, string: 26, boolean: 32, struct: 42, list: 50 } as const;

function readArm(reader: Reader, tag: number, context: DecodeContext): unknown {
  if (tag === VALUE_TAGS.number) {
    const number = reader.double();
    if (!Number.isFinite(number))
      throw new WireError(`a google.protobuf.Value is ${number}, which JSON has no form for`);
    return number;
  }
  if (tag === VALUE_TAGS.string) return reader.string();
  if (tag === VALUE_TAGS.struct) return struct.read(reader.message(), context);
  if (tag === VALUE_TAGS.list) return list.read(reader.message(), context);
  reader.varint64();
  return tag === VALUE_TAGS.boolean ? reader.low !== 0 || reader.high !== 0 : null;
}

const TAGS_OF_VALUE: ReadonlySet<number> = new Set(Object.values(VALUE_TAGS));

const value: WellKnown = {
  read(reader, context) {
    return deeper(context, () => {
      let result: unknown = null;
      while (!reader.done) {
        const tag = reader.tag();
        if (TAGS_OF_VALUE.has(tag)) result = readArm(reader, tag, context);
        else passOver(reader, tag, 'google.protobuf.Value', context);
      }
      return result;
    });
  },
  write(input, context) {
    const { writer } = context;
    if (input === null) {
      writer.tag(1, 0);
      writer.varint32(0);
    } else if (typeof input === 'number' && Number.isFinite(input)) {
      writer.tag(2, 1);
      writer.double(input);
    } else if (typeof input === 'string') {
      writer.tag(3, 2);
      writer.string(input);
    } else if (typeof input === 'boolean') {
      writer.tag(4, 0);
      writer.varint32(input ? 1 : 0);
    } else if (isPlainObject(input) || Array.isArray(input)) {
      writer.tag(Array.isArray(input) ? 6 : 5, 2);
      const mark = writer.begin();
      writeBody(Array.isArray(input) ? 'google.protobuf.ListValue' : 'google.protobuf.Struct', input, context);
      writer.end(mark);
    } else report(context, 'a value of JSON', input);
  },
};

const list: WellKnown = {
  read(reader, context) {
    return deeper(context, () => {
      const items: unknown[] = [];
      while (!reader.done) {
        const tag = reader.tag();
        if (tag === 10) items.push(value.read(reader.message(), context));
        else passOver(reader, tag, 'google.protobuf.ListValue', context);
      }
      return items;
    });
  },
  write(input, context) {
    if (!Array.isArray(input)) {
      report(context, 'a list', input);
      return;
    }
    eachItem(input, context, (item) => {
      context.writer.tag(1, 2);
      const mark = context.writer.begin();
      writeBody('google.protobuf.Value', item, context);
      context.writer.end(mark);
    });
  },
};

const struct: WellKnown = {
  read: (reader, context) => plain('google.protobuf.Struct', reader, context).fields ?? {},
  write(input, context) {
    if (isPlainObject(input)) writeOnly('google.protobuf.Struct', input, context);
    else report(context, 'an object', input);
  },
};

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Paths are spelled in lowerCamelCase in ProtoJSON, each of their names; those that would not come back are refused. */
const fieldMask: WellKnown = {
  read(reader, context) {
    const paths = (plain('google.protobuf.FieldMask', reader, context).paths ?? []) as string[];
    const lost = paths.find((path) => snakeCase(lowerCamelCase(path)) !== path);
    if (lost !== undefined) throw new WireError(`the path ${picture(lost)} of a field mask has no form in JSON`);
    return paths.map(lowerCamelCase).join(',');
  },
  write(input, context) {
    if (typeof input !== 'string' || !/^[^_\s]*$/.test(input)) {
      report(context, 'a comma-separated list of fields in lowerCamelCase', input);
      return;
    }
    writeOnly('google.protobuf.FieldMask', input === '' ? [] : input.split(',').map(snakeCase), context);
  },
};

/** The message name in an Any's type URL: what follows the last slash. */
export function typeNameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}

function readContent(typeUrl: string, bytes: Buffer, context: DecodeContext): unknown {
  if (typeUrl === '' && bytes.length === 0) return {};
  const typeName = typeNameOf(typeUrl);
  if (!context.tables.has(typeName)) return { '@type': typeUrl, '@bytes': bytes.toString('base64') };
  const special = WELL_KNOWN[typeName];
  if (special) return { '@type': typeUrl, value: special.read(new Reader(bytes), context) };
  return decodeInto(new Reader(bytes), typeName, context, { '@type': typeUrl });
}

function refuse(name: string, message: string, context: EncodeContext): void {
  context.path.enter(name);
  context.violations.push({ path: context.path.toString(), message });
  context.path.leave();
}

/** The content of an Any that is not empty; a message with a form of its own stands in `value`. */
function writeContent(typeUrl: string, fields: Record<string, unknown>, context: EncodeContext): void {
  const typeName = typeNameOf(typeUrl);
  if (!WELL_KNOWN[typeName]) {
    writeBody(typeName, fields, context);
    return;
  }
  for (const name of Object.keys(fields)) {
    if (name !== 'value') refuse(name, `${typeName} in an Any has "value" alone`, context);
  }
  context.path.enter('value');
  writeBody(typeName, fields.value, context);
  context.path.leave();
}

const any: WellKnown = {
  read(reader, context) {
    return deeper(context, () => {
      let typeUrl = '';
      let bytes: Buffer = Buffer.alloc(0);
      while (!reader.done) {
        const tag = reader.tag();
        if (tag === 10) typeUrl = reader.string();
        else if (tag === 18) bytes = reader.chunk();
        else passOver(reader, tag, 'google.protobuf.Any', context);
      }
      return readContent(typeUrl, bytes, context);
    });
  },
  write(input, context) {
    if (isPlainObject(input) && Object.keys(input).length === 0) return;
    const typeUrl = isPlainObject(input) ? input['@type'] : undefined;
    if (!isPlainObject(input) || typeof typeUrl !== 'string') {
      report(context, 'an object with "@type"', input);
      return;
    }
    const { '@type': _, '@bytes': encoded, ...fields } = input;
    const kept = base64Bytes(encoded);
    if (encoded !== undefined && !kept) {
      refuse('@bytes', `expected bytes, got ${picture(encoded)}`, context);
      return;
    }
    if (!kept && !context.tables.has(typeNameOf(typeUrl))) {
      context.violations.push({ path: context.path.toString(), message: `the type ${typeUrl} is not known` });
      return;
    }
    const { writer } = context;
    if (typeUrl !== '') {
      writer.tag(1, 2);
      writer.string(typeUrl);
    }
    const start = writer.position;
    writer.tag(2, 2);
    const mark = writer.begin();
    if (kept) {
      writer.raw(kept);
      for (const name of Object.keys(fields)) refuse(name, 'cannot stand beside "@bytes"', context);
    } else writeContent(typeUrl, fields, context);
    // A content without bytes is not written, as any other empty field of bytes.
    if (writer.position === mark + 1) writer.position = start;
    else writer.end(mark);
  },
};

const WELL_KNOWN: Readonly<Record<string, WellKnown>> = {
  'google.protobuf.Any': any,
  'google.protobuf.Duration': duration,
  'google.protobuf.Timestamp': timestamp,
  'google.protobuf.Struct': struct,
  'google.protobuf.Value': value,
  'google.protobuf.ListValue': list,
  'google.protobuf.FieldMask': fieldMask,
  ...Object.fromEntries(Object.keys(ZERO_OF_WRAPPER).map((name) => [name, wrapper(name)])),
};

export function readWellKnown(typeName: string): Read | undefined {
  return WELL_KNOWN[typeName]?.read;
}

export function writeWellKnown(typeName: string): Write | undefined {
  return WELL_KNOWN[typeName]?.write;
}
