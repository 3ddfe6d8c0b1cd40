/** Processes that the demo starts: their output kept, ended in order, nothing left behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { WeftError } from '@weft/contracts/error';

const ENTRY = fileURLToPath(new URL('../../bin/weft.mjs', import.meta.url));
const KEPT_LINES = 40;

export interface Started {
  readonly name: string;
  readonly pid: number;
  /** Resolves with the exit code when the process has ended; 128 + n for signal n is not told apart. */
  readonly ended: Promise<number>;
  /** The newest lines that it printed. */
  lines(): readonly string[];
  /** Asks the process something over its channel, and waits until it says that it is done. */
  request(message: string): Promise<void>;
  /** Asks it to end, and waits until it has. */
  stop(): Promise<number>;
  /** Ends it and all that it started at once, as a power failure would; resolves when nothing of it is left. */
  kill(): Promise<number>;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** Starts `weft <args>` as a process group of its own. */
export function startWeft(name: string, args: readonly string[], options: StartOptions): Started {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ENTRY, ...args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  });
  const kept: string[] = [];
  const keep = (chunk: Buffer): void => {
    kept.push(...chunk.toString().split('\n').filter(Boolean));
    kept.splice(0, kept.length - KEPT_LINES);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const ended = new Promise<number>((resolve) => {
    child.on('error', (error) => {
      kept.push(error.message);
      resolve(1);
    });
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGKILL' ? 137 : 143)));
  });
  return {
    name,
    pid: child.pid ?? 0,
    ended,
    lines: () => kept,
    request: (message) => requestOf(child, message),
    stop() {
      signal(child, 'SIGTERM');
      return ended;
    },
    async kill() {
      const all = child.pid === undefined ? [] : [child.pid, ...descendants(child.pid)];
      for (const pid of all) killProcess(pid);
      const code = await ended;
      const deadline = performance.now() + 2000;
      while (all.some(isRunning) && performance.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 1));
      return code;
    },
  };
}

function requestOf(child: ChildProcess, message: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const answered = (answer: unknown): void => {
      if (answer !== `done ${message}`) return;
      child.off('message', answered);
      resolve();
    };
    child.on('message', answered);
    child.once('exit', () => reject(new WeftError('UNAVAILABLE', `the process ended before it could ${message}`)));
    child.send(message);
  });
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.exitCode === null && child.signalCode === null) child.kill(name);
}

/** What a process started, and what that did; nothing where /proc does not tell. */
function descendants(pid: number): readonly number[] {
  let children: string;
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  } catch {
    return []; // not Linux, or gone
  }
  const own = children.split(' ').filter(Boolean).map(Number);
  return [...own, ...own.flatMap(descendants)];
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Neither gone nor a zombie that nobody has asked about. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** What the process said last, for an error text. */
export function lastWords(started: Started): string {
  return started.lines().slice(-8).join('\n');
}

/** Polls `probe` until it gives a value; fails with `what` after `timeoutMs`, or when one of `needed` has ended. */
export async function until<T>(
  what: string,
  timeoutMs: number,
  needed: readonly Started[],
  probe: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let dead: Started | undefined;
  for (const started of needed) {
    started.ended.then(
      () => {
        dead ??= started;
      },
      () => undefined,
    );
  }
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (dead) throw new WeftError('INTERNAL', `${what}: ${dead.name} ended; it said last:\n${lastWords(dead)}`);
    if (performance.now() > deadline) {
      const words = needed.map((started) => `${started.name}:\n${lastWords(started)}`).join('\n');
      throw new WeftError('DEADLINE_EXCEEDED', `${what} did not happen within ${timeoutMs / 1000} s\n${words}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Resident and private (RssAnon) memory of a process in MiB; undefined where /proc does not tell. */
export function memoryOf(pid: number): { readonly resident: number; readonly private: number } | undefined {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return undefined; // not Linux, or gone
  }
  const read = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024;
  return { resident: read('VmRSS'), private: read('RssAnon') };
}
