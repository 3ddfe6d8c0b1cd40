/** Receives access logs from the data planes, counts calls along each edge of the mesh, answers. */
import { setTimeout as delay } from 'node:timers/promises';
import { calls, type Edge, type EdgesRequest, states } from '@weft/contracts/bus';
import { toWeftError } from '@weft/contracts/error';
import { type RawHandler, rawService } from '@weft/rpc';
import type { ServiceContext, StartService } from '@weft/service';
import { Edges } from './edges.ts';
import { telemetryMetrics } from './metrics.ts';
import { ServiceNames } from './names.ts';
import { ACCESS_LOG_PATH, receive } from './receiver.ts';

export { DURATION_BOUNDS_MS } from './counts.ts';

export interface TelemetryOptions {
  /** How many edges are told apart; calls of others are counted on one edge named `other`. Default 5,000. */
  readonly maxEdges?: number;
  /** How often counts are written to the bus; a kill loses what was counted since. Default 2,000. */
  readonly flushEveryMs?: number;
}

function matches(edge: Edge, { source, destination }: EdgesRequest): boolean {
  return (source === '' || edge.source === source) && (destination === '' || edge.destination === destination);
}

async function flushForEver(context: ServiceContext, edges: Edges, everyMs: number): Promise<void> {
  const state = context.bus.state(states.edges);
  let isLast = false;
  while (!isLast) {
    await delay(everyMs, undefined, { signal: context.signal }).catch(() => undefined);
    isLast = context.signal.aborted;
    try {
      if (!context.bus.trouble()) await edges.flush(state);
    } catch (thrown) {
      context.log.warn({ err: thrown }, 'the counts of edges could not be written to the bus; it is tried again');
    }
  }
}

export const startTelemetry: StartService<TelemetryOptions> = async (context, options) => {
  const { bus, clock, signal } = context;
  const edges = new Edges(options.maxEdges ?? 5000);
  const names = new ServiceNames();
  const edgesSynced = Promise.withResolvers<void>();
  let streams = 0;
  const metrics = telemetryMetrics(context.metrics, edges, () => streams);
  const waiting = new Set(['the registry', 'the counts of edges']);

  const followRegistry = async (): Promise<void> => {
    for await (const event of bus.state(states.workloads).watch(signal)) {
      names.observe(event);
      if (event.type === 'synced') waiting.delete('the registry');
    }
  };
  const followEdges = async (): Promise<void> => {
    for await (const event of bus.state(states.edges).watch(signal)) {
      edges.observe(event);
      if (event.type !== 'synced') continue;
      waiting.delete('the counts of edges');
      edgesSynced.resolve();
    }
  };
  const onStream: RawHandler = (stream, call) => {
    streams++;
    receive(stream, call, { names, metrics, count: (counted) => edges.count(counted, clock.now()) })
      .catch((thrown: unknown) => stream.end(thrown))
      .finally(() => streams--);
  };

  let broken: string | undefined;
  await bus.serve(
    calls.edges,
    async (request) => {
      await edgesSynced.promise;
      return { edges: [...edges.all()].filter((edge) => matches(edge, request)) };
    },
    signal,
  );
  const loops = Promise.all([
    followRegistry(),
    followEdges(),
    flushForEver(context, edges, options.flushEveryMs ?? 2000),
  ]);
  loops.catch((thrown: unknown) => {
    broken = `telemetry can no longer follow the bus: ${toWeftError(thrown).message}`;
    context.log.error({ err: thrown }, 'telemetry can no longer follow the bus');
  });
  return {
    name: 'telemetry',
    node: [rawService({ [ACCESS_LOG_PATH]: onStream })],
    anonymousMethods: [],
    admin: [],
    notReadyBecause: () => {
      const trouble = broken ?? bus.trouble();
      if (trouble) return trouble;
      return waiting.size > 0 ? `${[...waiting].join(' and ')} are not read from the bus yet` : undefined;
    },
    stop: async () => {
      await loops.catch(() => undefined);
    },
  };
};
