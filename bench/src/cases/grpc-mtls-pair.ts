/** Unary gRPC through two sidecars with mutual TLS between them. */
import type { BenchCase } from '../bench.ts';
import { REQUEST_FIGURES, requestMeasurement } from './figures.ts';
import { onGround } from './on-ground.ts';
import { startPair } from './pair.ts';

const EXCHANGE = { type: 'grpc', requestBytes: 64, responseBytes: 251 } as const;
const LOAD = {
  connections: 4,
  streams: 32,
  authorities: ['stock.mesh'],
  paths: ['/shop.Stock/Get', '/shop.Stock/Reserve'],
  exchange: EXCHANGE,
} as const;

export const grpcMtlsPair: BenchCase = {
  name: 'grpc-mtls-pair',
  title:
    'unary gRPC → sidecar → mutual TLS → sidecar → gRPC; RBAC, retries, statistics and gRPC access logs on, ' +
    'both sidecars on one processor, 4 connections of 32 streams, messages of 64 and 251 bytes',
  figures: REQUEST_FIGURES,
  main: 'requestsPerCpuSecond',
  open: (settings) =>
    onGround(async (ground) => {
      const { port: app } = await ground.upstream.run('http2Upstream', { exchange: EXCHANGE });
      return (side) =>
        ground.with(side, async (start) => {
          const pair = await startPair(ground, start, 'http2', app);
          const load = { ...LOAD, ...settings, port: pair.port, pids: pair.pids };
          const counted = await ground.load.run('http2Load', load);
          await pair.check(counted.done);
          return requestMeasurement(counted);
        });
    }),
};
