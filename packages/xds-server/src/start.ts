/** The service: reads the world from the bus, serves ADS, and tells how far the proxies are. */
import { setTimeout as delay } from 'node:timers/promises';
import { logs, states } from '@weft/contracts/bus';
import { deriveMesh, type Mesh } from '@weft/model';
import {
  type InstanceDirectory,
  instanceDirectory,
  type RunningService,
  retryForever,
  type ServiceContext,
  type StartService,
} from '@weft/service';
import { AdsServer } from './ads/server.ts';
import { xdsMetrics } from './metrics.ts';
import { rolloutService } from './rollout.ts';
import { ProblemBoard } from './status/problems.ts';
import { PropagationBoard, type Reach } from './status/propagation.ts';
import { ProxyStatuses } from './status/proxies.ts';
import { Sweeper, UNKNOWN_MS } from './status/sweep.ts';
import { Gathering } from './world/gathering.ts';
import { WorldKeeper } from './world/keeper.ts';

export interface XdsOptions {
  /**
   * Whether a proxy's certificate must be that of the workload whose id it gives; default true. Without it anybody who
   * can connect is given any workload's configuration: for servers in the clear in tests alone.
   */
  readonly requireIdentity?: boolean;
  /** For how long changes of the configuration are gathered; default 100. Changes of the registry are not. */
  readonly gatherMs?: number;
  /** For how long a proxy that does not answer holds up what depends on its answer; default 5,000. */
  readonly patienceMs?: number;
  /** For how long a proxy that left is expected back before its status is deleted; default 10,000. */
  readonly reconnectGraceMs?: number;
}

const SWEEP_EVERY_MS = 15_000;
const STATUS_PAUSE_MS = 1000;
const STOP_MS = 2000;

interface Parts {
  readonly context: ServiceContext;
  readonly keeper: WorldKeeper;
  readonly ads: AdsServer;
  readonly statuses: ProxyStatuses;
  readonly problems: ProblemBoard;
  readonly propagation: PropagationBoard;
  readonly directory: InstanceDirectory;
  readonly gathering: Gathering;
}

/** How far the proxies of this instance are; one without proxies is as far as the world that it has. */
function reachOf(ads: AdsServer, mesh: Mesh | undefined): Reach {
  const proxies = [...ads.connections()].map(({ stream }) => stream.progress().accepted);
  const all = proxies.length > 0 ? proxies : [mesh?.world ?? { revision: 0, registryRevision: 0 }];
  return {
    revision: Math.min(...all.map(({ revision }) => revision)),
    registryRevision: Math.min(...all.map(({ registryRevision }) => registryRevision)),
    proxies: proxies.length,
  };
}

function others(directory: InstanceDirectory, instanceId: string): readonly string[] {
  const running = directory.all().filter(({ service, id }) => service === 'xds-server' && id !== instanceId);
  return running.map(({ id }) => id);
}

function createParts(context: ServiceContext, options: XdsOptions): Parts {
  const { bus, instanceId, clock, log, signal } = context;
  const now = () => clock.now();
  const trouble = (what: string, error: unknown) =>
    log.warn({ err: error }, `${what}: the bus is in trouble; trying again`);
  const onTrouble = (key: string, error: unknown) => trouble(`writing the state of ${key}`, error);
  const directory = instanceDirectory(bus, clock);
  let mesh: Mesh | undefined;
  const metrics = xdsMetrics(context.metrics, () => ads.connected);
  const ads = new AdsServer({
    context,
    metrics,
    requireIdentity: options.requireIdentity ?? true,
    patienceMs: options.patienceMs ?? 5000,
    onProxy: (proxyId) => {
      statuses.changed(proxyId);
      propagation.changed();
    },
  });
  const statuses = new ProxyStatuses({
    bus,
    instanceId,
    now,
    onTrouble,
    connectionOf: (proxyId) => ads.connectionOf(proxyId),
    pauseMs: STATUS_PAUSE_MS,
    reconnectGraceMs: options.reconnectGraceMs ?? 10_000,
  });
  const problems = new ProblemBoard({ bus, instanceId, now, onTrouble });
  const propagation = new PropagationBoard({
    bus,
    instanceId,
    now,
    own: () => reachOf(ads, mesh),
    others: () => others(directory, instanceId),
  });
  const publish = () => {
    const world = keeper.take();
    if (!world) return;
    mesh = deriveMesh(world, mesh);
    ads.publish(mesh);
    for (const { message } of problems.show(ads.problems()))
      log.warn(`a resource is kept out of the snapshots: ${message}`);
    propagation.changed();
  };
  const gathering = new Gathering(publish, options.gatherMs ?? 100, now);
  const onChange = (urgency: 'now' | 'gather') => gathering.ask(urgency);
  const sources = {
    configuration: bus.log(logs.config),
    registry: bus.state(states.workloads),
    trust: bus.state(states.trust),
  };
  const keeper = new WorldKeeper({ sources, signal, onChange, onTrouble: trouble });
  return { context, keeper, ads, statuses, problems, propagation, directory, gathering };
}

/** Runs until the signal aborts; what fails is tried again. */
function keepRunning(
  context: ServiceContext,
  what: string,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { signal, log } = context;
  const onFailure = (error: unknown) => log.warn({ err: error }, `${what} failed; trying again`);
  return retryForever(() => work(signal), { signal, onFailure }).catch((thrown: unknown) => {
    if (!signal.aborted) throw thrown;
  });
}

/** Looks after a start, when there may be something left of an instance that was killed, and from time to time. */
function startSweeping({ context, directory }: Parts): () => void {
  const { bus, clock, log, instanceId } = context;
  const sweeper = new Sweeper({
    bus,
    now: () => clock.now(),
    running: () => [instanceId, ...others(directory, instanceId)],
    onTrouble: (error) => log.debug({ err: error }, 'looking for what ended instances left behind failed'),
  });
  const look = () => {
    if (directory.isSynced()) void sweeper.sweep();
  };
  const first = [100, UNKNOWN_MS + 200].map((afterMs) => setTimeout(look, afterMs));
  const further = setInterval(look, SWEEP_EVERY_MS);
  return () => {
    for (const timer of first) clearTimeout(timer);
    clearInterval(further);
  };
}

/** Starts the service. It is ready once it has read the world; until then streams wait. */
export const startXdsServer: StartService<XdsOptions> = async (context, options) => {
  const parts = createParts(context, options);
  const { keeper, ads, statuses, problems, propagation, directory, gathering } = parts;
  const loops = [
    keeper.run(),
    keepRunning(context, 'following the instances', (signal) => directory.follow(signal)),
    keepRunning(context, 'telling the other instances', (signal) => propagation.run(signal)),
  ];
  const stopSweeping = startSweeping(parts);
  const service: RunningService = {
    name: 'xds-server',
    node: [ads.service(), rolloutService(propagation)],
    anonymousMethods: [],
    admin: [],
    notReadyBecause: () => keeper.missing ?? context.bus.trouble(),
    async stop() {
      stopSweeping();
      gathering.end();
      ads.close();
      // What could not be written in this time another instance takes away later.
      const written = Promise.all([statuses.end(), problems.end()]);
      await Promise.race([written, delay(STOP_MS, undefined, { ref: false })]);
      await Promise.all(loops);
    },
  };
  return service;
};
