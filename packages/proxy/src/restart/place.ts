/** Where the processes of one base ID meet. */
import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WeftError } from '@weft/contracts/error';

/**
 * The socket of a base ID, in a folder that only this user can enter. Throws `WeftError` PERMISSION_DENIED where
 * somebody else has made the folder.
 */
export function restartSocket(baseId: number): string {
  const user = process.getuid?.() ?? 0;
  const folder = join(tmpdir(), `weft-restart-${user}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  if (!found.isDirectory() || (process.getuid && found.uid !== user)) {
    throw new WeftError('PERMISSION_DENIED', `${folder} is not a folder of this user; remove it, or set TMPDIR`);
  }
  chmodSync(folder, 0o700);
  return join(folder, `${baseId}.sock`);
}
