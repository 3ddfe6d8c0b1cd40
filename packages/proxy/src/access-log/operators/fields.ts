/** Operators that tell of the messages themselves: fields, path, query, status of gRPC. */
import type { HeaderList } from '../../http/header-list.ts';
import { percentDecoded } from '../../http/percent.ts';
import { GRPC_STATUS_NAMES, grpcOutcome, isGrpcRequest } from '../../stack/grpc.ts';
import type { StreamInfo } from '../../stack/stream-info.ts';
import { requestField } from '../request-field.ts';
import { type Command, type Commands, nonEmpty, type Operator, type Operators, wordOf } from './operator.ts';

/** What a gRPC request came to; undefined of others. */
function grpcStatusOf({ request, response, responseTrailers }: StreamInfo): number | undefined {
  return request && isGrpcRequest(request) ? grpcOutcome(response, responseTrailers) : undefined;
}

function snakeStatus(info: StreamInfo): string | undefined {
  const status = grpcStatusOf(info);
  return status === undefined ? undefined : (GRPC_STATUS_NAMES[status] ?? String(status));
}

/** `DeadlineExceeded`; it is Envoy that writes one L in Canceled. */
function camelStatus(info: StreamInfo): string | undefined {
  const name = snakeStatus(info);
  if (name === undefined || name === 'OK') return name;
  if (name === 'CANCELLED') return 'Canceled';
  return name.toLowerCase().replaceAll(/(?:^|_)(.)/g, (_all, letter: string) => letter.toUpperCase());
}

const GRPC_STATUS_FORMS = { CAMEL_STRING: camelStatus, SNAKE_STRING: snakeStatus, NUMBER: grpcStatusOf } as const;

function grpcStatus(argument: string): Operator | string {
  const form = wordOf(argument, ['CAMEL_STRING', 'SNAKE_STRING', 'NUMBER']);
  return form ? GRPC_STATUS_FORMS[form] : `%GRPC_STATUS(${argument})%: expected CAMEL_STRING, SNAKE_STRING or NUMBER`;
}

/** Names and values, as Envoy adds them up. */
function bytesOf(headers: HeaderList | undefined): number {
  let bytes = 0;
  for (const text of headers?.flat ?? []) bytes += text.length;
  return bytes;
}

function requestBytes({ request }: StreamInfo): number {
  if (!request) return 0;
  const pseudo = [':method', ':path', ':authority', ':scheme'];
  return pseudo.reduce((bytes, name) => {
    const value = requestField(request, name);
    return value === undefined || value === '' ? bytes : bytes + name.length + value.length;
  }, bytesOf(request.headers));
}

const STATUS_BYTES = ':status200'.length;

export const MESSAGES: Operators = {
  GRPC_STATUS_NUMBER: grpcStatusOf,
  STREAM_ID: (info) => info.request?.headers.get('x-request-id'),
  REQUEST_HEADERS_BYTES: requestBytes,
  RESPONSE_HEADERS_BYTES: ({ response }) => (response ? bytesOf(response.headers) + STATUS_BYTES : 0),
  RESPONSE_TRAILERS_BYTES: ({ responseTrailers }) => bytesOf(responseTrailers),
};

/** Of a field, or of another where there is none: `x-envoy-original-path?:path`. */
function eitherField(read: (info: StreamInfo, name: string) => string | undefined): Command {
  const compile = (argument: string): Operator | string => {
    const [name = '', other, ...rest] = argument.toLowerCase().split('?');
    if (name === '' || rest.length > 0)
      return `(${argument}): expected the name of a field, or two with ? between them`;
    return (info) => read(info, name) ?? (other === undefined ? undefined : read(info, other));
  };
  return { isArgumentNeeded: true, canBeCut: true, compile };
}

const ofRequest = ({ request }: StreamInfo, name: string): string | undefined =>
  request && (request.headers.get(name) ?? requestField(request, name));

const ofResponse = ({ response }: StreamInfo, name: string): string | undefined =>
  name === ':status' ? response && String(response.status) : response?.headers.get(name);

const ofTrailers = ({ responseTrailers }: StreamInfo, name: string): string | undefined => responseTrailers?.get(name);

function withoutQuery(path: string | undefined): string | undefined {
  const query = path?.indexOf('?') ?? -1;
  return query === -1 ? path : path?.slice(0, query);
}

function queryOf({ request }: StreamInfo): string | undefined {
  const query = request?.path.indexOf('?') ?? -1;
  return query === -1 ? undefined : request?.path.slice(query + 1);
}

/** Of a name that comes more than once the first counts; names and values are told without their escapes. */
function queryParameter(name: string): Operator {
  return (info) => {
    for (const pair of queryOf(info)?.split('&') ?? []) {
      const equals = pair.indexOf('=');
      if (percentDecoded(equals === -1 ? pair : pair.slice(0, equals)) !== name) continue;
      return equals === -1 ? '' : percentDecoded(pair.slice(equals + 1));
    }
    return undefined;
  };
}

function query(argument: string): Operator | string {
  const form = wordOf(argument, ['ORIG', 'DECODED']);
  if (!form) return `%QUERY_PARAMS(${argument})%: expected ORIG or DECODED`;
  if (form === 'ORIG') return queryOf;
  // What cannot be seen stays escaped, as Envoy has it: a line of a log stays one line.
  return (info) => queryOf(info)?.replaceAll(/%(2[1-9A-Fa-f]|[3-6][0-9A-Fa-f]|7[0-9A-Ea-e])/g, percentDecoded);
}

function path(argument: string): Operator | string {
  const [part = '', source = '', ...rest] = argument.split(':');
  const form = wordOf(part, ['WQ', 'NQ']);
  const from = wordOf(source, ['ORIG_OR_PATH', 'ORIG', 'PATH']);
  if (!form || !from || rest.length > 0) {
    return `%PATH(${argument})%: expected WQ or NQ, then perhaps ORIG, PATH or ORIG_OR_PATH after a colon`;
  }
  return ({ request }) => {
    const original = from === 'PATH' ? undefined : request?.headers.get('x-envoy-original-path');
    const found = original ?? (from === 'ORIG' ? undefined : nonEmpty(request?.path));
    return form === 'NQ' ? withoutQuery(found) : found;
  };
}

const serverName = ({ downstream }: StreamInfo): string | undefined =>
  nonEmpty(downstream.requestedServerName ?? downstream.tls?.serverName);

/** The name that the client asked TLS for, or HTTP. */
function requestedServerName(argument: string): Operator | string {
  const [first = '', source = '', ...rest] = argument.split(':');
  const form = wordOf(first, ['SNI_ONLY', 'SNI_FIRST', 'HOST_FIRST']);
  const from = wordOf(source, ['ORIG_OR_HOST', 'ORIG', 'HOST']);
  if (!form || !from || rest.length > 0) {
    return `%REQUESTED_SERVER_NAME(${argument})%: expected SNI_ONLY, SNI_FIRST or HOST_FIRST, then perhaps ORIG, HOST or ORIG_OR_HOST after a colon`;
  }
  if (form === 'SNI_ONLY') return serverName;
  const host = ({ request }: StreamInfo): string | undefined => {
    const original = from === 'HOST' ? undefined : request?.headers.get('x-envoy-original-host');
    return nonEmpty(original ?? (from === 'ORIG' ? undefined : request?.authority));
  };
  if (form === 'SNI_FIRST') return (info) => serverName(info) ?? host(info);
  return (info) => host(info) ?? serverName(info);
}

const REQUEST_FIELD = eitherField(ofRequest);
const RESPONSE_FIELD = eitherField(ofResponse);
const TRAILER_FIELD = eitherField(ofTrailers);

export const FIELDS: Commands = {
  REQ: REQUEST_FIELD,
  REQUEST_HEADER: REQUEST_FIELD,
  RESP: RESPONSE_FIELD,
  RESPONSE_HEADER: RESPONSE_FIELD,
  TRAILER: TRAILER_FIELD,
  RESPONSE_TRAILER: TRAILER_FIELD,
  REQ_WITHOUT_QUERY: eitherField((info, name) => withoutQuery(ofRequest(info, name))),
  GRPC_STATUS: { isArgumentNeeded: false, canBeCut: false, compile: grpcStatus },
  QUERY_PARAM: { isArgumentNeeded: true, canBeCut: true, compile: queryParameter },
  QUERY_PARAMS: { isArgumentNeeded: false, canBeCut: true, compile: query },
  PATH: { isArgumentNeeded: false, canBeCut: true, compile: path },
  REQUESTED_SERVER_NAME: { isArgumentNeeded: false, canBeCut: false, compile: requestedServerName },
};
