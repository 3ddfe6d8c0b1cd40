/**
 * Pages that the process holds and does not use, given back to Linux: madvise(2), malloc_trim(3). Both are free of
 * effect but for memory: what is used again is there again.
 */
import { readFileSync } from 'node:fs';

const MADV_DONTNEED = 4;

/** A part of the address space. */
export interface Range {
  readonly start: bigint;
  readonly bytes: bigint;
}

/**
 * The parts of `/proc/<pid>/smaps` that are the file `path`, can only be read, and differ in no page from the file: the
 * kernel has each of these pages again as soon as it is looked at. Those that the loader wrote to are not among them.
 */
export function unchangedRanges(smaps: string, path: string): readonly Range[] {
  const ranges: Range[] = [];
  for (const part of smaps.split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)) {
    const [, start, end, rights = '', file] = /^(\w+)-(\w+) (\S+) \S+ \S+ \d+ +(.*)$/m.exec(part) ?? [];
    if (file !== path || rights.includes('w') || !/^Anonymous: +0 kB$/m.test(part)) continue;
    const from = BigInt(`0x${start}`);
    ranges.push({ start: from, bytes: BigInt(`0x${end}`) - from });
  }
  return ranges;
}

/** What the C library is asked for; undefined where it is not that of GNU, or the system is not Linux. */
async function findCalls() {
  if (process.platform !== 'linux') return undefined;
  try {
    const { dlopen } = await import('node:ffi');
    return dlopen(null, {
      malloc_trim: { return: 'i32', arguments: ['u64'] },
      madvise: { return: 'i32', arguments: ['u64', 'u64', 'i32'] },
    }).functions;
  } catch {
    return undefined; // the process then holds more than it needs, and is none the worse for it
  }
}

function ownMaps(): string {
  try {
    return readFileSync('/proc/self/smaps', 'latin1');
  } catch {
    return ''; // not every container shows it
  }
}

/** What gives back what was freed; undefined where the C library has no word for that. */
export async function freedMemoryTrim(): Promise<(() => void) | undefined> {
  const calls = await findCalls();
  return calls && (() => void calls.malloc_trim(0n));
}

/**
 * Gives back what was freed, and the pages of the program itself that were loaded to start and are not looked at since:
 * of 100 MiB of Node, its compiler and its built-in modules among them, a proxy that serves looks at some ten.
 */
export async function giveBackPages(): Promise<void> {
  const calls = await findCalls();
  if (!calls) return;
  calls.malloc_trim(0n);
  for (const { start, bytes } of unchangedRanges(ownMaps(), process.execPath)) {
    calls.madvise(start, bytes, MADV_DONTNEED);
  }
}
