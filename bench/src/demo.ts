/** The demo as users run it, on each data plane in turn: start-up, failed requests, memory. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Spread, spread, spreadText } from './statistics.ts';

const WEFT = fileURLToPath(new URL('../../packages/cli/bin/weft.mjs', import.meta.url));
const DATA_PLANES = ['weft', 'envoy'] as const;
type DataPlane = (typeof DATA_PLANES)[number];

interface DemoResult {
  readonly dataPlanes: Readonly<
    Record<
      string,
      {
        readonly first200Ms: number;
        readonly requests: number;
        readonly failed: number;
        readonly canaryAppliedMs: number;
      }
    >
  >;
  readonly memoryMiB: { readonly controlPlane: number; readonly sidecar: number; readonly sidecarPrivate: number };
}

interface Run {
  readonly first200Ms: number;
  readonly canaryAppliedMs: number;
  readonly requests: number;
  readonly failed: number;
  readonly controlPlaneMiB: number;
  readonly sidecarMiB: number;
  readonly sidecarPrivateMiB: number;
}

type Measure = keyof Run;
const MEASURES: readonly Measure[] = [
  'first200Ms',
  'canaryAppliedMs',
  'requests',
  'failed',
  'controlPlaneMiB',
  'sidecarMiB',
  'sidecarPrivateMiB',
];

export type DemoFigures = Readonly<Record<DataPlane, Readonly<Record<Measure, Spread>>>>;

/** Runs the whole demo once. Throws `Error` with its output where it did not hold. */
async function runDemo(dataPlane: DataPlane): Promise<Run> {
  const child = spawn(process.execPath, [WEFT, 'demo', '--once', '--json', '--data-plane', dataPlane], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) throw new Error(`weft demo ended with ${code}:\n${errors}${output}`);
  const result = JSON.parse(output.trim().split('\n').at(-1) ?? '') as DemoResult;
  const figures = result.dataPlanes[dataPlane];
  if (!figures) throw new Error(`weft demo told nothing of ${dataPlane}`);
  const { first200Ms, canaryAppliedMs, requests, failed } = figures;
  return {
    first200Ms,
    canaryAppliedMs,
    requests,
    failed,
    controlPlaneMiB: result.memoryMiB.controlPlane,
    sidecarMiB: result.memoryMiB.sidecar,
    sidecarPrivateMiB: result.memoryMiB.sidecarPrivate,
  };
}

/** Interleaved rounds, so that what else the machine does weighs on both alike. */
export async function benchDemo(rounds: number, tell: (line: string) => void): Promise<DemoFigures> {
  const runs: Record<DataPlane, Run[]> = { weft: [], envoy: [] };
  for (let round = 1; round <= rounds; round++) {
    for (const dataPlane of DATA_PLANES) {
      const run = await runDemo(dataPlane);
      tell(`round ${round}, ${dataPlane}: ${MEASURES.map((measure) => `${measure} ${run[measure]}`).join(', ')}`);
      runs[dataPlane].push(run);
    }
  }
  const figures = (dataPlane: DataPlane) =>
    Object.fromEntries(
      MEASURES.map((measure) => [measure, spread(runs[dataPlane].map((run) => run[measure]))]),
    ) as Record<Measure, Spread>;
  return { weft: figures('weft'), envoy: figures('envoy') };
}

/** A table in Markdown: median and extremes. */
export function demoTable(figures: DemoFigures): string {
  const rows = MEASURES.map((measure) => {
    const cells = DATA_PLANES.map((dataPlane) =>
      spreadText(figures[dataPlane][measure], measure.endsWith('MiB') ? 1 : 0),
    );
    return `| ${measure} | ${cells.join(' | ')} |`;
  });
  return ['| | weft | envoy |', '| --- | --- | --- |', ...rows].join('\n');
}
