/** An index of descriptors for server reflection: which file defines what, and what it imports. */
import { readFileSync } from 'node:fs';
import { adminDescriptors } from '@weft/contracts/admin';
import { createNativeCodec } from '@weft/protobuf';

interface Named {
  readonly name: string;
}

interface MessageDescriptor extends Named {
  readonly nestedType: readonly MessageDescriptor[];
  readonly enumType: readonly Named[];
  readonly field: readonly Named[];
}

interface FileDescriptor extends Named {
  readonly package: string;
  readonly dependency: readonly string[];
  readonly messageType: readonly MessageDescriptor[];
  readonly enumType: readonly Named[];
  readonly service: readonly (Named & { readonly method: readonly Named[] })[];
}

const codec = createNativeCodec({
  messages: {
    // The files stay bytes: they are passed on as they are.
    FileSet: '1 file *B',
    File: '1 name =s;2 package =s;3 dependency *s;4 message_type *m Message;5 enum_type *m Named;6 service *m Service',
    Message: '1 name =s;2 field *m Named;3 nested_type *m Message;4 enum_type *m Named',
    Service: '1 name =s;2 method *m Named',
    Named: '1 name =s',
  },
  enums: {},
});

interface IndexedFile {
  readonly bytes: Uint8Array;
  readonly dependencies: readonly string[];
}

/** The descriptors of the admin port's services, with what they import. */
export class DescriptorIndex {
  readonly services: readonly string[];
  readonly #files = new Map<string, IndexedFile>();
  readonly #fileOfSymbol = new Map<string, string>();

  /** `sets` are serialized FileDescriptorSets. */
  constructor(sets: readonly Uint8Array[]) {
    const services: string[] = [];
    for (const set of sets) {
      const { file } = codec.decode('FileSet', set) as { readonly file: readonly Uint8Array[] };
      for (const bytes of file) services.push(...this.#add(bytes));
    }
    this.services = services.sort();
  }

  #add(bytes: Uint8Array): readonly string[] {
    const file = codec.decode('File', bytes) as FileDescriptor;
    this.#files.set(file.name, { bytes, dependencies: file.dependency });
    const define = (symbol: string) => this.#fileOfSymbol.set(symbol, file.name);
    const defineMessage = (scope: string, message: MessageDescriptor): void => {
      const name = `${scope}.${message.name}`;
      define(name);
      for (const field of message.field) define(`${name}.${field.name}`);
      for (const nested of message.enumType) define(`${name}.${nested.name}`);
      for (const nested of message.nestedType) defineMessage(name, nested);
    };
    for (const message of file.messageType) defineMessage(file.package, message);
    for (const { name } of file.enumType) define(`${file.package}.${name}`);
    return file.service.map((service) => {
      const name = `${file.package}.${service.name}`;
      define(name);
      for (const method of service.method) define(`${name}.${method.name}`);
      return name;
    });
  }

  fileOf(symbol: string): string | undefined {
    return this.#fileOfSymbol.get(symbol);
  }

  /** The file and all that it imports, itself first; undefined when there is no such file. */
  closure(fileName: string): readonly Uint8Array[] | undefined {
    if (!this.#files.has(fileName)) return undefined;
    const names = new Set([fileName]);
    // A set's iterator also visits what is added meanwhile.
    for (const name of names) for (const imported of this.#files.get(name)?.dependencies ?? []) names.add(imported);
    return [...names].flatMap((name) => this.#files.get(name)?.bytes ?? []);
  }
}

/** Of everything that the admin port serves. */
export function adminPortDescriptors(): DescriptorIndex {
  const grpc = readFileSync(new URL('../gen/grpc.binpb', import.meta.url));
  return new DescriptorIndex([adminDescriptors(), grpc]);
}
