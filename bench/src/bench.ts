/** A comparison: what one side comes to in one round, and what is made of the rounds. */
import type { Settings } from './arguments.ts';
import type { Side } from './plane/plane.ts';

/** A number that a side comes to in a round. */
export interface Figure {
  readonly name: string;
  /** What it is, with its unit, as a row of the table says it. */
  readonly label: string;
  readonly decimals?: number;
  /** Which way is better; undefined: the ratio says nothing, and is not told. */
  readonly better?: 'more' | 'less';
}

/** By the names of the figures. */
export type Measurement = Readonly<Record<string, number>>;

/** A comparison that is ready to be measured. */
export interface Bench extends AsyncDisposable {
  /** Measures one side once. Rejects, with a sentence that names the side, where it cannot do what is asked of it. */
  measure(side: Side): Promise<Measurement>;
}

export interface BenchCase {
  readonly name: string;
  /** What is measured, in a line. */
  readonly title: string;
  readonly figures: readonly Figure[];
  /** The figure whose ratio is that of the case. */
  readonly main: string;
  open(settings: Settings): Promise<Bench>;
}

/** What each side came to, a value for each round. */
export type Rounds = Readonly<Record<Side, readonly Measurement[]>>;

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('was stopped')), { once: true });
  });
}

/**
 * Rounds of both sides, now the one first and now the other, so that what else the machine does weighs on both alike.
 * Rejects as soon as `signal` is aborted; what was started is ended then.
 */
export async function runRounds(
  bench: BenchCase,
  settings: Settings,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<Rounds> {
  const aborted = whenAborted(signal);
  aborted.catch(() => undefined);
  await using opened = await bench.open(settings);
  const rounds: Record<Side, Measurement[]> = { weft: [], envoy: [] };
  for (let round = 0; round < settings.rounds; round++) {
    const order: readonly Side[] = round % 2 === 0 ? ['weft', 'envoy'] : ['envoy', 'weft'];
    for (const side of order) {
      const measured = await Promise.race([aborted, opened.measure(side)]);
      rounds[side].push(measured);
      const texts = bench.figures.map(({ name, decimals = 0 }) => `${name} ${(measured[name] ?? 0).toFixed(decimals)}`);
      tell(`${bench.name}, round ${round + 1}, ${side}: ${texts.join(', ')}`);
    }
  }
  return rounds;
}
