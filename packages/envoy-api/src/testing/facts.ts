/** What a descriptor set says, as lines that can be compared one by one. */
import type {
  FieldDescriptor,
  FileDescriptorSet,
  MessageDescriptor,
  ServiceDescriptor,
} from '@weft/protobuf/descriptor';
import { collect } from '@weft/protobuf/generate';

const LABELS = ['', 'optional', 'required', 'repeated'] as const;

/** The JSON name that the language guide gives a field; C++ leaves out what follows from the name. */
function defaultJsonName(name: string): string {
  return name.replace(/_+([^_]?)/g, (_, letter: string) => letter.toUpperCase());
}

function fieldFact(field: FieldDescriptor, message: MessageDescriptor): string {
  const words = [`= ${field.number}`, LABELS[field.label] ?? `label ${field.label}`, `type ${field.type}`];
  if (field.typeName !== '') words.push(field.typeName);
  words.push(`json ${field.jsonName || defaultJsonName(field.name)}`);
  if (field.oneofIndex !== undefined) words.push(`oneof ${message.oneofDecl[field.oneofIndex]?.name}`);
  if (field.proto3Optional) words.push('proto3_optional');
  if (field.options?.deprecated) words.push('deprecated');
  if (field.options?.packed !== undefined) words.push(`packed ${field.options.packed}`);
  return words.join(' ');
}

function serviceFacts(service: ServiceDescriptor, fullName: string, facts: Map<string, string>): void {
  facts.set(fullName, 'service');
  for (const method of service.method) {
    const request = `${method.clientStreaming ? 'stream ' : ''}${method.inputType}`;
    const response = `${method.serverStreaming ? 'stream ' : ''}${method.outputType}`;
    facts.set(`${fullName}.${method.name}`, `(${request}) returns (${response})`);
  }
}

/**
 * By full name, all that a codec needs to know of each message, field (number, label, type, JSON name, oneof, options),
 * enum, enum value, service and method in the set. Options that only documentation or validation read are left out.
 */
export function factsOf(set: FileDescriptorSet): ReadonlyMap<string, string> {
  const facts = new Map<string, string>();
  const { messages, enums } = collect(set);
  for (const [name, { descriptor, file }] of messages) {
    facts.set(
      name,
      `message of ${file.name} (${file.syntax || 'proto2'})${descriptor.options?.mapEntry ? ' map entry' : ''}`,
    );
    for (const field of descriptor.field) facts.set(`${name}.${field.name}`, fieldFact(field, descriptor));
  }
  for (const [name, { descriptor, file }] of enums) {
    facts.set(name, `enum of ${file.name}`);
    for (const { name: label, number } of descriptor.value) facts.set(`${name}.${label}`, `= ${number}`);
  }
  for (const file of set.file) {
    for (const service of file.service) serviceFacts(service, `${file.package}.${service.name}`, facts);
  }
  return facts;
}
