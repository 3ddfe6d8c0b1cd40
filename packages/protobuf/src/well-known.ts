/**
 * The messages with a ProtoJSON form of their own: https://protobuf.dev/programming-guides/json/.
 *
 * An `Any` whose type the tables do not hold is kept whole as `{ "@type": …, "@bytes": <base64> }`, a form of this
 * package, so that what cannot be read can still be shown and passed on.
 */
import { type DecodeContext, decodeInto } from './decode.ts';
import { type EncodeContext, eachItem, encodeField, isPlainObject, report, writeBody } from './encode.ts';
import { halves, signed64 } from './numbers.ts';
import type { Field } from './table.ts';
import { Reader } from './wire.ts';

type Read = (reader: Reader, context: DecodeContext) => unknown;
type Write = (value: unknown, context: EncodeContext) => void;

interface WellKnown {
  readonly read: Read;
  readonly write: Write;
}

function plain(typeName: string, reader: Reader, context: DecodeContext): Record<string, unknown> {
  return decodeInto(reader, typeName, context, {});
}

/** Seconds and nanoseconds of a Duration or Timestamp. */
function readTime(reader: Reader): { readonly seconds: number; readonly nanos: number } {
  let seconds = 0;
  let nanos = 0;
  while (!reader.done) {
    const tag = reader.varint32();
    if (tag === 8) {
      reader.varint64();
      seconds = Number(signed64(reader.low, reader.high));
    } else if (tag === 16) nanos = reader.varint32() | 0;
    else reader.skip(tag & 7);
  }
  return { seconds, nanos };
}

function writeTime(seconds: number, nanos: number, context: EncodeContext): void {
  if (seconds !== 0) {
    const { low, high } = halves(seconds);
    context.writer.tag(1, 0);
    context.writer.varint64(low, high);
  }
  if (nanos !== 0) {
    context.writer.tag(2, 0);
    context.writer.varint64(nanos >>> 0, nanos < 0 ? 0xffff_ffff : 0);
  }
}

function fraction(nanos: number): string {
  const digits = String(Math.abs(nanos)).padStart(9, '0');
  if (nanos === 0) return '';
  if (digits.endsWith('000000')) return `.${digits.slice(0, 3)}`;
  return digits.endsWith('000') ? `.${digits.slice(0, 6)}` : `.${digits}`;
}

const MAX_DURATION_SECONDS = 315_576_000_000;

const duration: WellKnown = {
  read(reader) {
    const { seconds, nanos } = readTime(reader);
    const sign = seconds < 0 || nanos < 0 ? '-' : '';
    return `${sign}${Math.abs(seconds)}${fraction(nanos)}s`;
  },
  write(value, context) {
    const match = typeof value === 'string' ? /^(-?)(\d+)(?:\.(\d{1,9}))?s$/.exec(value) : null;
    const seconds = Number(match?.[2]);
    if (!match || seconds > MAX_DURATION_SECONDS) {
      report(context, 'a duration such as "0.250s"', value);
      return;
    }
    const sign = match[1] === '-' ? -1 : 1;
    writeTime(sign * seconds, sign * Number((match[3] ?? '').padEnd(9, '0')), context);
  },
};

const timestamp: WellKnown = {
  read(reader) {
    const { seconds, nanos } = readTime(reader);
    const date = new Date(seconds * 1000);
    if (Number.isNaN(date.getTime())) return `${seconds}${fraction(nanos)}`;
    return date.toISOString().replace(/\.\d+Z$/, `${fraction(nanos)}Z`);
  },
  write(value, context) {
    const match =
      typeof value === 'string'
        ? /^(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/.exec(value)
        : null;
    const milliseconds = match ? Date.parse(`${match[1]}${match[3]}`) : Number.NaN;
    if (!match || Number.isNaN(milliseconds)) {
      report(context, 'a time such as "2026-01-02T03:04:05Z"', value);
      return;
    }
    writeTime(milliseconds / 1000, Number((match[2] ?? '').padEnd(9, '0')), context);
  },
};

/** The field of a message that has one alone. */
function onlyField(typeName: string, context: EncodeContext): Field {
  return context.tables.message(typeName).fields[0] as Field;
}

/** A wrapper's value stands for the wrapper. */
function wrapper(typeName: string): WellKnown {
  return {
    read(reader, context) {
      const value = plain(typeName, reader, context).value;
      return value ?? ZERO_OF_WRAPPER[typeName];
    },
    write(value, context) {
      encodeField(onlyField(typeName, context), value, context);
    },
  };
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

const value: WellKnown = {
  read(reader, context) {
    let result: unknown = null;
    while (!reader.done) {
      const tag = reader.varint32();
      if (tag === 8) {
        reader.varint64();
        result = null;
      } else if (tag === 17) result = reader.double();
      else if (tag === 26) result = reader.string();
      else if (tag === 32) {
        reader.varint64();
        result = reader.low !== 0;
      } else if (tag === 42) result = struct.read(reader.message(), context);
      else if (tag === 50) result = list.read(reader.message(), context);
      else reader.skip(tag & 7);
    }
    return result;
  },
  write(input, context) {
    const { writer } = context;
    if (input === null) {
      writer.tag(1, 0);
      writer.varint32(0);
    } else if (typeof input === 'number') {
      writer.tag(2, 1);
      writer.double(input);
    } else if (typeof input === 'string') {
      writer.tag(3, 2);
      writer.string(input);
    } else if (typeof input === 'boolean') {
      writer.tag(4, 0);
      writer.varint32(input ? 1 : 0);
    } else {
      writer.tag(Array.isArray(input) ? 6 : 5, 2);
      const mark = writer.begin();
      (Array.isArray(input) ? list : struct).write(input, context);
      writer.end(mark);
    }
  },
};

const list: WellKnown = {
  read(reader, context) {
    const items: unknown[] = [];
    while (!reader.done) {
      const tag = reader.varint32();
      if (tag === 10) items.push(nested(() => value.read(reader.message(), context), context));
      else reader.skip(tag & 7);
    }
    return items;
  },
  write(input, context) {
    if (!Array.isArray(input)) {
      report(context, 'a list', input);
      return;
    }
    eachItem(input, context, (item) => {
      context.writer.tag(1, 2);
      const mark = context.writer.begin();
      value.write(item, context);
      context.writer.end(mark);
    });
  },
};

function nested<T>(read: () => T, context: DecodeContext): T {
  if (++context.depth > 100) throw new Error('values are nested more than 100 deep');
  const result = read();
  context.depth--;
  return result;
}

const struct: WellKnown = {
  read(reader, context) {
    return nested(() => plain('google.protobuf.Struct', reader, context).fields ?? {}, context);
  },
  write(input, context) {
    if (isPlainObject(input)) encodeField(onlyField('google.protobuf.Struct', context), input, context);
    else report(context, 'an object', input);
  },
};

const fieldMask: WellKnown = {
  read(reader, context) {
    const paths = (plain('google.protobuf.FieldMask', reader, context).paths ?? []) as string[];
    return paths.join(',');
  },
  write(input, context) {
    if (typeof input !== 'string') {
      report(context, 'a comma-separated list of fields', input);
      return;
    }
    encodeField(onlyField('google.protobuf.FieldMask', context), input === '' ? [] : input.split(','), context);
  },
};

/** The message name in an Any's type URL: what follows the last slash. */
export function typeNameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}

const any: WellKnown = {
  read(reader, context) {
    let typeUrl = '';
    let bytes = Buffer.alloc(0) as Buffer;
    while (!reader.done) {
      const tag = reader.varint32();
      if (tag === 10) typeUrl = reader.string();
      else if (tag === 18) bytes = reader.chunk();
      else reader.skip(tag & 7);
    }
    const typeName = typeNameOf(typeUrl);
    if (!context.tables.has(typeName)) return { '@type': typeUrl, '@bytes': bytes.toString('base64') };
    const special = WELL_KNOWN[typeName];
    if (special) return { '@type': typeUrl, value: special.read(new Reader(bytes), context) };
    return decodeInto(new Reader(bytes), typeName, context, { '@type': typeUrl });
  },
  write(input, context) {
    const typeUrl = isPlainObject(input) ? input['@type'] : undefined;
    if (!isPlainObject(input) || typeof typeUrl !== 'string') {
      report(context, 'an object with "@type"', input);
      return;
    }
    const typeName = typeNameOf(typeUrl);
    const { '@type': _, ...fields } = input;
    if (typeof fields['@bytes'] !== 'string' && !context.tables.has(typeName)) {
      context.violations.push({ path: context.path.toString(), message: `the type ${typeUrl} is not known` });
      return;
    }
    const { writer } = context;
    writer.tag(1, 2);
    writer.string(typeUrl);
    writer.tag(2, 2);
    const mark = writer.begin();
    if (typeof fields['@bytes'] === 'string') {
      writer.end(mark);
      writer.position = mark;
      writer.chunk(Buffer.from(fields['@bytes'], 'base64'));
      return;
    }
    const special = WELL_KNOWN[typeName];
    if (special) special.write(fields.value, context);
    else writeBody(typeName, fields, context);
    writer.end(mark);
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
