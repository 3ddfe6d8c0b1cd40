/** Bytes through the TCP proxy: one in the clear, and two with mutual TLS between them. */
import type { BenchCase, Figure, Measurement } from '../bench.ts';
import type { Ground } from '../ground.ts';
import type { Side } from '../plane/plane.ts';
import { onGround } from './on-ground.ts';

const BYTES = 1024 ** 3;
/** Before it counts: buffers are grown and code is compiled. */
const WARMUP_BYTES = 128 * 1024 ** 2;
const CONNECTIONS = 4;
const DIRECTIONS = ['down', 'up'] as const;
const TEXT = { down: 'to the client', up: 'to the server' } as const;

function figures(prefix: string, way: string): Figure[] {
  return DIRECTIONS.flatMap((direction): Figure[] => {
    const what = `${way}, ${TEXT[direction]}`;
    const name = (unit: string) => `${prefix}${direction === 'down' ? 'Down' : 'Up'}${unit}`;
    return [
      { name: name('MiBPerCpuSecond'), label: `${what}: MiB per CPU second`, better: 'more' },
      { name: name('MiBPerSecond'), label: `${what}: MiB per second`, better: 'more' },
    ];
  });
}

async function measureWay(ground: Ground, prefix: string, port: number, pids: readonly number[]): Promise<Measurement> {
  const measured: Record<string, number> = {};
  for (const direction of DIRECTIONS) {
    const load = { port, direction, connections: CONNECTIONS, pids };
    await ground.load.run('tcpLoad', { ...load, bytes: WARMUP_BYTES });
    const { bytes, seconds, cpuSeconds } = await ground.load.run('tcpLoad', { ...load, bytes: BYTES });
    const name = `${prefix}${direction === 'down' ? 'Down' : 'Up'}`;
    measured[`${name}MiBPerCpuSecond`] = bytes / 1024 ** 2 / cpuSeconds;
    measured[`${name}MiBPerSecond`] = bytes / 1024 ** 2 / seconds;
  }
  return measured;
}

async function measure(ground: Ground, app: number, side: Side): Promise<Measurement> {
  const clear = await ground.with(side, async (start) => {
    const plane = await start('tcp-server', { ports: { 10080: app } });
    return measureWay(ground, 'clear', plane.port('clear'), [plane.pid]);
  });
  const secure = await ground.with(side, async (start) => {
    const server = await start('tcp-server', { ports: { 10080: app } });
    const client = await start('tcp-client', { ports: { 10443: server.port('mtls') } });
    return measureWay(ground, 'mtls', client.port('tcp'), [server.pid, client.pid]);
  });
  return { ...clear, ...secure };
}

export const tcp: BenchCase = {
  name: 'tcp',
  title:
    '1 GiB over 4 connections through tcp_proxy: one in the clear, and two with mutual TLS between them on one processor',
  figures: [...figures('clear', 'in the clear'), ...figures('mtls', 'mutual TLS')],
  main: 'clearDownMiBPerCpuSecond',
  open: () =>
    onGround(async (ground) => {
      const { port: app } = await ground.upstream.run('tcpUpstream', {});
      return (side) => measure(ground, app, side);
    }),
};
