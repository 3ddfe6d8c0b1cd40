/** Makes access logs of their configuration; logs that write to the same place share it. */
import type { Clock } from '../clock.ts';
import type { FileLog, HttpAccessLogConfig, TcpAccessLogConfig } from '../config/access-log.ts';
import type { Log } from '../log.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { compileFilter } from '../stack/log-filter.ts';
import { LogFile } from './file.ts';
import { GrpcLog, type GrpcLogContext } from './grpc.ts';
import { filtered, type WriteLog } from './logger.ts';

export interface AccessLogContext extends GrpcLogContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly runtime: Runtime;
}

const NO_HEADERS = { request: [], response: [], trailers: [] };
const lowered = (names: readonly string[]): readonly string[] => names.map((name) => name.toLowerCase());

export class AccessLogs {
  readonly #context: AccessLogContext;
  readonly #files = new Map<string, LogFile>();
  readonly #services = new Map<string, GrpcLog>();

  constructor(context: AccessLogContext) {
    this.#context = context;
  }

  http(configs: readonly HttpAccessLogConfig[]): readonly WriteLog[] {
    const { runtime } = this.#context;
    return configs.map(({ filter, typed_config }) =>
      filtered(this.#httpLog(typed_config), filter && compileFilter(filter, { runtime })),
    );
  }

  /** Of connections: those that a TCP proxy serves, or all of a listener, whatever serves them. */
  connections(configs: readonly TcpAccessLogConfig[]): readonly WriteLog[] {
    const { runtime } = this.#context;
    return configs.map(({ filter, typed_config }) =>
      filtered(this.#tcpLog(typed_config), filter && compileFilter(filter, { runtime })),
    );
  }

  #httpLog(config: HttpAccessLogConfig['typed_config']): WriteLog {
    if (config.type !== 'grpc') return this.#fileLog(config.value);
    const { common_config, additional_request_headers_to_log, additional_response_headers_to_log } = config.value;
    const listed = {
      request: lowered(additional_request_headers_to_log),
      response: lowered(additional_response_headers_to_log),
      trailers: lowered(config.value.additional_response_trailers_to_log),
    };
    return this.#service('http', config.value, () => new GrpcLog(common_config, 'http', listed, this.#context));
  }

  #tcpLog(config: TcpAccessLogConfig['typed_config']): WriteLog {
    if (config.type !== 'grpc') return this.#fileLog(config.value);
    const { common_config } = config.value;
    return this.#service('tcp', config.value, () => new GrpcLog(common_config, 'tcp', NO_HEADERS, this.#context));
  }

  #service(kind: string, config: object, make: () => GrpcLog): WriteLog {
    const key = `${kind} ${JSON.stringify(config)}`;
    const log = this.#services.get(key) ?? make();
    this.#services.set(key, log);
    return (info) => log.write(info);
  }

  /** A file for lines of another kind; one that logs write to as well is shared. */
  file(path: string): LogFile {
    const file = this.#files.get(path) ?? new LogFile(path, this.#context.clock, this.#context.log);
    this.#files.set(path, file);
    return file;
  }

  #fileLog({ path, line }: FileLog): WriteLog {
    const file = this.file(path);
    return (info) => file.write(line(info));
  }

  /** Goes on in files of the same names, after what was there was moved away. */
  reopen(): void {
    for (const file of this.#files.values()) file.reopen();
  }

  /** Writes what waits. */
  async close(): Promise<void> {
    const logs = [...this.#services.values(), ...this.#files.values()];
    await Promise.all(logs.map((log) => log.close()));
  }
}
