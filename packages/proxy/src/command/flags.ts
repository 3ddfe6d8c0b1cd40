/** The flags of `weft proxy`: those of Envoy (https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/cli). */
import { parseArgs } from 'node:util';
import { WeftError } from '@weft/contracts/error';
import { LOG_LEVELS, type LogLevel } from '../log.ts';

export interface ProxyFlags {
  readonly path: string | undefined;
  readonly yaml: string | undefined;
  readonly mode: 'serve' | 'validate';
  readonly logLevel: LogLevel;
  readonly drainMs: number;
  readonly concurrency: number;
  readonly help: boolean;
  readonly version: boolean;
  /** As given, for `/server_info`. */
  readonly given: Readonly<Record<string, unknown>>;
}

const OPTIONS = {
  'config-path': { type: 'string', short: 'c' },
  'config-yaml': { type: 'string' },
  mode: { type: 'string', default: 'serve' },
  'log-level': { type: 'string', short: 'l', default: 'info' },
  'drain-time-s': { type: 'string', default: '600' },
  concurrency: { type: 'string', default: '1' },
  'base-id': { type: 'string' },
  'use-dynamic-base-id': { type: 'boolean' },
  'disable-hot-restart': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

export const HELP = `weft proxy -c <bootstrap>

Runs Weft's proxy on an Envoy bootstrap: YAML, JSON or binary protobuf.

  -c, --config-path <file>   the bootstrap
      --config-yaml <yaml>   a bootstrap in the flag itself, merged over the file
      --mode <mode>          serve, or validate: check the bootstrap, say all that is wrong with it, and end; default serve
  -l, --log-level <level>    ${LOG_LEVELS.join(', ')}; default info
      --drain-time-s <s>     how long connections may go on when the proxy ends or their listener is gone; default 600
      --concurrency <n>      taken as Envoy's; this proxy has one worker
      --base-id <n>, --use-dynamic-base-id, --disable-hot-restart
                             taken, and without effect: several proxies on one machine do not get into each other's way
      --version
  -h, --help

SIGTERM: takes no more connections, lets requests end, and ends; a second one ends at once.`;

function usage(message: string): WeftError {
  return new WeftError('INVALID_ARGUMENT', `${message}; weft proxy --help lists the flags`);
}

function wholeNumber(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least) {
    throw usage(`--${flag} ${JSON.stringify(text)}: expected a whole number from ${least}`);
  }
  return value;
}

/** Throws `WeftError` INVALID_ARGUMENT in a sentence. */
export function parseProxyFlags(argv: readonly string[]): ProxyFlags {
  const { values } = parse(argv);
  const level = values['log-level'] === 'warn' ? 'warning' : values['log-level'];
  const logLevel = LOG_LEVELS.find((known) => known === level);
  if (!logLevel) throw usage(`--log-level ${JSON.stringify(level)}: expected one of ${LOG_LEVELS.join(', ')}`);
  const { mode } = values;
  if (mode !== 'serve' && mode !== 'validate') {
    throw usage(`--mode ${JSON.stringify(mode)}: expected serve or validate`);
  }
  const path = values['config-path'];
  const yaml = values['config-yaml'];
  const help = values.help ?? false;
  const version = values.version ?? false;
  if (path === undefined && yaml === undefined && !help && !version) {
    throw usage('needs a bootstrap: -c <file> or --config-yaml <yaml>');
  }
  const drainSeconds = wholeNumber('drain-time-s', values['drain-time-s'], 0);
  const concurrency = wholeNumber('concurrency', values.concurrency, 1);
  const given = {
    concurrency,
    mode: mode === 'serve' ? 'Serve' : 'Validate',
    log_level: logLevel,
    config_path: path ?? '',
    config_yaml: yaml ?? '',
    drain_time: `${drainSeconds}s`,
  };
  return { path, yaml, mode, logLevel, drainMs: drainSeconds * 1000, concurrency, help, version, given };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, strict: true, allowPositionals: false });
  } catch (thrown) {
    throw usage((thrown as Error).message);
  }
}
