/** What is told of the rounds: a table to read, and an object. */
import type { BenchCase, Figure, Rounds } from './bench.ts';
import type { Side } from './plane/plane.ts';
import { ratioSpread, type Spread, spread, spreadText } from './statistics.ts';

export interface Result {
  readonly case: string;
  readonly peer: 'envoy';
  /** Weft's by Envoy's, of the main figure, round by round. */
  readonly ratio: Spread;
  /** The same of every figure that can be better or worse. */
  readonly ratios: Readonly<Record<string, Spread>>;
  readonly weft: Readonly<Record<string, Spread>>;
  readonly envoy: Readonly<Record<string, Spread>>;
}

function valuesOf(rounds: Rounds, side: Side, { name }: Figure): number[] {
  return rounds[side].map((measured) => measured[name] ?? Number.NaN);
}

export function resultOf(bench: BenchCase, rounds: Rounds): Result {
  const spreads = (side: Side) =>
    Object.fromEntries(bench.figures.map((figure) => [figure.name, spread(valuesOf(rounds, side, figure))]));
  const ratios = Object.fromEntries(
    bench.figures
      .filter(({ better }) => better !== undefined)
      .map((figure) => [figure.name, ratioSpread(valuesOf(rounds, 'weft', figure), valuesOf(rounds, 'envoy', figure))]),
  );
  const ratio = ratios[bench.main];
  if (!ratio) throw new RangeError(`${bench.name} has no figure ${bench.main} that can be better or worse`);
  return { case: bench.name, peer: 'envoy', ratio, ratios, weft: spreads('weft'), envoy: spreads('envoy') };
}

const DIRECTIONS = { more: 'more than 1 is better', less: 'less than 1 is better' } as const;

/** A table in Markdown: median and extremes of each side, and of the ratios of the rounds. */
export function tableOf({ name, title, figures, main }: BenchCase, result: Result, rounds: number): string {
  const rows = figures.map((figure) => {
    const { decimals = 0, better } = figure;
    const cell = (values: Spread | undefined) => (values ? spreadText(values, decimals) : '');
    const ratio = result.ratios[figure.name];
    const ratioText = better && ratio ? `${spreadText(ratio, 2)}, ${DIRECTIONS[better]}` : '';
    const label = figure.name === main ? `**${figure.label}**` : figure.label;
    return `| ${label} | ${cell(result.weft[figure.name])} | ${cell(result.envoy[figure.name])} | ${ratioText} |`;
  });
  return [
    `${name}: ${title}`,
    `${rounds} ${rounds === 1 ? 'round' : 'rounds'}: median (least–most); weft/envoy is taken round by round`,
    '',
    '| | weft | envoy | weft/envoy |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}
