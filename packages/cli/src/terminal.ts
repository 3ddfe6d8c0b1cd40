/** Where a command writes; a parameter, so that tests see what users see. */
export interface Terminal {
  /** Results: what a program may read. */
  out(text: string): void;
  /** News and errors: what a person reads. */
  err(text: string): void;
  readonly isTty: boolean;
}

/** What a reader that has gone away, or a full disk, costs: the text, and not the process with all that it serves. */
function loseText(): void {
  // Where it could be told is what has failed.
}

/** The process's own terminal. What cannot be written there is lost, whoever writes it. */
export function processTerminal(): Terminal {
  for (const stream of [process.stdout, process.stderr]) {
    if (!stream.listeners('error').includes(loseText)) stream.on('error', loseText);
  }
  return {
    out: (text) => process.stdout.write(`${text}\n`),
    err: (text) => process.stderr.write(`${text}\n`),
    isTty: process.stdout.isTTY === true,
  };
}

/** Rows under headings, in columns as wide as their widest cell. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** How long ago, in the largest unit that says it well: `4s`, `12m`, `3h`, `5d`. */
export function age(fromMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - fromMs) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)}h` : `${Math.round(seconds / 86_400)}d`;
}
