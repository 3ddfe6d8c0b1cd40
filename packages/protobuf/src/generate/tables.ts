import type { FieldDescriptor, FileDescriptor, FileDescriptorSet, MessageDescriptor } from '../descriptor.ts';
import type { FieldType, Presence, TableSource } from '../table.ts';
import {
  bare,
  type Collected,
  checkField,
  collect,
  ENUM_TYPE,
  MESSAGE_TYPE,
  mapEntry,
  oneofOf,
  REPEATED,
} from './collect.ts';

/** By FieldDescriptorProto.Type. */
const TYPE_LETTERS: readonly (FieldType | undefined)[] = [
  undefined,
  'd',
  'f',
  'I',
  'U',
  'i',
  'X',
  'x',
  'b',
  's',
  undefined,
  'm',
  'B',
  'u',
  'e',
  'y',
  'Y',
  'z',
  'Z',
];

function letter(field: FieldDescriptor): FieldType {
  const found = TYPE_LETTERS[field.type];
  if (!found) throw new Error(`field ${field.name} has a type that is not supported: ${field.type}`);
  return found;
}

function isPackable(field: FieldDescriptor): boolean {
  return !['s', 'B', 'm'].includes(letter(field));
}

function presence(field: FieldDescriptor, file: FileDescriptor, message: MessageDescriptor): Presence {
  const proto3 = file.syntax === 'proto3';
  if (field.label === REPEATED) return isPackable(field) && (field.options?.packed ?? proto3) ? '+' : '*';
  if (!proto3 || field.proto3Optional || field.type === MESSAGE_TYPE || oneofOf(field, message)) return '?';
  return '=';
}

function fieldText(field: FieldDescriptor, message: MessageDescriptor, file: FileDescriptor, all: Collected): string {
  const entry = mapEntry(field, all);
  const [key, value] = entry?.field ?? [];
  const subject = value ?? field;
  const kind = key && value ? `%${letter(key)}${letter(value)}` : `${presence(field, file, message)}${letter(field)}`;
  const words = [String(field.number), field.name, kind];
  if (subject.type === MESSAGE_TYPE || subject.type === ENUM_TYPE) words.push(bare(subject.typeName));
  const oneof = oneofOf(field, message);
  if (oneof) words.push(`@${oneof}`);
  return words.join(' ');
}

function messageText(name: string, message: MessageDescriptor, file: FileDescriptor, all: Collected): string {
  if (file.syntax === 'editions') throw new Error(`${file.name}: editions are not supported`);
  const fields = [...message.field].sort((a, b) => a.number - b.number);
  for (const field of fields) checkField(name, field);
  return fields.map((field) => fieldText(field, message, file, all)).join(';');
}

/** The names of `roots` and of every message and enum that their fields reach. */
export function closure(all: Collected, roots: Iterable<string>): ReadonlySet<string> {
  const reached = new Set<string>();
  const waiting = [...roots];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (reached.has(name)) continue;
    const message = all.messages.get(name);
    if (!message && !all.enums.has(name)) throw new Error(`the descriptors hold no ${name}`);
    reached.add(name);
    for (const field of message?.descriptor.field ?? []) {
      if (field.type === MESSAGE_TYPE || field.type === ENUM_TYPE) waiting.push(bare(field.typeName));
    }
  }
  return reached;
}

/** The tables of a descriptor set, or of the part of it that `only` names. */
export function tablesOf(set: FileDescriptorSet, only?: ReadonlySet<string>): TableSource {
  const all = collect(set);
  const messages: Record<string, string> = {};
  const enums: Record<string, string> = {};
  for (const [name, { descriptor, file }] of [...all.messages].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (descriptor.options?.mapEntry || (only && !only.has(name))) continue;
    messages[name] = messageText(name, descriptor, file, all);
  }
  for (const [name, { descriptor }] of [...all.enums].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (only && !only.has(name)) continue;
    enums[name] = descriptor.value.map((value) => `${value.name}=${value.number}`).join(';');
  }
  return { messages, enums };
}
