/** The log of a service: JSON lines on stderr, or lines for a person where stderr is a terminal. */
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import type { LogLevel } from './levels.ts';

export { LOG_LEVELS, type LogLevel } from './levels.ts';

export interface LogOptions {
  /** Stands in every line as `name`. */
  readonly name: string;
  /** Default `info`. */
  readonly level?: LogLevel;
  /** Lines for a person instead of JSON; default: where stderr is a terminal. */
  readonly pretty?: boolean;
}

/** Fields that could hold what must not be seen in a log. */
const REDACTED = ['token', 'secret', 'keyPem', 'passphrase', '*.token', '*.secret', '*.keyPem', '*.passphrase'];

const LABELS: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: '',
  40: 'warning',
  50: 'error',
  60: 'fatal',
};
const FRAME = new Set(['level', 'time', 'pid', 'hostname', 'name', 'msg', 'service', 'err']);

interface Line {
  readonly level: number;
  readonly name?: string;
  readonly service?: string;
  readonly msg?: string;
  readonly err?: { readonly message?: string };
  readonly [field: string]: unknown;
}

/** `weft xds-server: warning: text (field=value)`. */
export function prettyLine(json: string): string {
  const line = JSON.parse(json) as Line;
  const fields = Object.entries(line).filter(([name]) => !FRAME.has(name));
  const told = fields.map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`);
  const label = LABELS[line.level];
  return [
    [line.name, line.service].filter(Boolean).join(' '),
    ...(label ? [label] : []),
    [line.msg, line.err?.message].filter(Boolean).join(': ') + (told.length > 0 ? ` (${told.join(' ')})` : ''),
  ].join(': ');
}

const prettyStderr: DestinationStream = {
  write: (json) => process.stderr.write(`${prettyLine(json)}\n`),
};

/** What may wait for a disk that is full; what is more is lost. */
const MAX_WAITING_BYTES = 1_048_576;

/** Lines that cannot be written wait for the next ones, or are lost: they cost no service. */
function jsonStderr(): DestinationStream {
  const destination = pino.destination({ dest: 2, sync: true, maxLength: MAX_WAITING_BYTES });
  destination.on('error', () => {
    // It is the log that fails: there is nowhere to tell it.
  });
  return destination;
}

/** Makes a logger; `child({ service })` makes that of one service. */
export function createLogger(options: LogOptions): Logger {
  const pretty = options.pretty ?? process.stderr.isTTY === true;
  const settings: LoggerOptions = {
    name: options.name,
    level: options.level ?? 'info',
    base: pretty ? {} : { pid: process.pid },
    redact: { paths: REDACTED, censor: '(hidden)' },
  };
  return pino(settings, pretty ? prettyStderr : jsonStderr());
}
