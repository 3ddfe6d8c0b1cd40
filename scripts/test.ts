/**
 * Every check and test that needs no container engine: types, style, layers, and each package's tests through nx,
 * which runs them in order and keeps what did not change. Prints `N passed, N failed` on a line of its own at the end.
 *
 *   node scripts/test.ts [<package> …]
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

export interface Counts {
  readonly passed: number;
  readonly failed: number;
}

/** The path of a package's command, run by this Node. */
function bin(packageName: string, command: string): string {
  const manifest = require.resolve(`${packageName}/package.json`);
  const { bin: bins } = require(manifest) as { readonly bin: string | Record<string, string> };
  return join(dirname(manifest), typeof bins === 'string' ? bins : (bins[command] as string));
}

interface Finished {
  readonly code: number;
  readonly output: string;
}

/**
 * Runs a script with this Node, its output shown as it comes and kept. It writes into a pipe of the shell's:
 * what `spawn` gives is a pair of sockets, of which a script that ends itself with `process.exit` loses what was not taken yet.
 */
function run(args: readonly string[]): Promise<Finished> {
  const env = {
    ...process.env,
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    NX_DAEMON: 'false',
    NX_NO_CLOUD: 'true',
    // In the checkout: one that is fresh has run nothing yet.
    NX_CACHE_DIRECTORY: join(root, '.nx', 'cache'),
    NX_TUI: 'false',
    FORCE_COLOR: '0',
  };
  return new Promise((resolve, reject) => {
    const shell = ['-c', 'set -o pipefail; "$@" 2>&1 | cat', 'run', process.execPath, ...args];
    const child = spawn('bash', shell, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      process.stdout.write(text);
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

async function check(name: string, args: readonly string[]): Promise<Counts> {
  const { code } = await run(args);
  console.log(`${code === 0 ? '✔' : '✖'} ${name}`);
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/**
 * Adds up what node:test printed for each package. A package that did not count, because it broke before or its
 * output is missing, is a failure, be the code of the whole as it may.
 */
export function countTests(output: string, code: number): Counts {
  const sum = (what: string): number =>
    [...output.matchAll(new RegExp(`^ℹ ${what} (\\d+)$`, 'gm'))].reduce((total, match) => total + Number(match[1]), 0);
  const packages = Number(/Running target test for (\d+) projects?/.exec(output)?.[1] ?? 1);
  const counted = [...output.matchAll(/^ℹ tests \d+$/gm)].length;
  const failed = sum('fail') + sum('cancelled') + Math.max(0, packages - counted);
  return { passed: sum('pass'), failed: code !== 0 && failed === 0 ? 1 : failed };
}

/** Fetches the programs that tests run, so that no test is skipped for want of one. */
async function programs(): Promise<void> {
  for (const [name, variable] of [
    ['nats-server', 'WEFT_NATS_SERVER'],
    ['envoy', 'WEFT_ENVOY'],
  ] as const) {
    const { code, output } = await run(['packages/binaries/bin/fetch.ts', name]);
    // Tests that need it say so themselves.
    if (code === 0) process.env[variable] = output.trim().split('\n').at(-1);
  }
}

async function tests(packages: readonly string[]): Promise<Counts> {
  const only = packages.length === 0 ? [] : [`--projects=${packages.map((name) => `@weft/${name}`).join(',')}`];
  const nx = ['run-many', '--target=test', '--parallel=2', '--outputStyle=stream', ...only];
  const { code, output } = await run([bin('nx', 'nx'), ...nx]);
  return countTests(output.replace(/^@weft\/[a-z0-9-]+: /gm, ''), code);
}

async function main(packages: readonly string[]): Promise<number> {
  const results: Counts[] = [];
  if (packages.length === 0) {
    results.push(await check('types', [bin('typescript', 'tsc'), '--noEmit', '-p', 'tsconfig.json']));
    results.push(await check('style', [bin('@biomejs/biome', 'biome'), 'check', '.']));
    results.push(await check('lock file', ['scripts/lock.ts', '--check']));
    results.push(await check('layers', ['scripts/check-layers.ts']));
  }
  await programs();
  results.push(await tests(packages));
  const passed = results.reduce((total, counts) => total + counts.passed, 0);
  const failed = results.reduce((total, counts) => total + counts.failed, 0);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
