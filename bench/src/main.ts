/**
 * Measures Weft beside Envoy in one run, on a machine where nothing else runs.
 *
 *   npm run bench -- [--case http1]... [--rounds 5] [--json]
 */
import { type Arguments, parseArguments } from './arguments.ts';
import { type BenchCase, runRounds } from './bench.ts';
import { BOUNDS, CASES } from './cases.ts';
import { resultOf, tableOf } from './report.ts';

/** Gives whether it came to its end. */
async function run(bench: BenchCase, settings: Arguments, signal: AbortSignal): Promise<boolean> {
  try {
    const rounds = await runRounds(bench, settings, (line) => console.error(line), signal);
    const result = resultOf(bench, rounds);
    console.log(`\n${tableOf(bench, result, settings.rounds)}`);
    if (settings.json) console.log(JSON.stringify(result));
    return true;
  } catch (error) {
    console.error(`bench: ${bench.name}: ${(error as Error).message}`);
    return false;
  }
}

const settings = parseArguments(
  process.argv.slice(2),
  CASES.map(({ name }) => name),
  BOUNDS.map(({ name }) => name),
);
if (typeof settings === 'string') {
  console.error(settings);
  process.exitCode = 2;
} else {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
  for (const bench of [...CASES, ...BOUNDS].filter(({ name }) => settings.cases.includes(name))) {
    if (stop.signal.aborted) break;
    if (!(await run(bench, settings, stop.signal))) process.exitCode = 1;
  }
}
