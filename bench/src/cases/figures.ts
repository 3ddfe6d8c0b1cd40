/** Figures that several cases tell. */
import type { Figure, Measurement } from '../bench.ts';
import type { Counted } from '../load/meter.ts';

/** How load of requests is told. */
export const REQUEST_FIGURES: readonly Figure[] = [
  { name: 'requestsPerCpuSecond', label: 'requests per CPU second', better: 'more' },
  { name: 'cpuMicrosPerRequest', label: "the proxies' CPU for a request, µs", decimals: 1, better: 'less' },
  { name: 'requestsPerSecond', label: 'requests per second', better: 'more' },
  { name: 'p50Ms', label: 'p50 at that load, ms', decimals: 2, better: 'less' },
  { name: 'p99Ms', label: 'p99 at that load, ms', decimals: 2, better: 'less' },
];

export function requestMeasurement({ done, seconds, cpuSeconds, p50Ms, p99Ms }: Counted): Measurement {
  return {
    requestsPerCpuSecond: done / cpuSeconds,
    cpuMicrosPerRequest: (cpuSeconds * 1e6) / done,
    requestsPerSecond: done / seconds,
    p50Ms,
    p99Ms,
  };
}
