/**
 * Command operators: `%RESPONSE_CODE%` and the like, in access logs, headers and bodies of local replies
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/advanced/substitution_formatter).
 */
import { hostname } from 'node:os';
import type { HeaderList } from '../http/header-list.ts';
import type { RequestHead } from '../http/message.ts';
import { GRPC_STATUS_NAMES, grpcOutcome, isGrpcRequest } from '../stack/grpc.ts';
import { flagsLongText, flagsText } from '../stack/response-flags.ts';
import type { CertificateNames, StreamInfo } from '../stack/stream-info.ts';
import { compileTimeFormat } from './time-format.ts';

/** What an operator stands for in one request; undefined: nothing. Numbers are numbers in JSON. */
export type Operator = (info: StreamInfo) => string | number | undefined;

/** The value of a field of a request, pseudo-fields among them. */
export function requestField(head: RequestHead, name: string): string | undefined {
  switch (name) {
    case ':method':
      return head.method;
    case ':path':
      return head.path === '' ? undefined : head.path;
    case ':authority':
    case 'host':
      return head.authority;
    case ':scheme':
      return head.scheme === '' ? (head.headers.get('x-forwarded-proto') ?? 'http') : head.scheme;
    default:
      return head.headers.joined(name);
  }
}

function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function whole(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : Math.floor(milliseconds);
}

const peer = (info: StreamInfo): CertificateNames | undefined => info.downstream.tls?.peer;
const local = (info: StreamInfo): CertificateNames | undefined => info.downstream.tls?.local;
const listed = (names: readonly string[] | undefined): string | undefined =>
  names && names.length > 0 ? names.join(',') : undefined;
const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

/** Operators without arguments. */
const PLAIN: Readonly<Record<string, Operator>> = {
  PROTOCOL: (info) => info.request?.protocol,
  RESPONSE_CODE: (info) => info.response?.status ?? 0,
  RESPONSE_CODE_DETAILS: (info) => nonEmpty(info.responseDetails),
  CONNECTION_TERMINATION_DETAILS: (info) => nonEmpty(info.terminationDetails),
  RESPONSE_FLAGS: (info) => flagsText(info.flags),
  RESPONSE_FLAGS_LONG: (info) => flagsLongText(info.flags),
  BYTES_RECEIVED: (info) => info.bytesReceived,
  BYTES_SENT: (info) => info.bytesSent,
  DURATION: (info) => whole(info.since(info.endMs)),
  REQUEST_DURATION: (info) => whole(info.since(info.lastRequestByteMs)),
  REQUEST_TX_DURATION: (info) => whole(info.since(info.lastUpstreamSentMs)),
  RESPONSE_DURATION: (info) => whole(info.since(info.firstUpstreamReceivedMs)),
  RESPONSE_TX_DURATION: (info) =>
    info.firstUpstreamReceivedMs === 0 ? undefined : whole(info.endMs - info.firstUpstreamReceivedMs),
  ROUTE_NAME: (info) => nonEmpty(info.routeName),
  UPSTREAM_CLUSTER: (info) => nonEmpty(info.cluster),
  UPSTREAM_CLUSTER_RAW: (info) => nonEmpty(info.cluster),
  UPSTREAM_HOST: (info) => nonEmpty(info.upstreamHost),
  /** The host may have been chosen and never been reached. */
  UPSTREAM_REMOTE_ADDRESS: (info) => (info.upstreamLocalAddress === '' ? undefined : info.upstreamHost),
  UPSTREAM_LOCAL_ADDRESS: (info) => nonEmpty(info.upstreamLocalAddress),
  UPSTREAM_TRANSPORT_FAILURE_REASON: (info) => nonEmpty(info.upstreamFailure),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: (info) => info.attempts,
  DOWNSTREAM_REMOTE_ADDRESS: (info) => hostPort(info.remoteHost, info.remotePort),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (info) => info.remoteHost,
  DOWNSTREAM_REMOTE_PORT: (info) => info.remotePort,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: ({ downstream }) =>
    hostPort(
      downstream.directRemoteHost ?? downstream.remoteHost,
      downstream.directRemotePort ?? downstream.remotePort,
    ),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: ({ downstream }) =>
    downstream.directRemoteHost ?? downstream.remoteHost,
  DOWNSTREAM_DIRECT_REMOTE_PORT: ({ downstream }) => downstream.directRemotePort ?? downstream.remotePort,
  DOWNSTREAM_LOCAL_ADDRESS: ({ downstream }) => hostPort(downstream.localHost, downstream.localPort),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: ({ downstream }) => downstream.localHost,
  DOWNSTREAM_LOCAL_PORT: ({ downstream }) => downstream.localPort,
  DOWNSTREAM_PEER_URI_SAN: (info) => listed(peer(info)?.uris),
  DOWNSTREAM_PEER_DNS_SAN: (info) => listed(peer(info)?.dnsNames),
  DOWNSTREAM_PEER_SUBJECT: (info) => nonEmpty(peer(info)?.subject),
  DOWNSTREAM_PEER_ISSUER: (info) => nonEmpty(peer(info)?.issuer),
  DOWNSTREAM_PEER_FINGERPRINT_256: (info) => peer(info)?.sha256,
  DOWNSTREAM_LOCAL_URI_SAN: (info) => listed(local(info)?.uris),
  DOWNSTREAM_LOCAL_DNS_SAN: (info) => listed(local(info)?.dnsNames),
  DOWNSTREAM_LOCAL_SUBJECT: (info) => nonEmpty(local(info)?.subject),
  DOWNSTREAM_TLS_VERSION: (info) => info.downstream.tls?.version,
  DOWNSTREAM_TLS_CIPHER: (info) => info.downstream.tls?.cipher,
  REQUESTED_SERVER_NAME: ({ downstream }) => nonEmpty(downstream.requestedServerName ?? downstream.tls?.serverName),
  CONNECTION_ID: (info) => info.downstream.id,
  STREAM_ID: (info) => info.request?.headers.get('x-request-id'),
  LOCAL_REPLY_BODY: (info) => info.localReplyBody,
  GRPC_STATUS: (info) => camelStatus(info),
  GRPC_STATUS_NUMBER: grpcStatusOf,
  TRACE_ID: (info) => info.trace?.traceId,
  SPAN_ID: (info) => info.trace?.spanId,
  HOSTNAME: () => hostname(),
};

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

const GRPC_STATUS_FORMS: Readonly<Record<string, Operator>> = {
  CAMEL_STRING: camelStatus,
  SNAKE_STRING: snakeStatus,
  NUMBER: grpcStatusOf,
};

function field(headers: (info: StreamInfo) => HeaderList | undefined, argument: string): Operator {
  const names = argument.toLowerCase().split('?');
  return (info) => {
    const list = headers(info);
    for (const name of names) {
      const value = list?.get(name);
      if (value !== undefined) return value;
    }
    return undefined;
  };
}

function requestOperator(argument: string): Operator {
  const names = argument.toLowerCase().split('?');
  return ({ request }) => {
    if (!request) return undefined;
    for (const name of names) {
      const value = request.headers.get(name) ?? requestField(request, name);
      if (value !== undefined) return value;
    }
    return undefined;
  };
}

/** Operators that take an argument; they give a sentence where it is wrong. */
const WITH_ARGUMENT: Readonly<Record<string, (argument: string) => Operator | string>> = {
  REQ: requestOperator,
  RESP: (argument) =>
    argument.toLowerCase() === ':status'
      ? (info) => (info.response ? String(info.response.status) : undefined)
      : field((info) => info.response?.headers, argument),
  TRAILER: (argument) => field((info) => info.responseTrailers, argument),
  GRPC_STATUS: (argument) =>
    GRPC_STATUS_FORMS[argument] ?? `%GRPC_STATUS(${argument})%: expected CAMEL_STRING, SNAKE_STRING or NUMBER`,
  START_TIME: (argument) => {
    const write = compileTimeFormat(argument);
    return typeof write === 'string' ? write : (info) => write(new Date(info.startWallMs));
  },
  ENVIRONMENT: (argument) => {
    const value = process.env[argument] ?? '-';
    return () => value;
  },
};

/** `%NAME%`, `%NAME(argument)%` or `%NAME(argument):length%`. */
export const OPERATOR = /%([A-Z][A-Z0-9_]*)(?:\(([^)]*)\))?(?::(\d+))?%|%%/g;

/** The operator, or a sentence that says why there is none. */
export function compileOperator(
  name: string,
  argument: string | undefined,
  length: string | undefined,
): Operator | string {
  const plain = argument === undefined ? PLAIN[name] : undefined;
  const operator = plain ?? WITH_ARGUMENT[name]?.(argument ?? '') ?? `the operator %${name}% is not supported`;
  if (typeof operator === 'string' || length === undefined) return operator;
  const maxLength = Number(length);
  return (info) => {
    const value = operator(info);
    return typeof value === 'string' ? value.slice(0, maxLength) : value;
  };
}
