/** The flags of `weft proxy`: those of Envoy (https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/cli). */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { WeftError } from '@weft/contracts/error';
import { DRAIN_STRATEGIES, type DrainStrategy } from '../drain.ts';
import { LOG_LEVELS, type LogLevel } from '../log.ts';
import { ALREADY_SO, REFUSED, WITHOUT_EFFECT } from './envoy-flags.ts';

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
  /** Where the log goes; undefined: standard error. */
  readonly logPath: string | undefined;
  /** The file that the address of the admin interface is written to. */
  readonly adminAddressPath: string | undefined;
  /** What `node` of the bootstrap is to say instead. */
  readonly node: NodeFlags;
  /** Sentences about flags that change nothing here. */
  readonly warnings: readonly string[];
  readonly help: boolean;
  readonly version: boolean;
  readonly hotRestartVersion: boolean;
  /** As given, for `/server_info`. */
  readonly given: Readonly<Record<string, unknown>>;
}

export interface NodeFlags {
  readonly id: string | undefined;
  readonly cluster: string | undefined;
  readonly zone: string | undefined;
}

const OPTIONS = {
  'config-path': { type: 'string', short: 'c' },
  'config-yaml': { type: 'string' },
  mode: { type: 'string', default: 'serve' },
  'log-level': { type: 'string', short: 'l', default: 'info' },
  'drain-time-s': { type: 'string', default: '600' },
  'drain-strategy': { type: 'string', default: 'gradual' },
  concurrency: { type: 'string' },
  'cpuset-threads': { type: 'boolean' },
  'service-node': { type: 'string' },
  'service-cluster': { type: 'string' },
  'service-zone': { type: 'string' },
  'log-path': { type: 'string' },
  'admin-address-path': { type: 'string' },
  'base-id': { type: 'string' },
  'use-dynamic-base-id': { type: 'boolean' },
  'restart-epoch': { type: 'string', default: '0' },
  'parent-shutdown-time-s': { type: 'string', default: '900' },
  'disable-hot-restart': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
  'hot-restart-version': { type: 'boolean' },
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
      --log-path <file>      the log goes there; default standard error
      --concurrency <n>      threads that serve, each with its share of the connections; default 1
      --cpuset-threads       as many threads as this process may use processors
      --service-node <id>, --service-cluster <name>, --service-zone <zone>
                             node.id, node.cluster and node.locality.zone, whatever the bootstrap says
      --admin-address-path <file>
                             the address of the admin interface is written there
      --base-id <n>          what a process and the one that takes over from it have in common; default 0, where it is free
      --restart-epoch <n>    1 and more: takes over the ports of the process that runs with the base ID and the epoch n-1,
                             which serves what it has begun, and ends; no connection is refused meanwhile
      --parent-shutdown-time-s <s>
                             how long the process that was taken over from may go on; default 900
      --disable-hot-restart, --use-dynamic-base-id
                             no other process can take over from this one
      --hot-restart-version  processes of which version can take over from each other
      --version
  -h, --help

Other flags of Envoy that decide nothing here are taken with a warning.

SIGTERM, SIGINT: takes no more connections, lets requests end, and ends; a second one ends at once.
SIGUSR1: opens log files again. SIGHUP: nothing.`;

function usage(message: string): WeftError {
  return new WeftError('INVALID_ARGUMENT', `${message}; weft proxy --help lists the flags`);
}

/** Envoy's numbers have 32 bits. */
const MAX_NUMBER = 0xffff_ffff;
/** More threads than any machine of today has processors. */
const MAX_THREADS = 1024;

function wholeNumber(flag: string, text: string, most = MAX_NUMBER): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > most) {
    throw usage(`--${flag} ${JSON.stringify(text)}: expected a whole number from 0 to ${most}`);
  }
  return value;
}

/** Throws `WeftError` INVALID_ARGUMENT in a sentence. */
export function parseProxyFlags(argv: readonly string[]): ProxyFlags {
  const { values, warnings } = parse(argv);
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
  const hotRestartVersion = values['hot-restart-version'] ?? false;
  if (path === undefined && yaml === undefined && !help && !version && !hotRestartVersion) {
    throw usage('needs a bootstrap: -c <file> or --config-yaml <yaml>');
  }
  const drainStrategy = DRAIN_STRATEGIES.find((known) => known === values['drain-strategy']);
  if (!drainStrategy) {
    throw usage(
      `--drain-strategy ${JSON.stringify(values['drain-strategy'])}: expected ${DRAIN_STRATEGIES.join(' or ')}`,
    );
  }
  const drainSeconds = wholeNumber('drain-time-s', values['drain-time-s']);
  const concurrency = concurrencyOf(values.concurrency, values['cpuset-threads']);
  const baseId = values['base-id'] === undefined ? undefined : wholeNumber('base-id', values['base-id']);
  const restartEpoch = wholeNumber('restart-epoch', values['restart-epoch']);
  const parentShutdownMs = wholeNumber('parent-shutdown-time-s', values['parent-shutdown-time-s']) * 1000;
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
    logPath: values['log-path'],
    adminAddressPath: values['admin-address-path'],
    node: { id: values['service-node'], cluster: values['service-cluster'], zone: values['service-zone'] },
    warnings,
    help,
    version,
    hotRestartVersion,
    given,
  };
}

/** Envoy takes 0 for one thread. */
function concurrencyOf(text: string | undefined, hasAll = false): number {
  if (text === undefined) return hasAll ? availableParallelism() : 1;
  return Math.max(1, wholeNumber('concurrency', text, MAX_THREADS));
}

function unusedOptions(): Record<string, { readonly type: 'string' | 'boolean'; readonly multiple: true }> {
  const named = Object.entries({ ...WITHOUT_EFFECT, ...REFUSED }).map(([name, { type }]) => [name, type] as const);
  const all = [...named, ...ALREADY_SO.map((name) => [name, 'boolean'] as const)];
  return Object.fromEntries(all.map(([name, type]) => [name, { type, multiple: true }]));
}

/** What stands behind `--` is nobody's. */
function parse(argv: readonly string[]) {
  const end = argv.indexOf('--');
  const args = end === -1 ? [...argv] : argv.slice(0, end);
  try {
    const { values } = parseArgs({ args, options: { ...unusedOptions(), ...OPTIONS }, strict: true });
    for (const [name, { because }] of Object.entries(REFUSED)) {
      if (name in values) throw usage(`--${name} of Envoy is not supported: ${because}`);
    }
    const ignored = Object.entries(WITHOUT_EFFECT).filter(([name]) => name in values);
    return { values, warnings: ignored.map(([name, { because }]) => `--${name} changes nothing: ${because}`) };
  } catch (thrown) {
    throw thrown instanceof WeftError ? thrown : usage((thrown as Error).message.replace(/\. To specify .*$/s, ''));
  }
}
