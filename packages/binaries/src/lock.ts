/**
 * A lock between processes, so that one fetches and the others wait. It saves downloads and nothing hangs on it: what is
 * made under it is renamed into place whole, so two holders would do the work twice and no harm.
 */
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 100;
const UNWRITTEN_MS = 5_000;
/** Longer than a download can take. */
const LONGEST_MS = 15 * 60_000;

export interface LockOptions {
  readonly signal: AbortSignal | undefined;
  /** Called once when another process holds the lock. */
  readonly waiting: () => void;
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function tryLock(path: string): Promise<boolean> {
  try {
    await writeFile(path, `${process.pid}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}

/** Removes the lock of a process that is gone: one that does not live, or that never wrote its id, or took too long. */
async function breakStale(path: string): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const ageMs = Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
  const isStale = text === '' ? ageMs > UNWRITTEN_MS : ageMs > LONGEST_MS || !isAlive(Number(text));
  if (isStale) await rm(path, { force: true });
}

/** Runs `work` while no other process does under the same path. */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  let told = false;
  while (!(await tryLock(path))) {
    if (!told) options.waiting();
    told = true;
    await breakStale(path);
    await delay(POLL_MS, undefined, options.signal ? { signal: options.signal } : {});
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}
