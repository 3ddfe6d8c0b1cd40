/** Which processor runs what: the proxies have one for themselves. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Cpus {
  /** Of the proxy, or of both of a pair. */
  readonly proxy: number;
  /** Of the load generator, and of upstreams where there are but two. */
  readonly load: number;
  readonly upstream: number;
}

/** Numbers of a list as `0-2,5`. */
export function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
    });
}

/** Of those that this process may use: the last for proxies, the first for load, a third one, if there is, for upstreams. */
export function assignCpus(allowed: readonly number[]): Cpus {
  const [load = 0, upstream = load] = allowed;
  const proxy = allowed.at(-1) ?? load;
  return { proxy, load, upstream: allowed.length > 2 ? upstream : load };
}

/** Throws `Error` where this is not Linux, or there is no `taskset`. */
export function findCpus(): Cpus {
  if (process.platform !== 'linux') throw new Error('measurements need Linux: they read /proc and pin with taskset');
  if (spawnSync('taskset', ['-V']).error) throw new Error('measurements need taskset, which is part of util-linux');
  const allowed = /^Cpus_allowed_list:\s+(.+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  return assignCpus(parseCpuList(allowed));
}

/** The command that runs another one on one processor. */
export function pinned(cpu: number, command: string, args: readonly string[]): [string, string[]] {
  return ['taskset', ['-c', String(cpu), command, ...args]];
}
