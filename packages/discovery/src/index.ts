/** The registry of workloads: registration, heartbeats, expiry. Serves `weft.node.v1.Registry`. */
import { setTimeout as delay } from 'node:timers/promises';
import { logs, states } from '@weft/contracts/bus';
import { toWeftError, WeftError } from '@weft/contracts/error';
import { Registry } from '@weft/contracts/node';
import { typedService } from '@weft/rpc';
import type { RunningService, ServiceContext, StartService } from '@weft/service';
import { DeclaredServices } from './declared.ts';
import { Gossip } from './gossip.ts';
import { Liveness } from './liveness.ts';
import { type DiscoveryMetrics, discoveryMetrics } from './metrics.ts';
import { registryHandlers } from './registry.ts';
import { LiveWorkloads } from './workloads.ts';

export interface DiscoveryOptions {
  /** How often agents send heartbeats; default 5,000. */
  readonly heartbeatEveryMs?: number;
  /** After how long a silence a workload is removed; default 15,000. */
  readonly expiresAfterMs?: number;
  /** The most workloads that one identity may register; default 5,000. */
  readonly maxWorkloadsPerIdentity?: number;
}

/** How often heartbeats that were heard are told to the other instances, and silent workloads are looked for. */
const TICK_MS = 1000;

interface Discovery {
  readonly context: ServiceContext;
  readonly live: LiveWorkloads;
  readonly declared: DeclaredServices;
  readonly liveness: Liveness;
  readonly gossip: Gossip;
  readonly metrics: DiscoveryMetrics;
  readonly tickMs: number;
}

async function followWorkloads({ context, live, liveness }: Discovery, synced: () => void): Promise<void> {
  for await (const event of context.bus.state(states.workloads).watch(context.signal)) {
    live.observe(event);
    if (event.type === 'synced') synced();
    else if (event.type === 'delete') liveness.forget(event.key);
    else liveness.heard(event.key, context.clock.now());
  }
}

async function followConfiguration({ context, declared }: Discovery, synced: () => void): Promise<void> {
  for await (const event of context.bus.log(logs.config).watch(context.signal)) {
    if (event.type === 'synced') synced();
    else declared.apply(event.value);
  }
}

async function expire({ context, live, liveness, metrics }: Discovery, key: string): Promise<void> {
  const entry = live.get(key);
  if (!entry) {
    liveness.forget(key);
    return;
  }
  try {
    const expectedRevision = entry.revision;
    const revision = await context.bus.state(states.workloads).delete(key, { expectedRevision });
    live.observe({ type: 'delete', key, revision });
    liveness.forget(key);
    metrics.expired.inc();
    context.log.info({ workload: key, host: entry.value.host }, 'a silent workload was taken out of the registry');
  } catch (thrown) {
    // Another instance was faster, or the workload has just spoken there; the watch tells which.
    if (toWeftError(thrown).code !== 'ABORTED') throw thrown;
  }
}

async function tickForEver(discovery: Discovery): Promise<void> {
  const { context, liveness, gossip, tickMs } = discovery;
  const { signal } = context;
  while (!signal.aborted) {
    gossip.flush();
    try {
      const silent = liveness.sweep(context.clock.now(), context.bus.trouble() !== undefined);
      for (const key of silent) await expire(discovery, key);
    } catch (thrown) {
      context.log.warn({ err: thrown }, 'silent workloads could not be taken out of the registry; it is tried again');
    }
    await delay(tickMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Waits for both watches, and refuses while the bus is away: what is heard then cannot be told to other instances. */
function usableWhen(waiting: ReadonlySet<string>, synced: Promise<void>, context: ServiceContext) {
  return async (signal: AbortSignal): Promise<void> => {
    const trouble = context.bus.trouble();
    if (trouble) {
      throw new WeftError('UNAVAILABLE', `discovery cannot reach the bus: ${trouble}`, { source: 'control-plane' });
    }
    if (waiting.size === 0) return;
    const cancelled = Promise.withResolvers<never>();
    const refuse = () => cancelled.reject(new WeftError('UNAVAILABLE', 'discovery has not read the registry yet'));
    const either = AbortSignal.any([signal, context.signal]);
    either.addEventListener('abort', refuse, { once: true });
    await Promise.race([synced, cancelled.promise]);
    either.removeEventListener('abort', refuse);
  };
}

export const startDiscovery: StartService<DiscoveryOptions> = async (context, options) => {
  const { heartbeatEveryMs = 5000, expiresAfterMs = 15_000, maxWorkloadsPerIdentity = 5000 } = options;
  const tickMs = Math.max(20, Math.min(TICK_MS, expiresAfterMs / 10));
  const live = new LiveWorkloads();
  const discovery: Discovery = {
    context,
    live,
    declared: new DeclaredServices(),
    liveness: new Liveness({ expiresAfterMs, sweepEveryMs: tickMs }),
    gossip: new Gossip(context.bus, context.instanceId),
    metrics: discoveryMetrics(context.metrics, () => live.byHealth()),
    tickMs,
  };
  return run(discovery, { heartbeatEveryMs, expiresAfterMs, maxWorkloadsPerIdentity });
};

async function run(discovery: Discovery, options: Required<DiscoveryOptions>): Promise<RunningService> {
  const { context, live, declared, liveness, gossip } = discovery;
  const waiting = new Set(['the registry', 'the configuration']);
  const synced = Promise.withResolvers<void>();
  const arrived = (what: string) => () => {
    if (waiting.delete(what) && waiting.size === 0) synced.resolve();
  };
  await gossip.listen((key) => {
    if (live.get(key)) liveness.heard(key, context.clock.now());
  }, context.signal);
  const loops = Promise.all([
    followWorkloads(discovery, arrived('the registry')),
    followConfiguration(discovery, arrived('the configuration')),
    tickForEver(discovery),
  ]);
  let broken: string | undefined;
  loops.catch((thrown: unknown) => {
    broken = `discovery can no longer follow the bus: ${toWeftError(thrown).message}`;
    context.log.error({ err: thrown }, 'discovery can no longer follow the bus');
  });
  const handlers = registryHandlers({
    ...options,
    state: context.bus.state(states.workloads),
    live,
    declared: (namespace, service) => declared.accounts(namespace, service),
    clock: context.clock,
    heard: (key) => {
      liveness.heard(key, context.clock.now());
      gossip.heard(key);
    },
    usable: usableWhen(waiting, synced.promise, context),
    metrics: discovery.metrics,
  });
  return {
    name: 'discovery',
    node: [typedService(Registry, handlers)],
    anonymousMethods: [],
    admin: [],
    notReadyBecause: () => {
      const trouble = broken ?? context.bus.trouble();
      if (trouble) return trouble;
      return waiting.size > 0 ? `${[...waiting].join(' and ')} is not read from the bus yet` : undefined;
    },
    stop: async () => {
      await loops.catch(() => undefined);
    },
  };
}
