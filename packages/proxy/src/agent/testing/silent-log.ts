/** Logs for tests. */
import type { Log } from '../log.ts';

const IGNORE = (): void => undefined;

export const SILENT: Log = { debug: IGNORE, info: IGNORE, warn: IGNORE, error: IGNORE };

/** A log that keeps its messages. */
export function recordingLog(): Log & { readonly lines: readonly string[] } {
  const lines: string[] = [];
  const keep = (fields: object, message: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  return { debug: keep, info: keep, warn: keep, error: keep, lines };
}
