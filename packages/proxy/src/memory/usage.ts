/**
 * Memory of the process, as Node tells it. It reads /proc, which fails where no descriptor is left, or no /proc is there:
 * clients that hold as many connections as the process may have must not bring it down.
 */
import { getHeapStatistics } from 'node:v8';

const KIB = 1024;

/** What is resident; where that cannot be read, the most that it ever was. */
export function residentBytes(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return process.resourceUsage().maxRSS * KIB; // the kernel tells that without a file
  }
}

export interface MemoryUsage {
  readonly rss: number;
  /** Of this thread. */
  readonly heapUsed: number;
  readonly heapTotal: number;
  /** Beside the heap, held by objects in it. */
  readonly external: number;
}

export function memoryUsage(): MemoryUsage {
  const { used_heap_size: heapUsed, total_heap_size: heapTotal, external_memory: external } = getHeapStatistics();
  return { rss: residentBytes(), heapUsed, heapTotal, external };
}
