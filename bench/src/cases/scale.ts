/** A large table: 10,000 clusters and 50,000 routes, beside a small one of the same kind. */
import { type Settings, settled } from '../arguments.ts';
import type { BenchCase, Figure, Measurement } from '../bench.ts';
import type { Ground } from '../ground.ts';
import type { Side } from '../plane/plane.ts';
import { memoryOf } from '../plane/proc.ts';
import { onGround } from './on-ground.ts';
import { CONNECTIONS, getRequest, SMALL_BODY } from './requests.ts';
import { hostOf, pathOf, tableBootstrap } from './scale-table.ts';

const LARGE_HOSTS = 10_000;
const SMALL_HOSTS = 10;
const READY_WITHIN_MS = 180_000;

/** Places of a table: of its host, and of the route in that. */
const PLACES = ['first', 'middle', 'last'] as const;

async function lookups(
  ground: Ground,
  settings: Settings,
  hosts: number,
  target: { readonly port: number; readonly pid: number },
): Promise<Measurement> {
  const measured: Record<string, number> = {};
  for (const [index, place] of PLACES.entries()) {
    const share = index / (PLACES.length - 1);
    const requests = [getRequest(hostOf(Math.round((hosts - 1) * share)), pathOf(share))];
    const load = { port: target.port, connections: CONNECTIONS, requests, ...SMALL_BODY };
    const window = index === 0 ? settings : settled(settings);
    const { done, cpuSeconds } = await ground.load.run('http1Load', { ...load, ...window, pids: [target.pid] });
    measured[place] = done / cpuSeconds;
  }
  return measured;
}

async function measureTable(ground: Ground, settings: Settings, app: number, side: Side, hosts: number) {
  return ground.with(side, async (start) => {
    const text = tableBootstrap(hosts);
    const options = { ports: { 10080: app }, text, format: 'json', readyWithinMs: READY_WITHIN_MS } as const;
    const plane = await start(`scale-${hosts}`, options);
    const { rssMiB } = memoryOf(plane.pid);
    const perCpuSecond = await lookups(ground, settings, hosts, { port: plane.port('http'), pid: plane.pid });
    return { readyMs: plane.readyMs, rssMiB, perCpuSecond };
  });
}

async function measure(ground: Ground, settings: Settings, app: number, side: Side): Promise<Measurement> {
  const small = await measureTable(ground, settings, app, side, SMALL_HOSTS);
  const large = await measureTable(ground, settings, app, side, LARGE_HOSTS);
  const places = PLACES.flatMap((place) => {
    const [few, many] = [small.perCpuSecond[place] ?? Number.NaN, large.perCpuSecond[place] ?? Number.NaN];
    return [
      [`${place}PerCpuSecond`, many],
      [`${place}LookupCost`, few / many],
    ] as const;
  });
  const { readyMs, rssMiB } = large;
  return { readyMs, rssMiB, ...Object.fromEntries(places) };
}

export const scale: BenchCase = {
  name: 'scale',
  title: '10,000 clusters and 50,000 routes of 10,000 hosts, beside 10 hosts with 50 routes',
  figures: [
    { name: 'readyMs', label: 'from the start until ready, ms', better: 'less' },
    { name: 'rssMiB', label: 'resident when ready, MiB', better: 'less' },
    ...PLACES.map(
      (place): Figure => ({
        name: `${place}PerCpuSecond`,
        label: `requests per CPU second, ${place} host and route`,
        better: 'more',
      }),
    ),
    ...PLACES.map(
      (place): Figure => ({
        name: `${place}LookupCost`,
        label: `CPU of a request to the ${place} host, by that with 10 hosts`,
        decimals: 2,
        better: 'less',
      }),
    ),
  ],
  main: 'readyMs',
  open: (settings) =>
    onGround(async (ground) => {
      const { port: app } = await ground.upstream.run('http1Upstream', SMALL_BODY);
      return (side) => measure(ground, settings, app, side);
    }),
};
