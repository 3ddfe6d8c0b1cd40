/**
 * Measures, side by side with the peer in one run, when nothing else runs on the machine.
 *
 *   npm run bench -- [--case demo] [--rounds 5] [--json]
 */
import { parseArgs } from 'node:util';
import { benchDemo, demoTable } from './demo.ts';

interface Case {
  /** Gives the table to read, and the object that is the last line with --json. */
  run(rounds: number, tell: (line: string) => void): Promise<{ readonly table: string; readonly json: object }>;
}

const CASES: Readonly<Record<string, Case>> = {
  demo: {
    async run(rounds, tell) {
      const figures = await benchDemo(rounds, tell);
      const ratio = figures.weft.first200Ms.median / figures.envoy.first200Ms.median;
      return { table: demoTable(figures), json: { case: 'demo', peer: 'envoy', ratio, ...figures } };
    },
  },
};

const { values } = parseArgs({
  options: {
    case: { type: 'string', multiple: true },
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const names = values.case ?? Object.keys(CASES);
const unknown = names.filter((name) => !Object.hasOwn(CASES, name));
if (unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) {
  console.error(`bench: --case takes ${Object.keys(CASES).join(', ')}; --rounds a whole number from 1`);
  process.exitCode = 2;
} else {
  for (const name of names) {
    const { table, json } = await (CASES[name] as Case).run(rounds, (line) => console.error(line));
    console.log(`\n${name}, ${rounds} rounds: median (least–most)\n\n${table}`);
    if (values.json) console.log(JSON.stringify(json));
  }
}
