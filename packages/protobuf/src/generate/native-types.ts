import type { FieldDescriptor, FileDescriptor, FileDescriptorSet, MessageDescriptor } from '../descriptor.ts';
import { lowerCamelCase } from '../table.ts';
import { bare, type Collected, collect, ENUM_TYPE, MESSAGE_TYPE, mapEntry, oneofOf, REPEATED } from './collect.ts';
import { closure, tablesOf } from './tables.ts';

/** Message and enum names of one package are unique without the package, so that is what TypeScript calls them. */
function shortName(fullName: string): string {
  return fullName.slice(fullName.lastIndexOf('.') + 1);
}

function typeText(field: FieldDescriptor): string {
  if (field.type === MESSAGE_TYPE || field.type === ENUM_TYPE) return shortName(field.typeName);
  if (field.type === 8) return 'boolean';
  if (field.type === 9) return 'string';
  return field.type === 12 ? 'Uint8Array' : 'number';
}

function propertyText(field: FieldDescriptor, all: Collected): string {
  const name = lowerCamelCase(field.name);
  const value = mapEntry(field, all)?.field[1];
  if (value) return `readonly ${name}: Readonly<Record<string, ${typeText(value)}>>;`;
  if (field.label === REPEATED) return `readonly ${name}: readonly ${typeText(field)}[];`;
  const optional = field.proto3Optional || field.type === MESSAGE_TYPE;
  return `readonly ${name}${optional ? '?' : ''}: ${typeText(field)};`;
}

function comment(text: string | undefined, indent: string): string[] {
  const lines = (text ?? '')
    .trim()
    .split('\n')
    .map((line) => line.trim());
  if (lines.length === 1) return lines[0] === '' ? [] : [`${indent}/** ${lines[0]} */`];
  return [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`.trimEnd()), `${indent} */`];
}

type Comments = (path: readonly number[]) => string | undefined;

function commentsOf(file: FileDescriptor): Comments {
  const byPath = new Map<string, string>();
  for (const { path, leadingComments, trailingComments } of file.sourceCodeInfo?.location ?? []) {
    byPath.set(path.join('.'), leadingComments || trailingComments);
  }
  return (path) => byPath.get(path.join('.'));
}

function messageText(
  message: MessageDescriptor,
  path: readonly number[],
  comments: Comments,
  all: Collected,
): string[] {
  for (const field of message.field) {
    if (oneofOf(field, message)) throw new Error(`${message.name}.${field.name}: oneof is not supported in contracts`);
  }
  if (message.nestedType.some((nested) => !nested.options?.mapEntry)) {
    throw new Error(`${message.name}: nested messages are not supported in contracts`);
  }
  const fields = message.field.flatMap((field, index) => [
    ...comment(comments([...path, 2, index]), '  '),
    `  ${propertyText(field, all)}`,
  ]);
  return [...comment(comments(path), ''), `export interface ${message.name} {`, ...fields, '}'];
}

/** Which module of generated code holds a file: `weft/bus/v1/bus.proto` is in `bus.ts`. */
function moduleOf(fileName: string): string {
  return `./${fileName.slice(fileName.lastIndexOf('/') + 1).replace(/\.proto$/, '.ts')}`;
}

/** Imports of what the file's messages and methods use of other files. */
function importLines(file: FileDescriptor, all: Collected): string[] {
  const byModule = new Map<string, Map<string, boolean>>();
  const use = (typeName: string, asValue: boolean): void => {
    const found = all.messages.get(bare(typeName)) ?? all.enums.get(bare(typeName));
    if (!found || found.file === file) return;
    const names = byModule.get(moduleOf(found.file.name)) ?? new Map<string, boolean>();
    names.set(shortName(typeName), asValue || (names.get(shortName(typeName)) ?? false));
    byModule.set(moduleOf(found.file.name), names);
  };
  for (const message of file.messageType) {
    for (const field of [...message.field, ...message.nestedType.flatMap((nested) => nested.field)]) {
      if (field.typeName !== '' && !all.messages.get(bare(field.typeName))?.descriptor.options?.mapEntry) {
        use(field.typeName, false);
      }
    }
  }
  for (const method of file.service.flatMap((service) => service.method)) {
    use(method.inputType, true);
    use(method.outputType, true);
  }
  return [...byModule].sort().map(([module, names]) => {
    const list = [...names].sort().map(([name, asValue]) => (asValue ? name : `type ${name}`));
    if ([...names.values()].includes(true)) return `import { ${list.join(', ')} } from '${module}';`;
    return `import type { ${[...names.keys()].sort().join(', ')} } from '${module}';`;
  });
}

function methodKind(client: boolean, server: boolean): string {
  if (client && server) return 'bidi';
  if (client) return 'client-stream';
  return server ? 'server-stream' : 'unary';
}

function serviceText(file: FileDescriptor, comments: Comments): string[] {
  return file.service.flatMap((service, serviceIndex) => {
    const methods = service.method.flatMap((method, index) => {
      const kind = methodKind(method.clientStreaming, method.serverStreaming);
      const path = `/${file.package}.${service.name}/${method.name}`;
      return [
        ...comment(comments([6, serviceIndex, 2, index]), '  '),
        `  ${method.name[0]?.toLowerCase()}${method.name.slice(1)}: {`,
        `    path: '${path}',`,
        `    kind: '${kind}',`,
        `    request: ${shortName(bare(method.inputType))},`,
        `    response: ${shortName(bare(method.outputType))},`,
        '  },',
      ];
    });
    return [
      ...comment(comments([6, serviceIndex]), ''),
      `export const ${service.name} = {`,
      ...methods,
      '} as const;',
      '',
    ];
  });
}

/** TypeScript of one .proto file of one's own: an interface, a `MessageType` and, of services, the methods' descriptors. */
export function nativeModule(set: FileDescriptorSet, fileName: string): string {
  const all = collect(set);
  const file = set.file.find((candidate) => candidate.name === fileName);
  if (!file) throw new Error(`the descriptors hold no ${fileName}`);
  const comments = commentsOf(file);
  const roots = [...file.messageType, ...file.enumType].map(({ name }) => `${file.package}.${name}`);
  const tables = tablesOf(set, closure(all, roots));
  const lines = [
    `// Generated from ${fileName} by scripts/generate.ts; do not edit.`,
    "import { createNativeCodec, type MessageType, messageType } from '@weft/protobuf';",
    ...importLines(file, all),
    '',
    'const codec = createNativeCodec({',
    '  messages: {',
    ...Object.entries(tables.messages).map(([name, body]) => `    '${name}':\n      '${body}',`),
    '  },',
    '  enums: {',
    ...Object.entries(tables.enums).map(([name, body]) => `    '${name}': '${body}',`),
    '  },',
    '});',
    '',
  ];
  file.enumType.forEach((descriptor, index) => {
    lines.push(...comment(comments([5, index]), ''));
    lines.push(
      `export type ${descriptor.name} = ${descriptor.value.map((value) => `'${value.name}'`).join(' | ')};`,
      '',
    );
  });
  file.messageType.forEach((message, index) => {
    lines.push(...messageText(message, [4, index], comments, all));
    lines.push(
      `export const ${message.name}: MessageType<${message.name}> = messageType(codec, '${file.package}.${message.name}');`,
      '',
    );
  });
  return [...lines, ...serviceText(file, comments)].join('\n');
}
