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

function usage(known: readonly string[]): string {
  return `usage: npm run bench -- [--case <name>]... [--rounds 5] [--warmup 5] [--seconds 2] [--json]
  --case     one of ${known.join(', ')}; several may be given; default all of them
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

/** Gives the arguments, or a text that says what is wrong with them. */
export function parseArguments(argv: readonly string[], known: readonly string[]): Arguments | string {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(argv);
  } catch (error) {
    return `bench: ${(error as Error).message}\n${usage(known)}`;
  }
  const cases = values.case ?? known;
  const unknown = cases.find((name) => !known.includes(name));
  if (unknown !== undefined) return `bench: there is no case ${unknown}\n${usage(known)}`;
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) return `bench: --rounds ${values.rounds} is no number\n${usage(known)}`;
  const windowMs = Number(values.seconds) * 1000;
  const warmupMs = Number(values.warmup) * 1000;
  if (!(windowMs > 0)) return `bench: --seconds ${values.seconds} is no time\n${usage(known)}`;
  if (!(warmupMs >= 0)) return `bench: --warmup ${values.warmup} is no time\n${usage(known)}`;
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
