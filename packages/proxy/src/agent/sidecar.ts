/** Everything beside the application: identity, registration and data plane, started in order and ended in order. */
import { listen } from '@weft/rpc';
import { localAddressTowards } from './address.ts';
import { makeBootstrap } from './bootstrap.ts';
import { type DataPlane, noEnvoy, type ProxyModule, startEnvoy, startWeft } from './data-plane.ts';
import type { AgentFolder } from './folder.ts';
import { IdentityKeeper } from './identity-keeper.ts';
import { createNodeApi, type NodeApi } from './node-api.ts';
import type { AgentSettings } from './options.ts';
import type { ProxyPorts } from './ports.ts';
import { waitUntilReady } from './readiness.ts';
import { Registration } from './registration.ts';
import { makeSocketPath } from './socket-path.ts';
import { rejoin, startIdentity } from './start-identity.ts';
import type { Watchdog } from './watchdog.ts';
import { makeWorkload } from './workload.ts';

export interface Sidecar {
  readonly registration: Registration;
  readonly dataPlane: DataPlane;
  /** Ends everything that {@link startSidecar} started. */
  close(): Promise<void>;
}

export interface SidecarParts {
  readonly settings: AgentSettings;
  readonly folder: AgentFolder;
  readonly ports: ProxyPorts;
  readonly watchdog: Watchdog;
  /** Aborts a start that is no longer wanted. */
  readonly signal: AbortSignal;
}

/** What has to be ended, the newest first. */
class Endings {
  readonly #steps: (() => void | Promise<void>)[] = [];

  add(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  async run(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) await step();
  }
}

async function ownAddress(settings: AgentSettings, keeper: IdentityKeeper): Promise<string> {
  if (settings.address !== undefined) return settings.address;
  const { ownAddress: known } = keeper.identity;
  // What was found as the agent joined still holds for this run; what was kept may be of another network.
  return (await localAddressTowards(settings.join)) ?? known ?? '127.0.0.1';
}

async function startDataPlane(
  parts: SidecarParts,
  nodeApi: NodeApi,
  endings: Endings,
  proxyModule: Promise<ProxyModule> | undefined,
): Promise<DataPlane> {
  const { settings, folder, ports, watchdog } = parts;
  const { namespace, id, service, log } = settings;
  const socket = makeSocketPath(folder.path);
  const bootstrap = makeBootstrap({ namespace, workloadId: id, service, ports, socketPath: socket.path });
  if (proxyModule) return startWeft({ bootstrap, nodeApi, log }, await proxyModule);
  if (settings.envoyPath === undefined) throw noEnvoy();
  endings.add(() => socket.remove());
  const server = await listen({ address: `unix:${socket.path}`, services: [nodeApi.service] });
  endings.add(() => server.close());
  const { envoyPath, protocol } = settings;
  return startEnvoy({ bootstrap, nodeApi, log, envoyPath, folder, ports, protocol, watchdog });
}

async function assemble(parts: SidecarParts, endings: Endings): Promise<Omit<Sidecar, 'close'>> {
  const { settings, folder, ports, signal } = parts;
  const { log } = settings;
  // Its modules are read while the agent joins.
  const proxyModule = settings.dataPlane === 'weft' ? import('../index.ts') : undefined;
  proxyModule?.catch(() => undefined);
  const identity = await startIdentity(settings, folder, signal);
  const keeper = new IdentityKeeper({
    identity,
    rejoin: (rejoinSignal) => rejoin(settings, rejoinSignal),
    join: settings.join,
    folder,
    now: Date.now,
    log,
  });
  const running = new AbortController();
  const loops: Promise<void>[] = [keeper.run(running.signal)];
  endings.add(async () => {
    running.abort();
    await Promise.allSettled(loops);
    keeper.close();
  });
  const { xds, telemetry, discovery } = keeper;
  const { trustDomain } = identity;
  const nodeApi = createNodeApi({ tls: keeper, trustDomain, xds, telemetry, folder, log, signal: running.signal });
  endings.add(() => nodeApi.flush());
  const workload = makeWorkload(settings, ports, await ownAddress(settings, keeper));
  const registration = new Registration({ workload, discovery, xds, log });
  const registering = registration.run(running.signal);
  // What cannot be mended is thrown below, by the race.
  loops.push(registering.catch(() => undefined));
  const dataPlane = await startDataPlane(parts, nodeApi, endings, proxyModule);
  endings.add(() => dataPlane.close());
  const settled = new AbortController();
  const ready = waitUntilReady({
    dataPlane,
    nodeApi,
    registration,
    timeoutMs: settings.readyTimeoutMs,
    signal: AbortSignal.any([signal, settled.signal]),
  });
  try {
    await Promise.race([ready, registering.then(() => ready)]);
  } finally {
    settled.abort();
  }
  return { registration, dataPlane };
}

/** Resolves once the data plane is ready, or `signal` aborts. When it throws, nothing is left running. */
export async function startSidecar(parts: SidecarParts): Promise<Sidecar> {
  const endings = new Endings();
  try {
    const assembled = await assemble(parts, endings);
    return { ...assembled, close: () => endings.run() };
  } catch (thrown) {
    await endings.run();
    throw thrown;
  }
}
