/** HTTP/1.1 applications, mutual TLS with HTTP/2 between their sidecars. */
import { type Settings, settled } from '../arguments.ts';
import type { BenchCase, Measurement } from '../bench.ts';
import type { Ground } from '../ground.ts';
import type { Window } from '../load/meter.ts';
import type { Side } from '../plane/plane.ts';
import { REQUEST_FIGURES, requestMeasurement } from './figures.ts';
import { onGround } from './on-ground.ts';
import { startPair } from './pair.ts';
import { CONNECTIONS, getRequest, SMALL_BODY } from './requests.ts';

const REQUESTS = [
  getRequest('stock.mesh', '/items'),
  getRequest('stock.mesh', '/items/4711'),
  getRequest('stock.mesh', '/items/4711/price?currency=eur'),
];

/** Requests of the second half: what Envoy can do at most is known then, on this machine and in this round. */
interface Rate {
  ofEnvoy: number | undefined;
}

async function measure(ground: Ground, settings: Settings, app: number, side: Side, rate: Rate): Promise<Measurement> {
  return ground.with(side, async (start) => {
    const pair = await startPair(ground, start, 'http1', app);
    const load = { port: pair.port, connections: CONNECTIONS, requests: REQUESTS, ...SMALL_BODY };
    const window: Window = { ...settings, pids: pair.pids };
    const full = await ground.load.run('http1Load', { ...load, ...window });
    await pair.check(full.done);
    const measured = requestMeasurement(full);
    if (side === 'envoy') rate.ofEnvoy = measured.requestsPerSecond;
    const requestsPerSecond = (rate.ofEnvoy ?? 0) / 2;
    const half = await ground.load.run('http1Rate', {
      ...load,
      ...settled(settings),
      pids: pair.pids,
      requestsPerSecond,
    });
    return {
      ...measured,
      halfRequestsPerSecond: half.done / half.seconds,
      halfP50Ms: half.p50Ms,
      halfP99Ms: half.p99Ms,
      halfCpuMicrosPerRequest: (half.cpuSeconds * 1e6) / half.done,
    };
  });
}

/** Envoy's most, before the first round: rounds where Weft comes first need it too. */
async function envoyRate(ground: Ground, settings: Settings, app: number): Promise<number> {
  return ground.with('envoy', async (start) => {
    const pair = await startPair(ground, start, 'http1', app);
    const load = { port: pair.port, connections: CONNECTIONS, requests: REQUESTS, ...SMALL_BODY };
    const { done, seconds } = await ground.load.run('http1Load', { ...load, ...settings, pids: pair.pids });
    return done / seconds;
  });
}

export const http1MtlsPair: BenchCase = {
  name: 'http1-mtls-pair',
  title:
    'HTTP/1.1 → sidecar → mutual TLS, HTTP/2 → sidecar → HTTP/1.1; RBAC, retries, statistics and gRPC access logs on, ' +
    'both sidecars on one processor, 32 keep-alive connections, answers of 256 bytes',
  figures: [
    ...REQUEST_FIGURES,
    { name: 'halfRequestsPerSecond', label: "half of Envoy's most: requests per second, constant" },
    { name: 'halfP50Ms', label: 'p50 at that rate, ms', decimals: 2, better: 'less' },
    { name: 'halfP99Ms', label: 'p99 at that rate, ms', decimals: 2, better: 'less' },
    { name: 'halfCpuMicrosPerRequest', label: 'CPU for a request at that rate, µs', decimals: 1, better: 'less' },
  ],
  main: 'requestsPerCpuSecond',
  open: (settings) =>
    onGround(async (ground) => {
      const { port: app } = await ground.upstream.run('http1Upstream', SMALL_BODY);
      const rate: Rate = { ofEnvoy: undefined };
      return async (side) => {
        rate.ofEnvoy ??= await envoyRate(ground, settings, app);
        return measure(ground, settings, app, side, rate);
      };
    }),
};
