/** Schemas of access logs. */
import { compileJsonLine, compileText, type Format } from '../access-log/format.ts';
import { grpcService, substitutionFormat } from './core.ts';
import { accessLogFilter } from './log-filter.ts';
import {
  anyOf,
  built,
  durationMs,
  list,
  type MessageSchema,
  message,
  name,
  number,
  optional,
  type Parsed,
  type Place,
  required,
  struct,
  text,
} from './schema.ts';
import { transportApiVersion } from './services.ts';

/** Envoy's own format of a line. */
const DEFAULT_FORMAT = `[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% \
%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \
"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n`;

const defaultFormat: Format = compileText(DEFAULT_FORMAT, '-', (problem) => {
  throw new Error(problem);
});

const fileAccessLogMessage = message('envoy.extensions.access_loggers.file.v3.FileAccessLog', {
  path: name(),
  format: optional(text()),
  json_format: struct(),
  typed_json_format: struct(),
  log_format: optional(substitutionFormat),
});

function lineOf(config: Parsed<typeof fileAccessLogMessage>, place: Place): Format {
  const refuse = (problem: string) => place.refuse(problem);
  if (config.log_format) return config.log_format.write;
  if (config.format) return compileText(config.format, '-', refuse);
  const json = config.json_format ?? config.typed_json_format;
  return json ? compileJsonLine(json, { omitsEmpty: false, sorts: false }, refuse) : defaultFormat;
}

/** A file that lines are appended to. */
export interface FileLog {
  readonly path: string;
  readonly line: Format;
}

const fileAccessLog = built(
  fileAccessLogMessage,
  (config, place): FileLog => ({
    path: config.path,
    line: lineOf(config, place),
  }),
);

const streamFields = { log_format: optional(substitutionFormat) };

function streamAccessLog(name: string, path: string): MessageSchema<FileLog> {
  return built(
    message(name, streamFields),
    ({ log_format }): FileLog => ({
      path,
      line: log_format?.write ?? defaultFormat,
    }),
  );
}

const stdoutAccessLog = streamAccessLog('envoy.extensions.access_loggers.stream.v3.StdoutAccessLog', '/dev/stdout');
const stderrAccessLog = streamAccessLog('envoy.extensions.access_loggers.stream.v3.StderrAccessLog', '/dev/stderr');

const commonGrpc = message('envoy.extensions.access_loggers.grpc.v3.CommonGrpcAccessLogConfig', {
  log_name: name(),
  grpc_service: required(grpcService),
  transport_api_version: transportApiVersion,
  buffer_flush_interval: durationMs(1000),
  buffer_size_bytes: number(16_384),
});

const httpGrpc = message('envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig', {
  common_config: required(commonGrpc),
  additional_request_headers_to_log: list(text()),
  additional_response_headers_to_log: list(text()),
  additional_response_trailers_to_log: list(text()),
});

const tcpGrpc = message('envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig', {
  common_config: required(commonGrpc),
});

const streams = { file: fileAccessLog, stdout: stdoutAccessLog, stderr: stderrAccessLog };

export const httpAccessLog = message('envoy.config.accesslog.v3.AccessLog', {
  name: text(),
  filter: optional(accessLogFilter),
  typed_config: anyOf({ ...streams, grpc: httpGrpc }),
});

export const tcpAccessLog = message('envoy.config.accesslog.v3.AccessLog', {
  name: text(),
  filter: optional(accessLogFilter),
  typed_config: anyOf({ ...streams, grpc: tcpGrpc }),
});

export type HttpAccessLogConfig = Parsed<typeof httpAccessLog>;
export type TcpAccessLogConfig = Parsed<typeof tcpAccessLog>;
export type GrpcAccessLogConfig = Parsed<typeof commonGrpc>;
