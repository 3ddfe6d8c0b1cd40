/** Every comparison, in the order in which they are run. */
import type { BenchCase } from './bench.ts';
import { tlsHandshakeBound } from './bounds/tls-handshake.ts';
import { demo } from './cases/demo.ts';
import { grpcMtlsPair } from './cases/grpc-mtls-pair.ts';
import { http1 } from './cases/http1.ts';
import { http1MtlsPair } from './cases/http1-mtls-pair.ts';
import { http2 } from './cases/http2.ts';
import { memory } from './cases/memory.ts';
import { scale } from './cases/scale.ts';
import { tcp } from './cases/tcp.ts';
import { tlsHandshake } from './cases/tls-handshake.ts';

export const CASES: readonly BenchCase[] = [
  http1,
  http1MtlsPair,
  grpcMtlsPair,
  http2,
  tcp,
  tlsHandshake,
  memory,
  scale,
  demo,
];

/** What is run where it is asked for by name: no comparisons of Weft, but what could be had at most. */
export const BOUNDS: readonly BenchCase[] = [tlsHandshakeBound];
