import type {
  EnumDescriptor,
  FieldDescriptor,
  FileDescriptor,
  FileDescriptorSet,
  MessageDescriptor,
} from '../descriptor.ts';
import { isReservedName, lowerCamelCase } from '../table.ts';

/** A message or enum with the full name and file that it has in a descriptor set. */
export interface Collected {
  readonly messages: ReadonlyMap<string, { readonly descriptor: MessageDescriptor; readonly file: FileDescriptor }>;
  readonly enums: ReadonlyMap<string, { readonly descriptor: EnumDescriptor; readonly file: FileDescriptor }>;
}

/** Every message and enum of a descriptor set, nested ones too, by full name. */
export function collect(set: FileDescriptorSet): Collected {
  const messages = new Map<string, { descriptor: MessageDescriptor; file: FileDescriptor }>();
  const enums = new Map<string, { descriptor: EnumDescriptor; file: FileDescriptor }>();
  const visit = (file: FileDescriptor, prefix: string, descriptor: MessageDescriptor): void => {
    const name = prefix === '' ? descriptor.name : `${prefix}.${descriptor.name}`;
    messages.set(name, { descriptor, file });
    for (const nested of descriptor.nestedType) visit(file, name, nested);
    for (const nested of descriptor.enumType) enums.set(`${name}.${nested.name}`, { descriptor: nested, file });
  };
  for (const file of set.file) {
    for (const descriptor of file.messageType) visit(file, file.package, descriptor);
    for (const descriptor of file.enumType) {
      enums.set(file.package === '' ? descriptor.name : `${file.package}.${descriptor.name}`, { descriptor, file });
    }
  }
  return { messages, enums };
}

/** A full name without the leading dot that descriptors write. */
export function bare(typeName: string): string {
  return typeName.replace(/^\./, '');
}

/** The map entry message of a map field, else undefined. */
export function mapEntry(field: FieldDescriptor, all: Collected): MessageDescriptor | undefined {
  if (field.type !== MESSAGE_TYPE || field.label !== REPEATED) return undefined;
  const entry = all.messages.get(bare(field.typeName))?.descriptor;
  return entry?.options?.mapEntry ? entry : undefined;
}

export const MESSAGE_TYPE = 11;
export const ENUM_TYPE = 14;
export const REPEATED = 3;

/** The name of the oneof that the field is in; a proto3 `optional` is in none. */
export function oneofOf(field: FieldDescriptor, message: MessageDescriptor): string | undefined {
  if (field.oneofIndex === undefined || field.proto3Optional) return undefined;
  return message.oneofDecl[field.oneofIndex]?.name;
}

/** Refuses what the tables have no form for, by name. */
export function checkField(messageName: string, field: FieldDescriptor): void {
  if (field.type === 10) throw new Error(`${messageName}.${field.name}: groups are not supported`);
  if (isReservedName(field.name) || isReservedName(lowerCamelCase(field.name))) {
    throw new Error(`${messageName}.${field.name}: every object has a property of that name, so it is not supported`);
  }
  if (field.jsonName !== '' && field.jsonName !== lowerCamelCase(field.name)) {
    throw new Error(`${messageName}.${field.name}: the json_name ${field.jsonName} is not supported`);
  }
}
