/** Where the processes of one base ID meet. */
import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WeftError } from '@weft/contracts/error';

function make(folder: string): void {
  try {
    // Not with its parents: where they are no real files, Node would try without end.
    mkdirSync(folder, 0o700);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw new WeftError(
      'FAILED_PRECONDITION',
      `the folder for hot restarts cannot be made: ${(cause as Error).message}; set TMPDIR to a folder that this user can write to, or give --disable-hot-restart`,
      { cause },
    );
  }
}

/**
 * The socket of a base ID, in a folder that only this user can enter. Throws `WeftError` PERMISSION_DENIED where
 * somebody else has made the folder, FAILED_PRECONDITION where it cannot be made.
 */
export function restartSocket(baseId: number): string {
  const user = process.getuid?.() ?? 0;
  const folder = join(tmpdir(), `weft-restart-${user}`);
  make(folder);
  const found = lstatSync(folder);
  if (!found.isDirectory() || (process.getuid && found.uid !== user)) {
    throw new WeftError('PERMISSION_DENIED', `${folder} is not a folder of this user; remove it, or set TMPDIR`);
  }
  chmodSync(folder, 0o700);
  return join(folder, `${baseId}.sock`);
}
