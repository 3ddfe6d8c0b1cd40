/** Command-line flags: declared once per command, parsed, checked and printed as help from the same table. */
import { parseArgs } from 'node:util';
import { WeftError } from '@weft/contracts/error';
import { suggest } from '@weft/model/suggest';
import { LOG_LEVELS, type LogLevel } from '@weft/service/levels';

export interface Flag {
  readonly type: 'string' | 'boolean' | 'list';
  readonly short?: string;
  /** What stands for the value in the help: `<host:port>`. */
  readonly value?: string;
  readonly help: string;
  /** Shown in the help; applied by the command. */
  readonly default?: string;
}

export type Flags = Readonly<Record<string, Flag>>;

export type FlagValues<F extends Flags> = {
  readonly [K in keyof F]: F[K]['type'] extends 'boolean'
    ? boolean
    : F[K]['type'] extends 'list'
      ? readonly string[]
      : string | undefined;
};

export interface Parsed<F extends Flags> {
  readonly flags: FlagValues<F>;
  readonly positionals: readonly string[];
  /** What follows `--`. */
  readonly rest: readonly string[];
}

/** `: did you mean stock?` where one of `options` is close to what was found, else `otherwise`. */
export function hint(found: string, options: Iterable<string>, otherwise: string): string {
  const meant = suggest(found, options);
  return meant === undefined ? otherwise : `: did you mean ${meant}?`;
}

/** Wrong use of the command line: one sentence, exit code 2. */
export function usageError(message: string): WeftError {
  return new WeftError('INVALID_ARGUMENT', message);
}

function optionsOf(flags: Flags) {
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [
      name,
      {
        type: flag.type === 'boolean' ? ('boolean' as const) : ('string' as const),
        multiple: flag.type === 'list',
        ...(flag.short ? { short: flag.short } : {}),
      },
    ]),
  );
}

function parseTrouble(cause: unknown, flags: Flags): string {
  const text = cause instanceof Error ? (cause.message.split('. ')[0] ?? cause.message) : String(cause);
  const unknown = /^Unknown option '--([^']+)'/.exec(text)?.[1];
  if (unknown === undefined) return `${text}; `;
  const names = Object.keys(flags).map((name) => `--${name}`);
  return `there is no flag --${unknown}${hint(`--${unknown}`, names, ';')} `;
}

/** Parses `argv` by `flags`; throws a usage error that names what is wrong. `command` stands in the error texts. */
export function parseFlags<const F extends Flags>(command: string, flags: F, argv: readonly string[]): Parsed<F> {
  const separator = argv.indexOf('--');
  const own = separator === -1 ? argv : argv.slice(0, separator);
  let parsed: { readonly values: Record<string, unknown>; readonly positionals: readonly string[] };
  try {
    parsed = parseArgs({ args: [...own], options: optionsOf(flags), allowPositionals: true, strict: true });
  } catch (cause) {
    throw new WeftError('INVALID_ARGUMENT', `${parseTrouble(cause, flags)}weft ${command} --help lists what there is`, {
      cause,
    });
  }
  const values: Record<string, unknown> = {};
  for (const [name, flag] of Object.entries(flags)) {
    values[name] = parsed.values[name] ?? (flag.type === 'boolean' ? false : flag.type === 'list' ? [] : undefined);
  }
  const rest = separator === -1 ? [] : argv.slice(separator + 1);
  return { flags: values as FlagValues<F>, positionals: parsed.positionals, rest };
}

/** The flags as lines of a help text. */
export function helpOf(flags: Flags): string {
  const rows = Object.entries(flags).map(([name, flag]) => {
    const short = flag.short ? `-${flag.short}, ` : '    ';
    const value = flag.type === 'boolean' ? '' : ` ${flag.value ?? '<value>'}`;
    const fallback = flag.default === undefined ? '' : ` (default ${flag.default})`;
    return [`  ${short}--${name}${value}`, `${flag.help}${fallback}`] as const;
  });
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`).join('\n');
}

/** A duration such as `500ms`, `30s`, `5m`, `24h`, `7d` in milliseconds. */
export function parseDuration(name: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  if (!match) throw usageError(`--${name} ${text}: expected a duration such as 500ms, 30s, 5m or 24h`);
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as 'ms' | 's' | 'm' | 'h' | 'd'];
  return Math.round(Number(match[1]) * unit);
}

/** Whether `--output json` was asked for. */
export function isJson(output: string | undefined): boolean {
  if (output !== undefined && output !== 'json') throw usageError(`--output ${output}: expected json`);
  return output === 'json';
}

/** A TCP port from 1 to 65535. */
export function parsePort(name: string, text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) {
    throw usageError(`--${name} ${text}: expected a port from 1 to 65535`);
  }
  return port;
}

/** `host:port`, with the port checked; port 0 asks for a free one. */
export function parseAddress(name: string, text: string): string {
  const match = /^(.+):(\d{1,5})$/.exec(text);
  if (!match || Number(match[2]) > 65_535) throw usageError(`--${name} ${text}: expected <host>:<port>`);
  return text;
}

/** A level of the log; `info` when none is given. */
export function parseLogLevel(text: string | undefined): LogLevel {
  const level = LOG_LEVELS.find((candidate) => candidate === (text ?? 'info'));
  if (!level) throw usageError(`--log-level ${text}: expected one of ${LOG_LEVELS.join(', ')}`);
  return level;
}
