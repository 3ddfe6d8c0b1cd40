/** The demo as users run it, on each data plane in turn: start-up, failed requests, memory. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { BenchCase } from '../bench.ts';
import type { Side } from '../plane/plane.ts';

const WEFT = fileURLToPath(new URL('../../../packages/cli/bin/weft.mjs', import.meta.url));

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

/** Runs the whole demo once. Throws `Error` with its output where it did not hold. */
async function runDemo(dataPlane: Side): Promise<Run> {
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

export const demo: BenchCase = {
  name: 'demo',
  title: '`weft demo --once` as users run it, on each data plane',
  figures: [
    { name: 'first200Ms', label: 'until the first 200 through mutual TLS, ms', better: 'less' },
    { name: 'canaryAppliedMs', label: 'until a canary holds everywhere, ms', better: 'less' },
    { name: 'requests', label: 'requests' },
    { name: 'failed', label: 'failed requests' },
    { name: 'controlPlaneMiB', label: 'control plane: resident, MiB', decimals: 1 },
    { name: 'sidecarMiB', label: 'sidecar: resident, MiB', decimals: 1, better: 'less' },
    { name: 'sidecarPrivateMiB', label: 'sidecar: private, MiB', decimals: 1, better: 'less' },
  ],
  main: 'first200Ms',
  open: () =>
    Promise.resolve({
      measure: async (side) => ({ ...(await runDemo(side)) }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
};
