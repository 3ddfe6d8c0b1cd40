/** Where the lines of a proxy's log go: standard error, or a file that can be opened again after it was moved away. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { WeftError } from '@weft/contracts/error';

export interface LogOutput {
  write(line: string): void;
  /** Goes on in a file of the same name, as those who rotate logs ask for. */
  reopen(): void;
  close(): void;
}

function open(path: string): number {
  try {
    return openSync(path, 'a');
  } catch (cause) {
    throw new WeftError('INVALID_ARGUMENT', `--log-path ${path} cannot be written: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** A full disk costs the line, not the proxy. */
function append(file: number, line: string): void {
  try {
    writeSync(file, line);
  } catch {
    // It is the log that fails: there is nowhere to tell it.
  }
}

/** `path` undefined: standard error. Throws `WeftError` INVALID_ARGUMENT where the file cannot be opened. */
export function openLogOutput(path: string | undefined): LogOutput {
  if (path === undefined) {
    const nothing = () => undefined;
    return { write: (line) => process.stderr.write(line), reopen: nothing, close: nothing };
  }
  let file = open(path);
  return {
    write: (line) => append(file, line),
    reopen() {
      const before = file;
      file = open(path);
      closeSync(before);
    },
    close: () => closeSync(file),
  };
}
