/** Schemas of what many messages of the Envoy API are made of. */

import { readFileSync } from 'node:fs';
import { joinAddress } from '@weft/contracts/address';
import { type BodyFormat, compileSubstitutionFormat, compileText, type Format } from '../access-log/format.ts';
import { isFieldValue, isToken } from '../http1/characters.ts';
import { compileRegex, compileSubstitution } from './regex.ts';
import {
  anyOf,
  built,
  bytes,
  choice,
  durationMs,
  flag,
  list,
  message,
  NOT_SUPPORTED,
  name,
  number,
  only,
  optional,
  type Parsed,
  type Place,
  presence,
  required,
  type Schema,
  struct,
  text,
} from './schema.ts';

/** Where something listens or is reached. */
export type NetworkAddress =
  | {
      readonly type: 'tcp';
      readonly host: string;
      readonly port: number;
      /** An IPv6 address that takes IPv4 too, where something listens at it. */
      readonly isDualStack?: boolean;
    }
  | {
      readonly type: 'unix';
      readonly path: string;
      /** Of the file, where something listens at it; absent: as the process makes files. */
      readonly mode?: number;
    };

/** As Envoy writes it: `127.0.0.1:80`, `[::1]:80`, or the path of a socket. */
export function addressText(address: NetworkAddress): string {
  if (address.type === 'unix') return address.path;
  return joinAddress(address.host, address.port);
}

export const socketAddress = message('envoy.config.core.v3.SocketAddress', {
  protocol: choice(['TCP']),
  address: name(),
  port_value: optional(number(0, { max: 65_535 })),
  ipv4_compat: flag(),
});

const pipe = message('envoy.config.core.v3.Pipe', { path: name(), mode: number(0, { max: 0o777 }) });

const addressMessage = message(
  'envoy.config.core.v3.Address',
  { socket_address: optional(socketAddress), pipe: optional(pipe) },
  (value, place) => {
    if (!value.socket_address && !value.pipe) place.refuse('needs a socket_address or a pipe');
  },
);

export const address: Schema<NetworkAddress> = built(addressMessage, ({ socket_address, pipe: unix }) =>
  socket_address
    ? {
        type: 'tcp',
        host: socket_address.address,
        port: socket_address.port_value ?? 0,
        ...(socket_address.ipv4_compat ? { isDualStack: true } : {}),
      }
    : { type: 'unix', path: unix?.path ?? '', ...(unix?.mode ? { mode: unix.mode } : {}) },
);

const dataSourceMessage = message('envoy.config.core.v3.DataSource', {
  filename: optional(text()),
  inline_bytes: optional(bytes()),
  inline_string: optional(text()),
  environment_variable: optional(text()),
});

function readSource(source: Parsed<typeof dataSourceMessage>, place: Place): Buffer {
  if (source.inline_string !== undefined) return Buffer.from(source.inline_string);
  if (source.inline_bytes !== undefined) return source.inline_bytes;
  if (source.environment_variable !== undefined) {
    const variable = process.env[source.environment_variable];
    if (variable === undefined) place.refuse(`the environment variable ${source.environment_variable} is not set`);
    return Buffer.from(variable ?? '');
  }
  try {
    return readFileSync(source.filename ?? '');
  } catch (error) {
    place.refuse(`the file ${source.filename} cannot be read: ${(error as Error).message}`);
    return Buffer.alloc(0);
  }
}

/** Bytes that are given inline, in a file or in a variable of the environment; read as the configuration is. */
export const dataSource: Schema<Buffer> = built(dataSourceMessage, readSource);

/** `filter_metadata` is kept to be told in logs and `/config_dump`; nothing acts on it. */
export const metadata = message('envoy.config.core.v3.Metadata', {
  filter_metadata: struct(),
  typed_filter_metadata: struct(),
});

const regexMatcher = message('envoy.type.matcher.v3.RegexMatcher', {
  google_re2: presence(),
  regex: name(),
});

function regexOf(isWhole: boolean): Schema<RegExp> {
  return built(regexMatcher, ({ regex }, place) => {
    const compiled = compileRegex(regex, { isWhole });
    if (typeof compiled !== 'string') return compiled;
    place.within('regex', () => place.refuse(compiled));
    return /(?!)/;
  });
}

/** An expression that must match all of a text. */
export const wholeRegex = regexOf(true);

export interface Rewrite {
  readonly pattern: RegExp;
  readonly substitution: string;
}

/** Every match of a pattern replaced. */
export const regexRewrite: Schema<Rewrite> = built(
  message('envoy.type.matcher.v3.RegexMatchAndSubstitute', { pattern: required(regexOf(false)), substitution: text() }),
  ({ pattern, substitution }, place) => {
    const compiled = compileSubstitution(substitution);
    if (typeof compiled === 'string') return { pattern, substitution: compiled };
    place.within('substitution', () => place.refuse(compiled.problem));
    return { pattern, substitution: '' };
  },
);

export type TextPredicate = (value: string) => boolean;

export const stringMatcherMessage = message('envoy.type.matcher.v3.StringMatcher', {
  exact: optional(text()),
  prefix: optional(text()),
  suffix: optional(text()),
  contains: optional(text()),
  safe_regex: optional(wholeRegex),
  ignore_case: flag(),
});

/** A predicate over texts; `undefined` fields are those that are not set. */
export function textPredicate(matcher: {
  readonly exact?: string | undefined;
  readonly prefix?: string | undefined;
  readonly suffix?: string | undefined;
  readonly contains?: string | undefined;
  readonly safe_regex?: RegExp | undefined;
  readonly ignore_case: boolean;
}): TextPredicate | undefined {
  const { safe_regex: regex, ignore_case: ignoresCase } = matcher;
  if (regex) return (value) => regex.test(value);
  const fold = ignoresCase ? (value: string) => value.toLowerCase() : (value: string) => value;
  const { exact, prefix, suffix, contains } = matcher;
  const wanted = fold(exact ?? prefix ?? suffix ?? contains ?? '');
  if (exact !== undefined) return ignoresCase ? (value) => fold(value) === wanted : (value) => value === wanted;
  if (prefix !== undefined) return (value) => fold(value).startsWith(wanted);
  if (suffix !== undefined) return (value) => fold(value).endsWith(wanted);
  return contains === undefined ? undefined : (value) => fold(value).includes(wanted);
}

export const stringMatcher: Schema<TextPredicate> = built(stringMatcherMessage, (matcher, place) => {
  const predicate = textPredicate(matcher);
  if (predicate) return predicate;
  place.refuse('needs one of exact, prefix, suffix, contains and safe_regex');
  return () => false;
});

const envoyGrpc = message('envoy.config.core.v3.GrpcService.EnvoyGrpc', {
  cluster_name: name(),
  authority: only((given) => given === '', 'empty'),
  skip_envoy_headers: flag(),
});

/** A gRPC service that a cluster of the configuration serves; gives the name of the cluster. */
export const grpcService: Schema<string> = built(
  message('envoy.config.core.v3.GrpcService', { envoy_grpc: required(envoyGrpc), timeout: optional(durationMs()) }),
  (service) => service.envoy_grpc.cluster_name,
);

export type HeaderAppendAction =
  | 'APPEND_IF_EXISTS_OR_ADD'
  | 'ADD_IF_ABSENT'
  | 'OVERWRITE_IF_EXISTS_OR_ADD'
  | 'OVERWRITE_IF_EXISTS';

export interface HeaderAddition {
  /** In lower case. */
  readonly name: string;
  readonly value: Format;
  readonly action: HeaderAppendAction;
  readonly keepsEmpty: boolean;
}

/** Fields that say how a message is framed, or end at one hop: the codecs write them. */
const CODEC_FIELDS = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** Refuses what is no field, and fields that a configuration may not change. */
function checkFieldName(key: string, place: Place): void {
  if (key.startsWith(':') || key === 'host') place.refuse(`${key} may not be changed here: use a rewrite of the route`);
  else if (!isToken(key)) place.refuse(`${JSON.stringify(key)} is not a field name`);
  else if (CODEC_FIELDS.has(key)) place.refuse(`changes to ${key} are ${NOT_SUPPORTED}`);
}

const headerValue = message('envoy.config.core.v3.HeaderValue', { key: name(), value: text() });

export const headerAddition: Schema<HeaderAddition> = built(
  message('envoy.config.core.v3.HeaderValueOption', {
    header: required(headerValue),
    append: optional(flag()),
    append_action: choice([
      'APPEND_IF_EXISTS_OR_ADD',
      'ADD_IF_ABSENT',
      'OVERWRITE_IF_EXISTS_OR_ADD',
      'OVERWRITE_IF_EXISTS',
    ]),
    keep_empty_value: flag(),
  }),
  ({ header, append, append_action, keep_empty_value }, place) => {
    const key = header.key.toLowerCase();
    place.within('header', () => place.within('key', () => checkFieldName(key, place)));
    // Fields hold bytes; operators are ASCII, so that they stay what they are.
    const bytes = Buffer.from(header.value).toString('latin1');
    if (!isFieldValue(bytes)) place.refuse('the value holds a control character');
    const action = append === false ? 'OVERWRITE_IF_EXISTS_OR_ADD' : append_action;
    const value = place.within('header', () =>
      place.within('value', () => compileText(header.value, '', (problem) => place.refuse(problem))),
    );
    return { name: key, value, action, keepsEmpty: keep_empty_value };
  },
);

/** The name of a field to take away, in lower case. */
export const headerName: Schema<string> = built(name(), (given, place) => {
  const key = given.toLowerCase();
  checkFieldName(key, place);
  return key;
});

/** Names of fields to take away, in lower case. */
export const headerNames: Schema<readonly string[]> = list(headerName);

const jsonFormatOptions = message('envoy.config.core.v3.JsonFormatOptions', { sort_properties: flag() });

/** What these add to Envoy's own operators is known here without them. */
const formatter = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: text(),
  typed_config: anyOf({
    'req-without-query': message('envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery', {}),
    metadata: message('envoy.extensions.formatter.metadata.v3.Metadata', {}),
  }),
});

const substitutionFormatMessage = message('envoy.config.core.v3.SubstitutionFormatString', {
  text_format: optional(text()),
  text_format_source: optional(dataSource),
  json_format: struct(),
  omit_empty_values: flag(),
  content_type: text(),
  json_format_options: optional(jsonFormatOptions),
  formatters: list(formatter),
});

/** Text with command operators, or an object of such texts. */
export const substitutionFormat: Schema<BodyFormat> = built(substitutionFormatMessage, (format, place) => {
  const compiled = compileSubstitutionFormat(format, (problem) => place.refuse(problem));
  if (compiled) return compiled;
  place.refuse('needs text_format, text_format_source or json_format');
  return { write: () => '', contentType: '' };
});

export const tcpKeepalive = message('envoy.config.core.v3.TcpKeepalive', {
  keepalive_probes: optional(number()),
  keepalive_time: optional(number()),
  keepalive_interval: optional(number()),
});

export type TcpKeepalive = Parsed<typeof tcpKeepalive>;

/** What the options of both directions share. */
export const http1Options = message('envoy.config.core.v3.Http1ProtocolOptions', {
  allow_absolute_url: only((given) => given === true, 'true'),
  accept_http_10: flag(),
  default_host_for_http_10: text(),
  enable_trailers: flag(),
  allow_chunked_length: only((given) => given === false, 'false'),
  allow_custom_methods: flag(),
  use_balsa_parser: flag(true),
  override_stream_error_on_invalid_http_message: optional(flag()),
});

const keepalive = message('envoy.config.core.v3.KeepaliveSettings', {
  interval: optional(durationMs(0, { min: 1 })),
  timeout: required(durationMs(0, { min: 1 })),
  interval_jitter: optional(message('envoy.type.v3.Percent', { value: number(0, { max: 100 }) })),
});

const MAX_WINDOW = 0x7fff_ffff;
const MIN_WINDOW = 65_535;

/** What the options of both directions share; the defaults are those of Envoy 1.40. */
export const http2Options = message('envoy.config.core.v3.Http2ProtocolOptions', {
  hpack_table_size: number(4096, { max: 0xffff_ffff }),
  max_concurrent_streams: number(1024, { min: 1, max: MAX_WINDOW }),
  initial_stream_window_size: number(16_777_216, { min: MIN_WINDOW, max: MAX_WINDOW }),
  initial_connection_window_size: number(25_165_824, { min: MIN_WINDOW, max: MAX_WINDOW }),
  allow_connect: flag(),
  max_outbound_frames: number(10_000, { min: 1, max: 0xffff_ffff }),
  max_outbound_control_frames: number(1000, { min: 1, max: 0xffff_ffff }),
  max_consecutive_inbound_frames_with_empty_payload: number(1, { max: 0xffff_ffff }),
  max_inbound_priority_frames_per_stream: number(100, { max: 0xffff_ffff }),
  max_inbound_window_update_frames_per_data_frame_sent: number(10, { min: 1, max: 0xffff_ffff }),
  override_stream_error_on_invalid_http_message: optional(flag()),
  connection_keepalive: optional(keepalive),
});

export type Http2Config = Parsed<typeof http2Options>;

export const UNLIMITED = 0xffff_ffff;

/** A limit of the API: Envoy's default where it is not set. */
export function limit(defaultLimit: number): Schema<number> {
  return number(defaultLimit, { max: UNLIMITED });
}
