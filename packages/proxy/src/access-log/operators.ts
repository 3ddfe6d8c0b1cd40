/**
 * Command operators: `%RESPONSE_CODE%` and the like, in access logs, headers and bodies of local replies
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/advanced/substitution_formatter).
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { flagsLongText, flagsText } from '../stack/response-flags.ts';
import { ADDRESSES, MASKABLE_ADDRESSES } from './operators/addresses.ts';
import { CERTIFICATE_TIMES, CERTIFICATES } from './operators/certificates.ts';
import { FIELDS, MESSAGES } from './operators/fields.ts';
import { METADATA } from './operators/metadata.ts';
import {
  type Command,
  type Commands,
  inBytes,
  nonEmpty,
  type Operator,
  type Operators,
  textOfValue,
} from './operators/operator.ts';
import { DURATIONS, TIMES } from './operators/times.ts';

export { requestField } from './request-field.ts';

/** Operators that take neither an argument nor a length, and give bytes. */
const PLAIN_BYTES: Operators = { ...DURATIONS, ...MESSAGES };

/** Those that give texts. */
const PLAIN_TEXTS: Operators = {
  ...ADDRESSES,
  ...CERTIFICATES,
  PROTOCOL: (info) => info.request?.protocol,
  UPSTREAM_PROTOCOL: (info) => info.upstreamProtocol,
  RESPONSE_CODE: (info) => info.response?.status ?? 0,
  CONNECTION_TERMINATION_DETAILS: (info) => nonEmpty(info.terminationDetails),
  RESPONSE_FLAGS: (info) => flagsText(info.flags),
  RESPONSE_FLAGS_LONG: (info) => flagsLongText(info.flags),
  BYTES_RECEIVED: (info) => info.bytesReceived,
  BYTES_SENT: (info) => info.bytesSent,
  /** These two are of QUIC. */
  BYTES_RETRANSMITTED: () => 0,
  PACKETS_RETRANSMITTED: () => 0,
  ROUTE_NAME: (info) => nonEmpty(info.routeName),
  UPSTREAM_CLUSTER: (info) => nonEmpty(info.clusterConfig?.alt_stat_name || info.cluster),
  UPSTREAM_CLUSTER_RAW: (info) => nonEmpty(info.cluster),
  /** Without spaces, as Envoy has it: fields of logs are often parted by them. */
  UPSTREAM_TRANSPORT_FAILURE_REASON: (info) => nonEmpty(info.upstreamFailure.replaceAll(/\s/g, '_')),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: (info) => info.attempts,
  CONNECTION_ID: (info) => info.downstream.id,
  FILTER_CHAIN_NAME: (info) => nonEmpty(info.downstream.filterChainName),
  LOCAL_REPLY_BODY: (info) => info.localReplyBody,
  ACCESS_LOG_TYPE: (info) => info.logType,
  TRACE_ID: (info) => nonEmpty(info.trace?.traceId),
  SPAN_ID: (info) => nonEmpty(info.trace?.spanId),
  UNIQUE_ID: () => randomUUID(),
  /** Nothing here sets any. */
  CUSTOM_FLAGS: () => '',
  HOSTNAME: () => hostname(),
};

/** No filter here shares state with others; what there is not is absent, as in Envoy. */
function filterState(argument: string): Operator | string {
  const [key = '', form = 'TYPED', field, ...rest] = argument.split(':');
  const isField = form === 'FIELD';
  const fits = ['PLAIN', 'TYPED', 'FIELD'].includes(form) && isField === (field !== undefined) && rest.length === 0;
  return key !== '' && fits
    ? () => undefined
    : `(${argument}): expected a key, then perhaps PLAIN, TYPED or FIELD with a name`;
}

const FILTER_STATE: Command = { isArgumentNeeded: true, canBeCut: true, compile: filterState };

/** White space in details would part the columns of a log. */
function responseDetails(argument: string): Operator {
  if (argument === 'ALLOW_WHITESPACES') return (info) => nonEmpty(info.responseDetails);
  return (info) => nonEmpty(info.responseDetails.replaceAll(/\s/g, '_'));
}

function environment(name: string): Operator {
  const value = process.env[name] ?? '-';
  return () => value;
}

/** `{"operators": ["A", {"command": "REQ", "param": "x", "max_length": 5}]}`: the first that says something. */
function coalesce(argument: string): Operator | string {
  const problem = `%COALESCE(${argument})%: expected an object of JSON with a list of operators`;
  let given: unknown;
  try {
    given = JSON.parse(argument);
  } catch {
    return problem;
  }
  const { operators: entries } = (given ?? {}) as { readonly operators?: unknown };
  if (!Array.isArray(entries) || entries.length === 0) return problem;
  const operators: Operator[] = [];
  for (const entry of entries as readonly unknown[]) {
    const {
      command,
      param,
      max_length: length,
    } = (typeof entry === 'string' ? { command: entry } : (entry ?? {})) as {
      readonly [key: string]: unknown;
    };
    if (typeof command !== 'string') return problem;
    const operator = compileOperator(
      command,
      param === undefined ? undefined : String(param),
      length === undefined ? undefined : String(length),
      'text',
    );
    if (typeof operator === 'string') return operator;
    operators.push(operator);
  }
  return (info) => {
    for (const operator of operators) {
      const text = textOfValue(operator(info));
      if (text !== undefined && text !== '') return text;
    }
    return undefined;
  };
}

/** Operators that may be told more, and give bytes. */
const COMMANDS_OF_BYTES: Commands = {
  ...CERTIFICATE_TIMES,
  ...FIELDS,
  ...TIMES,
  FILTER_STATE,
  UPSTREAM_FILTER_STATE: FILTER_STATE,
  COALESCE: { isArgumentNeeded: true, canBeCut: true, compile: coalesce },
};

/** Those that give texts. */
const COMMANDS_OF_TEXTS: Commands = {
  ...MASKABLE_ADDRESSES,
  ...METADATA,
  RESPONSE_CODE_DETAILS: { isArgumentNeeded: false, canBeCut: false, compile: responseDetails },
  ENVIRONMENT: { isArgumentNeeded: true, canBeCut: true, compile: environment },
};

function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** `%NAME%`, `%NAME(argument)%` or `%NAME(argument):length%`. */
export const OPERATOR = /%([A-Z][A-Z0-9_]*)(?:\(([^)]*)\))?(?::(\d+))?%|%%/g;

/**
 * The operator, or a sentence that says why there is none. `form`: whether it stands in a text, or alone for a value of
 * JSON.
 */
export function compileOperator(
  name: string,
  argument: string | undefined,
  length: string | undefined,
  form: 'text' | 'json',
): Operator | string {
  const plainText = own(PLAIN_TEXTS, name);
  const plain = plainText ? inBytes(plainText) : own(PLAIN_BYTES, name);
  if (plain) {
    if (argument === undefined && length === undefined) return plain;
    return `the operator %${name}% takes neither an argument nor a length`;
  }
  const ofTexts = own(COMMANDS_OF_TEXTS, name);
  const command = ofTexts ?? own(COMMANDS_OF_BYTES, name);
  if (!command) return `the operator %${name}% is not supported`;
  if (command.isArgumentNeeded && !argument) return `the operator %${name}% needs an argument: %${name}(...)%`;
  if (!command.canBeCut && length !== undefined) return `the operator %${name}% takes no length`;
  const compiled = command.compile(argument ?? '');
  if (typeof compiled === 'string') return compiled;
  const operator = ofTexts ? inBytes(compiled) : compiled;
  if (length === undefined) return operator;
  const maxLength = Number(length);
  if (form === 'json') {
    return (info) => {
      const value = operator(info);
      return typeof value === 'string' ? value.slice(0, maxLength) : value;
    };
  }
  return (info) => textOfValue(operator(info))?.slice(0, maxLength);
}
