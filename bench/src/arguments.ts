/** The command line of the measurements. */
import { parseArgs } from 'node:util';

export interface Settings {
  readonly rounds: number;
  /** How long load runs before it counts, so that code is compiled and pools are full. */
  readonly warmupMs: number;
  /** How long it is counted. */
  readonly windowMs: number;
}

export interface Arguments extends Settings {
  readonly cases: readonly string[];
  readonly json: boolean;
}

function usage(known: readonly string[], others: readonly string[]): string {
  return `usage: npm run bench -- [--case <name>]... [--rounds 5] [--warmup 5] [--seconds 2] [--json]
  --case     one of ${known.join(', ')}; several may be given; default all of them${others.length === 0 ? '' : `; or ${others.join(', ')}`}
  --rounds   how often each side is measured, a whole number from 1
  --warmup   seconds of load before it counts
  --seconds  seconds that are counted
  --json     the last line of each case is JSON`;
}

/** For load on a process that was warmed up by other load before: its connections and their code have to settle. */
export function settled(settings: Settings): Settings {
  return { ...settings, warmupMs: Math.min(settings.warmupMs, SETTLE_MS) };
}

const SETTLE_MS = 1000;

/** Gives the arguments, or a text that says what is wrong with them. `others`: cases that run only where they are named. */
export function parseArguments(
  argv: readonly string[],
  known: readonly string[],
  others: readonly string[] = [],
): Arguments | string {
  const wrong = (what: string): string => `bench: ${what}\n${usage(known, others)}`;
  let values: ReturnType<typeof parse>;
  try {
    values = parse(argv);
  } catch (error) {
    return wrong((error as Error).message);
  }
  const cases = values.case ?? known;
  const unknown = cases.find((name) => !known.includes(name) && !others.includes(name));
  if (unknown !== undefined) return wrong(`there is no case ${unknown}`);
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) return wrong(`--rounds ${values.rounds} is no number`);
  const windowMs = Number(values.seconds) * 1000;
  const warmupMs = Number(values.warmup) * 1000;
  if (!(windowMs > 0)) return wrong(`--seconds ${values.seconds} is no time`);
  if (!(warmupMs >= 0)) return wrong(`--warmup ${values.warmup} is no time`);
  return { cases, rounds, warmupMs, windowMs, json: values.json };
}

function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    options: {
      case: { type: 'string', multiple: true },
      rounds: { type: 'string', default: '5' },
      warmup: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '2' },
      json: { type: 'boolean', default: false },
    },
  }).values;
}
