/** Whether a program can be run, looked up as a shell does, so that what is not there is told before anything starts. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, resolve } from 'node:path';

export interface ProgramTrouble {
  readonly message: string;
  /** That of shells: 127 for a program that is not there, 126 for one that cannot be run. */
  readonly exitCode: number;
}

type Found = 'runnable' | 'not runnable' | 'missing';

function look(path: string): Found {
  try {
    if (!statSync(path).isFile()) return 'not runnable';
  } catch {
    return 'missing'; // or in a folder that cannot be read, which is the same to whoever runs it
  }
  try {
    accessSync(path, constants.X_OK);
    return 'runnable';
  } catch {
    return 'not runnable';
  }
}

/** Why `program` cannot be run; undefined when it can, or there is none. */
export function programTrouble(
  program: string | undefined,
  env: NodeJS.ProcessEnv,
  cwd: string,
): ProgramTrouble | undefined {
  if (program === undefined) return undefined;
  const isPath = program.includes('/');
  const folders = isPath ? [cwd] : (env.PATH ?? '').split(delimiter).map((folder) => resolve(cwd, folder));
  const found = folders.map((folder) => look(resolve(folder, program)));
  if (found.includes('runnable')) return undefined;
  if (isPath && found.includes('not runnable')) {
    return { message: `${program} cannot be run: is it an executable file?`, exitCode: 126 };
  }
  const where = isPath ? '' : ' on PATH';
  return { message: `there is no program ${program}${where}: check the command after --`, exitCode: 127 };
}
