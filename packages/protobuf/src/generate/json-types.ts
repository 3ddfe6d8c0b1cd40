import type { FieldDescriptor, FileDescriptorSet, MessageDescriptor } from '../descriptor.ts';
import { bare, type Collected, collect, ENUM_TYPE, MESSAGE_TYPE, mapEntry, oneofOf, REPEATED } from './collect.ts';

/** TypeScript of the well-known types' ProtoJSON forms. */
const WELL_KNOWN: Readonly<Record<string, string>> = {
  'google.protobuf.Any': 'AnyMessage',
  'google.protobuf.Duration': 'string',
  'google.protobuf.Timestamp': 'string',
  'google.protobuf.FieldMask': 'string',
  'google.protobuf.Struct': 'Record<string, unknown>',
  'google.protobuf.Value': 'unknown',
  'google.protobuf.ListValue': 'readonly unknown[]',
  'google.protobuf.BoolValue': 'boolean',
  'google.protobuf.StringValue': 'string',
  'google.protobuf.BytesValue': 'string',
  'google.protobuf.Int32Value': 'number',
  'google.protobuf.UInt32Value': 'number',
  'google.protobuf.Int64Value': 'string | number',
  'google.protobuf.UInt64Value': 'string | number',
  'google.protobuf.FloatValue': 'number',
  'google.protobuf.DoubleValue': 'number',
};

const INTEGERS_64 = new Set([3, 4, 6, 16, 18]);

function identifier(name: string): string {
  return name.replaceAll('.', '_');
}

function typeText(field: FieldDescriptor): string {
  if (field.type === MESSAGE_TYPE) {
    const name = bare(field.typeName);
    return WELL_KNOWN[name] ?? identifier(name);
  }
  if (field.type === ENUM_TYPE)
    return field.typeName === '.google.protobuf.NullValue' ? 'null' : identifier(bare(field.typeName));
  if (field.type === 8) return 'boolean';
  if (field.type === 9 || field.type === 12) return 'string';
  return INTEGERS_64.has(field.type) ? 'string | number' : 'number';
}

function fieldTypeText(field: FieldDescriptor, all: Collected): string {
  const value = mapEntry(field, all)?.field[1];
  if (value) return `Readonly<Record<string, ${typeText(value)}>>`;
  return field.label === REPEATED ? `readonly (${typeText(field)})[]` : typeText(field);
}

function property(field: FieldDescriptor, all: Collected): string {
  return `${field.options?.deprecated ? '/** @deprecated */ ' : ''}readonly ${field.name}?: ${fieldTypeText(field, all)};`;
}

/** Of a oneof: a union in which one arm is set and the others are not. */
function oneofText(fields: readonly FieldDescriptor[], all: Collected): string {
  if (fields.length === 1) return `{ ${property(fields[0] as FieldDescriptor, all)} }`;
  const arms = fields.map((field) => {
    const others = fields.filter((other) => other !== field).map((other) => `readonly ${other.name}?: never;`);
    return `{ ${property(field, all)} ${others.join(' ')} }`;
  });
  return `(${arms.join(' | ')})`;
}

function messageText(name: string, message: MessageDescriptor, all: Collected): string {
  const plain: string[] = [];
  const oneofs = new Map<string, FieldDescriptor[]>();
  for (const field of message.field) {
    const oneof = oneofOf(field, message);
    if (oneof) oneofs.set(oneof, [...(oneofs.get(oneof) ?? []), field]);
    else plain.push(`  ${property(field, all)}`);
  }
  const body = plain.length === 0 ? '{}' : `{\n${plain.join('\n')}\n}`;
  const parts = [...oneofs.values()].map((fields) => oneofText(fields, all));
  if (parts.length > 0 && plain.length === 0) return `export type ${identifier(name)} = ${parts.join(' & ')};`;
  return `export type ${identifier(name)} = ${[body, ...parts].join(' & ')};`;
}

/**
 * TypeScript for the ProtoJSON values of every message of a descriptor set: a type for each, and `Messages`, from full
 * name to type. Message names that `only` does not hold are left out.
 */
export function jsonTypesOf(set: FileDescriptorSet, only: ReadonlySet<string>): string {
  const all = collect(set);
  const lines = ['// Generated from the descriptors; see the package README.', ''];
  lines.push('/** A google.protobuf.Any in ProtoJSON: the type URL, and the fields of the message beside it. */');
  lines.push("export interface AnyMessage { readonly '@type': string; readonly [field: string]: unknown }", '');
  const index: string[] = [];
  for (const [name, { descriptor }] of all.messages) {
    if (!only.has(name) || descriptor.options?.mapEntry || WELL_KNOWN[name]) continue;
    lines.push(messageText(name, descriptor, all));
    index.push(`  readonly '${name}': ${identifier(name)};`);
  }
  for (const [name, { descriptor }] of all.enums) {
    if (!only.has(name)) continue;
    const values = [...descriptor.value.map((value) => `'${value.name}'`), 'number'];
    lines.push(`export type ${identifier(name)} = ${values.join(' | ')};`);
  }
  lines.push(
    '',
    '/** From full name to the type of its ProtoJSON. */',
    'export interface Messages {',
    ...index,
    '}',
    '',
  );
  return lines.join('\n');
}
