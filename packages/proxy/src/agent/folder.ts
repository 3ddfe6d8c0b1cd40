/** The folder of one workload: what its agent keeps between runs. Only its owner can read it. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WeftError } from '@weft/contracts/error';

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : undefined;
}

/** When the process began, in the kernel's ticks, so that a pid that is used again is not taken for it; '' off Linux. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    // There is no such process, or no /proc.
    return '';
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return codeOf(thrown) === 'EPERM';
  }
}

/** Whether the process that wrote `<pid> <start>` still runs. */
export function isRunning(record: string): boolean {
  const [pid = '', start = ''] = record.trim().split(' ');
  if (!/^\d+$/.test(pid) || !isAlive(Number(pid))) return false;
  return start === '' || start === startOf(Number(pid));
}

/** What names this process for {@link isRunning}. */
export function ownRecord(): string {
  return `${process.pid} ${startOf(process.pid)}`;
}

export interface AgentFolder {
  readonly path: string;
  /** Whether the agent that had it last was killed: what it ran may still be ending. */
  readonly isTakenOver: boolean;
  /** The content of a file; undefined when there is none. */
  read(name: string): Buffer | undefined;
  /** Replaces a file in one step that survives a loss of power; mode 0600. */
  write(name: string, content: string | Uint8Array): void;
  /** Gives the folder up. */
  release(): void;
}

function writeAtomically(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}`;
  const file = openSync(temporary, 'w', 0o600);
  try {
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return undefined;
    throw new WeftError('FAILED_PRECONDITION', `${path} cannot be read: ${String(thrown)}`, { cause: thrown });
  }
}

/** Takes a lock file; a lock whose owner is gone is taken over, which is told. */
function lock(path: string, id: string): boolean {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(path, ownRecord(), { flag: 'wx', mode: 0o600 });
      return attempt > 0;
    } catch (thrown) {
      if (codeOf(thrown) !== 'EEXIST') throw thrown;
      const record = readIfThere(path)?.toString() ?? '';
      if (isRunning(record)) {
        throw new WeftError(
          'ALREADY_EXISTS',
          `workload ${id} runs on this machine already (process ${record.split(' ')[0]}): stop it, or name this one with --id`,
        );
      }
      rmSync(path, { force: true });
    }
  }
  throw new WeftError('ALREADY_EXISTS', `workload ${id} is being started by another process: name this one with --id`);
}

/** Makes and locks the folder of a workload. Throws `WeftError` ALREADY_EXISTS while another agent holds it. */
export function openFolder(stateDir: string, namespace: string, id: string): AgentFolder {
  const path = join(stateDir, `${namespace}.${id}`);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (thrown) {
    throw new WeftError('FAILED_PRECONDITION', `the state folder ${path} cannot be made: ${String(thrown)}`, {
      cause: thrown,
    });
  }
  const lockFile = join(path, 'agent.lock');
  const isTakenOver = lock(lockFile, id);
  return {
    path,
    isTakenOver,
    read: (name) => readIfThere(join(path, name)),
    write: (name, content) => writeAtomically(join(path, name), content),
    release: () => rmSync(lockFile, { force: true }),
  };
}
