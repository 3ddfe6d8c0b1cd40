/** h2spec (https://github.com/summerwind/h2spec), which tries a server against the RFCs of HTTP/2, and what it found. */
import { execFile } from 'node:child_process';
import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '@weft/binaries';

const MODULE = 'github.com/summerwind/h2spec/cmd/h2spec';
/** The newest version that the Go module proxy serves under a version number. */
const VERSION = 'v2.2.1+incompatible';
const INSTALL_MS = 5 * 60_000;
const RUN_MS = 3 * 60_000;

interface Finished {
  readonly failure: string | undefined;
  readonly output: string;
}

function run(program: string, args: readonly string[], timeout: number, env = process.env): Promise<Finished> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout, env, maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
      resolve({ failure: error?.message, output: `${stdout}${stderr}` });
    });
  });
}

/**
 * Where h2spec is: `WEFT_H2SPEC`, or in the cache, into which `go install` puts it once. Undefined where there is neither it
 * nor Go.
 */
export async function findH2spec(): Promise<string | undefined> {
  const named = process.env.WEFT_H2SPEC;
  if (named) return named;
  const folder = join(cacheFolder(process.env), `h2spec-${VERSION}`);
  const path = join(folder, 'h2spec');
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) return path;
  if ((await run('go', ['version'], 10_000)).failure !== undefined) return undefined;
  await mkdir(folder, { recursive: true });
  const installed = await run('go', ['install', `${MODULE}@${VERSION}`], INSTALL_MS, { ...process.env, GOBIN: folder });
  if (installed.failure === undefined) return path;
  throw new Error(`go could not install ${MODULE}@${VERSION}: ${installed.output || installed.failure}`);
}

export interface Spec {
  readonly port: number;
  readonly path: string;
  readonly isTls: boolean;
}

export interface SpecResult {
  readonly passed: number;
  readonly failed: number;
  /** All that h2spec printed of those that failed. */
  readonly report: string;
}

/** Runs every case, the strict ones among them. */
export async function runH2spec(program: string, { port, path, isTls }: Spec): Promise<SpecResult> {
  const args = ['-h', '127.0.0.1', '-p', String(port), '-P', path, '-S', '-o', '5', ...(isTls ? ['-t', '-k'] : [])];
  const { output, failure } = await run(program, args, RUN_MS);
  const counts = /(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed/.exec(output);
  if (!counts) throw new Error(`h2spec came to no end: ${failure ?? ''}\n${output}`);
  const from = output.indexOf('Failures:');
  return { passed: Number(counts[2]), failed: Number(counts[4]), report: from === -1 ? '' : output.slice(from) };
}
