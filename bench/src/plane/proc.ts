/** What Linux tells of a process (proc(5)). */
import { readFileSync } from 'node:fs';

/** What the kernel counts processor time in, on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Seconds of processor time, user's and kernel's, of all threads: fields 14 and 15 of `/proc/<pid>/stat`. */
export function parseCpuSeconds(stat: string): number {
  // The second field is the program's name in brackets, and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  if (Number.isNaN(ticks)) throw new TypeError(`not a line of /proc/<pid>/stat: ${JSON.stringify(stat)}`);
  return ticks / TICKS_PER_SECOND;
}

/** Seconds of processor time that processes took since they started. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((total, pid) => total + parseCpuSeconds(readFileSync(`/proc/${pid}/stat`, 'latin1')), 0);
}

/** MiB of a field that is told in kB, as `VmRSS` of `/proc/<pid>/status`; undefined where there is none. */
export function parseMemoryMiB(text: string, field: string): number | undefined {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text);
  return found ? Number(found[1]) / 1024 : undefined;
}

export interface Memory {
  /** Resident: what `ps` shows. */
  readonly rssMiB: number;
  /** What is shared with other processes counts in parts. Undefined where the kernel does not tell. */
  readonly pssMiB: number | undefined;
}

export function memoryOf(pid: number): Memory {
  const rssMiB = parseMemoryMiB(readFileSync(`/proc/${pid}/status`, 'latin1'), 'VmRSS');
  if (rssMiB === undefined) throw new TypeError(`/proc/${pid}/status tells no VmRSS`);
  let pssMiB: number | undefined;
  try {
    pssMiB = parseMemoryMiB(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'), 'Pss');
  } catch {
    pssMiB = undefined; // not every kernel has it, and not every user may read it
  }
  return { rssMiB, pssMiB };
}
