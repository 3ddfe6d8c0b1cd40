/** Resident memory of the proxy's process: as it starts, with many connections that rest, and with many that work. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Settings } from '../arguments.ts';
import type { BenchCase, Figure, Measurement } from '../bench.ts';
import type { Ground } from '../ground.ts';
import type { Side } from '../plane/plane.ts';
import { memoryOf } from '../plane/proc.ts';
import { onGround } from './on-ground.ts';
import { MIXED_REQUESTS, SMALL_BODY } from './requests.ts';

const IDLE_CONNECTIONS = 10_000;
const BUSY_CONNECTIONS = 1000;
/** How long a process rests before its memory is read. */
const REST_MS = 1500;
const SAMPLE_MS = 100;

const PHASES = [
  ['idle', 'idle'],
  ['held', 'with 10,000 connections that rest'],
  ['busy', 'with 1,000 connections that work'],
] as const;

type Phase = (typeof PHASES)[number][0];

function read(phase: Phase, pid: number): Measurement {
  const { rssMiB, pssMiB } = memoryOf(pid);
  return { [`${phase}RssMiB`]: rssMiB, [`${phase}PssMiB`]: pssMiB ?? Number.NaN };
}

function measureHeld(ground: Ground, app: number, side: Side): Promise<Measurement> {
  return ground.with(side, async (start) => {
    const plane = await start('http1', { ports: { 10080: app } });
    await delay(REST_MS);
    const idle = read('idle', plane.pid);
    const load = { port: plane.port('http'), connections: IDLE_CONNECTIONS, requests: MIXED_REQUESTS, ...SMALL_BODY };
    await ground.load.run('hold', load);
    await delay(REST_MS);
    const held = read('held', plane.pid);
    await ground.load.run('letGo', {});
    return { ...idle, ...held };
  });
}

/** The most that was seen while the load was counted. */
function measureBusy(ground: Ground, settings: Settings, app: number, side: Side): Promise<Measurement> {
  return ground.with(side, async (start) => {
    const plane = await start('http1', { ports: { 10080: app } });
    const load = { port: plane.port('http'), connections: BUSY_CONNECTIONS, requests: MIXED_REQUESTS, ...SMALL_BODY };
    let isOver = false;
    const running = ground.load.run('http1Load', { ...load, ...settings, pids: [plane.pid] }).finally(() => {
      isOver = true;
    });
    const samples: Measurement[] = [];
    // A failure of the load is told by what awaits it below.
    await Promise.race([delay(settings.warmupMs), running.catch(() => undefined)]);
    while (!isOver) {
      samples.push(read('busy', plane.pid));
      await delay(SAMPLE_MS);
    }
    await running;
    const most = (name: string) => Math.max(...samples.map((sample) => sample[name] ?? Number.NaN));
    return { busyRssMiB: most('busyRssMiB'), busyPssMiB: most('busyPssMiB') };
  });
}

export const memory: BenchCase = {
  name: 'memory',
  title: 'memory of the process, HTTP/1.1 in the clear, each connection used once or without a pause',
  figures: PHASES.flatMap(([name, label]): Figure[] => [
    { name: `${name}RssMiB`, label: `${label}: resident, MiB`, decimals: 1, better: 'less' },
    { name: `${name}PssMiB`, label: `${label}: proportional, MiB`, decimals: 1, better: 'less' },
  ]),
  main: 'heldRssMiB',
  open: (settings) =>
    onGround(async (ground) => {
      const { port: app } = await ground.upstream.run('http1Upstream', SMALL_BODY);
      return async (side) => {
        const held = await measureHeld(ground, app, side);
        return { ...held, ...(await measureBusy(ground, settings, app, side)) };
      };
    }),
};
