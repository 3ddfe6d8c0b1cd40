/**
 * gRPC server reflection, `v1` and `v1alpha`, which differ in name alone:
 * https://github.com/grpc/grpc/blob/master/doc/server-reflection.md.
 */
import { STATUS_CODES } from '@weft/contracts/error';
import { createNativeCodec } from '@weft/protobuf';
import { type MountedService, type RawHandler, type RawStream, rawService } from '@weft/rpc';
import { adminPortDescriptors, type DescriptorIndex } from './descriptors.ts';

interface ReflectionRequest {
  readonly host: string;
  readonly fileByFilename?: string;
  readonly fileContainingSymbol?: string;
  readonly fileContainingExtension?: { readonly containingType: string; readonly extensionNumber: number };
  readonly allExtensionNumbersOfType?: string;
  readonly listServices?: string;
}

const codec = createNativeCodec({
  messages: {
    Request:
      '1 host =s;3 file_by_filename ?s @message_request;4 file_containing_symbol ?s @message_request;' +
      '5 file_containing_extension ?m ExtensionRequest @message_request;' +
      '6 all_extension_numbers_of_type ?s @message_request;7 list_services ?s @message_request',
    ExtensionRequest: '1 containing_type =s;2 extension_number =i',
    Response:
      '1 valid_host =s;2 original_request ?m Request;4 file_descriptor_response ?m Files @message_response;' +
      '5 all_extension_numbers_response ?m Extensions @message_response;' +
      '6 list_services_response ?m Services @message_response;7 error_response ?m Problem @message_response',
    Files: '1 file_descriptor_proto *B',
    Extensions: '1 base_type_name =s;2 extension_number +i',
    Services: '1 service *m Service',
    Service: '1 name =s',
    Problem: '1 error_code =i;2 error_message =s',
  },
  enums: {},
});

type Answer = Readonly<Record<string, unknown>>;

function problem(code: keyof typeof STATUS_CODES, errorMessage: string): Answer {
  return { errorResponse: { errorCode: STATUS_CODES[code], errorMessage } };
}

function files(index: DescriptorIndex, fileName: string | undefined, missing: string): Answer {
  const found = fileName === undefined ? undefined : index.closure(fileName);
  return found ? { fileDescriptorResponse: { fileDescriptorProto: found } } : problem('NOT_FOUND', missing);
}

function answer(index: DescriptorIndex, request: ReflectionRequest): Answer {
  if (request.listServices !== undefined) {
    return { listServicesResponse: { service: index.services.map((name) => ({ name })) } };
  }
  const { fileByFilename: file, fileContainingSymbol: symbol, allExtensionNumbersOfType: type } = request;
  if (file !== undefined) return files(index, file, `no file ${file} here`);
  if (symbol !== undefined) return files(index, index.fileOf(symbol), `no symbol ${symbol} here`);
  if (type !== undefined) {
    if (!index.fileOf(type)) return problem('NOT_FOUND', `no message ${type} here`);
    return { allExtensionNumbersResponse: { baseTypeName: type, extensionNumber: [] } };
  }
  if (request.fileContainingExtension) return problem('NOT_FOUND', 'the admin API has no extensions');
  return problem('INVALID_ARGUMENT', 'the request asks for nothing');
}

async function serve(stream: RawStream, index: () => DescriptorIndex): Promise<void> {
  for await (const bytes of stream.messages) {
    const originalRequest = codec.decode('Request', bytes) as ReflectionRequest;
    const response = { validHost: originalRequest.host, originalRequest, ...answer(index(), originalRequest) };
    if (!stream.send(codec.encode('Response', response))) await stream.drained();
  }
  stream.end();
}

/** The reflection service of the admin port; the descriptors are read when somebody first asks. */
export function reflectionService(): MountedService {
  let loaded: DescriptorIndex | undefined;
  const index = (): DescriptorIndex => {
    loaded ??= adminPortDescriptors();
    return loaded;
  };
  const handler: RawHandler = (stream) => {
    serve(stream, index).catch((thrown: unknown) => stream.end(thrown));
  };
  return rawService({
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo': handler,
    '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo': handler,
  });
}
