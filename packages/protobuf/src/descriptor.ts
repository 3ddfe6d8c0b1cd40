/**
 * Descriptors: https://protobuf.dev/reference/protobuf/google.protobuf/#file-descriptor-set, as far as tables and types need
 * them, with the table that reads them written by hand: it is where reading begins.
 */
import { createNativeCodec, messageType } from './codec.ts';

export interface FieldDescriptor {
  readonly name: string;
  readonly number: number;
  /** 1 optional, 2 required, 3 repeated. */
  readonly label: number;
  /** FieldDescriptorProto.Type: 1 double … 18 sint64. */
  readonly type: number;
  /** Full name with a leading dot, of messages and enums. */
  readonly typeName: string;
  readonly oneofIndex?: number;
  readonly jsonName: string;
  readonly proto3Optional: boolean;
  readonly options?: FieldOptions;
}

export interface FieldOptions {
  readonly packed?: boolean;
  readonly deprecated: boolean;
}

export interface EnumDescriptor {
  readonly name: string;
  readonly value: readonly { readonly name: string; readonly number: number }[];
}

export interface MessageDescriptor {
  readonly name: string;
  readonly field: readonly FieldDescriptor[];
  readonly nestedType: readonly MessageDescriptor[];
  readonly enumType: readonly EnumDescriptor[];
  readonly oneofDecl: readonly { readonly name: string }[];
  readonly options?: { readonly mapEntry: boolean };
}

export interface MethodDescriptor {
  readonly name: string;
  readonly inputType: string;
  readonly outputType: string;
  readonly clientStreaming: boolean;
  readonly serverStreaming: boolean;
}

export interface ServiceDescriptor {
  readonly name: string;
  readonly method: readonly MethodDescriptor[];
}

export interface SourceLocation {
  readonly path: readonly number[];
  readonly leadingComments: string;
  readonly trailingComments: string;
}

export interface FileDescriptor {
  readonly name: string;
  readonly package: string;
  readonly dependency: readonly string[];
  readonly messageType: readonly MessageDescriptor[];
  readonly enumType: readonly EnumDescriptor[];
  readonly service: readonly ServiceDescriptor[];
  /** `proto2` is written as nothing. */
  readonly syntax: string;
  readonly sourceCodeInfo?: { readonly location: readonly SourceLocation[] };
}

export interface FileDescriptorSet {
  readonly file: readonly FileDescriptor[];
}

const codec = createNativeCodec({
  messages: {
    FileDescriptorSet: '1 file *m FileDescriptor',
    FileDescriptor:
      '1 name =s;2 package =s;3 dependency *s;4 message_type *m MessageDescriptor;5 enum_type *m EnumDescriptor;' +
      '6 service *m ServiceDescriptor;9 source_code_info ?m SourceCodeInfo;12 syntax =s',
    MessageDescriptor:
      '1 name =s;2 field *m FieldDescriptor;3 nested_type *m MessageDescriptor;4 enum_type *m EnumDescriptor;' +
      '7 options ?m MessageOptions;8 oneof_decl *m OneofDescriptor',
    MessageOptions: '7 map_entry =b',
    FieldDescriptor:
      '1 name =s;3 number =i;4 label =i;5 type =i;6 type_name =s;8 options ?m FieldOptions;9 oneof_index ?i;' +
      '10 json_name =s;17 proto3_optional =b',
    FieldOptions: '2 packed ?b;3 deprecated =b',
    OneofDescriptor: '1 name =s',
    EnumDescriptor: '1 name =s;2 value *m EnumValue',
    EnumValue: '1 name =s;2 number =i',
    ServiceDescriptor: '1 name =s;2 method *m MethodDescriptor',
    MethodDescriptor: '1 name =s;2 input_type =s;3 output_type =s;5 client_streaming =b;6 server_streaming =b',
    SourceCodeInfo: '1 location *m Location',
    Location: '1 path +i;3 leading_comments =s;4 trailing_comments =s',
  },
  enums: {},
});

/** A serialized google.protobuf.FileDescriptorSet, as `protoc --descriptor_set_out` writes it. */
export const fileDescriptorSet = messageType<FileDescriptorSet>(codec, 'FileDescriptorSet');
