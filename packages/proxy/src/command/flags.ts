/** The flags of `weft proxy`: those of Envoy (https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/cli). */
import { parseArgs } from 'node:util';
import { WeftError } from '@weft/contracts/error';
import { DRAIN_STRATEGIES, type DrainStrategy } from '../drain.ts';
import { LOG_LEVELS, type LogLevel } from '../log.ts';

export interface ProxyFlags {
  readonly path: string | undefined;
  readonly yaml: string | undefined;
  readonly mode: 'serve' | 'validate';
  readonly logLevel: LogLevel;
  readonly drainMs: number;
  readonly drainStrategy: DrainStrategy;
  readonly concurrency: number;
  /** Undefined: none was given; 0 counts where it is free. */
  readonly baseId: number | undefined;
  /** How often the proxy was replaced before; from 1 on this process takes over from the one before. */
  readonly restartEpoch: number;
  readonly canBeReplaced: boolean;
  /** How long a process that is taken over from may serve on. */
  readonly parentShutdownMs: number;
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
  'drain-strategy': { type: 'string', default: 'gradual' },
  concurrency: { type: 'string', default: '1' },
  'base-id': { type: 'string' },
  'use-dynamic-base-id': { type: 'boolean' },
  'restart-epoch': { type: 'string', default: '0' },
  'parent-shutdown-time-s': { type: 'string', default: '900' },
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
      --drain-strategy <s>   how /drain_listeners?graceful asks connections to leave: gradual, over the drain time, or
                             immediate; default gradual
      --concurrency <n>      threads that serve, each with its share of the connections; default 1
      --base-id <n>          what a process and the one that takes over from it have in common; default 0, where it is free
      --restart-epoch <n>    1 and more: takes over the ports of the process that runs with the base ID and the epoch n-1,
                             which serves what it has begun, and ends; no connection is refused meanwhile
      --parent-shutdown-time-s <s>
                             how long the process that was taken over from may go on; default 900
      --disable-hot-restart, --use-dynamic-base-id
                             no other process can take over from this one
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
  const drainStrategy = DRAIN_STRATEGIES.find((known) => known === values['drain-strategy']);
  if (!drainStrategy) {
    throw usage(
      `--drain-strategy ${JSON.stringify(values['drain-strategy'])}: expected ${DRAIN_STRATEGIES.join(' or ')}`,
    );
  }
  const drainSeconds = wholeNumber('drain-time-s', values['drain-time-s'], 0);
  const concurrency = wholeNumber('concurrency', values.concurrency, 1);
  const baseId = values['base-id'] === undefined ? undefined : wholeNumber('base-id', values['base-id'], 0);
  const restartEpoch = wholeNumber('restart-epoch', values['restart-epoch'], 0);
  const parentShutdownMs = wholeNumber('parent-shutdown-time-s', values['parent-shutdown-time-s'], 0) * 1000;
  const canBeReplaced = !values['disable-hot-restart'] && !values['use-dynamic-base-id'];
  const given = {
    base_id: String(baseId ?? 0),
    restart_epoch: restartEpoch,
    parent_shutdown_time: `${parentShutdownMs / 1000}s`,
    disable_hot_restart: !canBeReplaced,
    concurrency,
    mode: mode === 'serve' ? 'Serve' : 'Validate',
    log_level: logLevel,
    config_path: path ?? '',
    config_yaml: yaml ?? '',
    drain_time: `${drainSeconds}s`,
    drain_strategy: drainStrategy === 'gradual' ? 'Gradual' : 'Immediate',
  };
  return {
    path,
    yaml,
    mode,
    logLevel,
    drainMs: drainSeconds * 1000,
    drainStrategy,
    concurrency,
    baseId,
    restartEpoch,
    canBeReplaced,
    parentShutdownMs,
    help,
    version,
    given,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, strict: true, allowPositionals: false });
  } catch (thrown) {
    throw usage((thrown as Error).message);
  }
}
