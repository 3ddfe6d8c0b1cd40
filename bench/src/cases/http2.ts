/** HTTP/2 through one proxy in the clear. */
import type { BenchCase } from '../bench.ts';
import { REQUEST_FIGURES, requestMeasurement } from './figures.ts';
import { onGround } from './on-ground.ts';

const EXCHANGE = { type: 'get', bodyBytes: 256 } as const;
const LOAD = {
  connections: 4,
  streams: 32,
  authorities: ['shop.mesh', 'stock.mesh', 'de.images.mesh', 'other.mesh'],
  paths: ['/', '/cart/items?page=2', '/items/4711/price', '/anything/else'],
  exchange: EXCHANGE,
} as const;

export const http2: BenchCase = {
  name: 'http2',
  title: 'HTTP/2, one hop in the clear, routing and statistics on, 4 connections of 32 streams, answers of 256 bytes',
  figures: REQUEST_FIGURES,
  main: 'requestsPerCpuSecond',
  open: (settings) =>
    onGround(async (ground) => {
      const { port: app } = await ground.upstream.run('http2Upstream', { exchange: EXCHANGE });
      return (side) =>
        ground.with(side, async (start) => {
          const plane = await start('http2', { ports: { 10080: app } });
          const load = { ...LOAD, ...settings, port: plane.port('http'), pids: [plane.pid] };
          return requestMeasurement(await ground.load.run('http2Load', load));
        });
    }),
};
