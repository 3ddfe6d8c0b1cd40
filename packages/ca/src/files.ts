/** Files that hold secrets: written whole or not at all, for their owner alone. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { WeftError } from '@weft/contracts/error';

function sync(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/**
 * Writes a file of mode 0600 in one step, so that a process killed meanwhile leaves the old one; it is on the disk when
 * this returns. Throws `WeftError` FAILED_PRECONDITION when it cannot be written.
 */
export function writeSecret(path: string, text: string): void {
  try {
    write(path, text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : cause;
    throw new WeftError('FAILED_PRECONDITION', `${path} cannot be written: ${reason}`, { cause });
  }
}

function write(path: string, text: string): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  const handle = openSync(temporary, 'w', 0o600);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(temporary, path);
  sync(folder);
}

/** The text of a file; undefined where there is none. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new WeftError(
      'FAILED_PRECONDITION',
      `${path} cannot be read: ${cause instanceof Error ? cause.message : cause}`,
      {
        cause,
      },
    );
  }
}

/** Refuses a file that others than its owner can read; throws `WeftError` FAILED_PRECONDITION with what to run. */
export function requirePrivate(path: string): void {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) === 0) return;
  throw new WeftError(
    'FAILED_PRECONDITION',
    `the key of the CA in ${path} is open to other users (mode ${mode.toString(8)}): run chmod 600 ${path}, and if others could have read it, move it away, so that a new root is made`,
  );
}
