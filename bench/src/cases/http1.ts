/** HTTP/1.1 through one proxy in the clear. */
import type { BenchCase } from '../bench.ts';
import { REQUEST_FIGURES, requestMeasurement } from './figures.ts';
import { onGround } from './on-ground.ts';
import { CONNECTIONS, MIXED_REQUESTS, SMALL_BODY } from './requests.ts';

export const http1: BenchCase = {
  name: 'http1',
  title: 'HTTP/1.1, one hop in the clear, routing and statistics on, 32 keep-alive connections, answers of 256 bytes',
  figures: REQUEST_FIGURES,
  main: 'requestsPerCpuSecond',
  open: (settings) =>
    onGround(async (ground) => {
      const { port: app } = await ground.upstream.run('http1Upstream', SMALL_BODY);
      return (side) =>
        ground.with(side, async (start) => {
          const plane = await start('http1', { ports: { 10080: app } });
          const port = plane.port('http');
          const load = { port, connections: CONNECTIONS, requests: MIXED_REQUESTS, ...SMALL_BODY };
          return requestMeasurement(await ground.load.run('http1Load', { ...load, ...settings, pids: [plane.pid] }));
        });
    }),
};
