/** One run of a workload, from its ports to its exit code: docs/decisions/0001-seams.md, "Start and stop of a workload". */
import { toWeftError } from '@weft/contracts/error';
import { settle } from '../memory/settle.ts';
import { Application, applicationEnvironment } from './application.ts';
import { watchApplication } from './application-health.ts';
import { type AgentFolder, openFolder } from './folder.ts';
import type { AgentOptions, AgentSettings } from './options.ts';
import { settingsOf } from './options.ts';
import { awaitFormer, checkApplicationPort, checkUpstreamPort, type ProxyPorts, pickPorts } from './ports.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';
import { RunSignals } from './signals.ts';
import { Watchdog } from './watchdog.ts';

const PROPAGATION_MS = 5000;
const KILL_AFTER_MS = 10_000;

/** The exit codes of shells for a program that is not there, or cannot be run. */
const NOT_FOUND_CODE = 127;
const NOT_RUNNABLE_CODE = 126;

interface Run {
  readonly settings: AgentSettings;
  readonly ports: ProxyPorts;
  readonly signals: RunSignals;
  readonly watchdog: Watchdog;
  readonly sidecar: Sidecar;
}

async function checkPorts({ command, port, upstreams }: AgentSettings, folder: AgentFolder): Promise<void> {
  if (folder.isTakenOver) await awaitFormer(folder, command === undefined ? undefined : port);
  if (command !== undefined && port !== undefined) await checkApplicationPort(port);
  for (const { service, localPort } of upstreams) await checkUpstreamPort(service, localPort);
}

/** Tells the mesh of the application's health until `signal` aborts. */
async function followHealth({ settings, ports, sidecar }: Run, signal: AbortSignal): Promise<void> {
  const { port, health: path, log, onReady, id } = settings;
  const ready = () => {
    log.info({ workload: id, ports }, 'ready');
    const inboundPort = port === undefined ? undefined : ports.inbound;
    onReady?.({ workloadId: id, inboundPort, outboundPort: ports.outbound, adminPort: ports.admin });
  };
  if (port === undefined) {
    sidecar.registration.setHealth('READY');
    ready();
    return;
  }
  let wasReady = false;
  await watchApplication({
    port,
    path,
    signal,
    onChange: (health) => {
      sidecar.registration.setHealth(health);
      if (health === 'UNREADY') log.warn({ port }, 'the application takes no requests');
      else if (wasReady) log.info({ port }, 'the application takes requests again');
      else ready();
      wasReady = true;
    },
    onSlow: () => {
      const what = path === undefined ? 'nothing listens there' : `${path} does not answer 2xx or 3xx`;
      log.warn({}, `the application is not ready at 127.0.0.1:${port} yet: ${what}`);
    },
  });
}

/** Sends SIGTERM, and SIGKILL when that does not end it in time or somebody insists. */
async function endApplication(application: Application, signals: RunSignals): Promise<number> {
  application.kill('SIGTERM');
  const timer = setTimeout(() => application.kill('SIGKILL'), KILL_AFTER_MS);
  const insist = () => application.kill('SIGKILL');
  signals.kill.addEventListener('abort', insist, { once: true });
  if (signals.kill.aborted) insist();
  const code = await application.ended;
  clearTimeout(timer);
  return code;
}

/** Out of the mesh first, so that nobody is sent here; then what is under way ends. */
async function leaveMesh({ settings, sidecar, signals }: Run): Promise<void> {
  const { log, drainTimeoutMs, port } = settings;
  log.info({}, 'leaving the mesh');
  await sidecar.registration.deregister(PROPAGATION_MS, signals.hurry);
  if (port !== undefined) await sidecar.dataPlane.drain(drainTimeoutMs, signals.hurry);
}

/** The application, or nothing but a signal, until it is over; gives the exit code. */
async function runApplication(run: Run): Promise<number> {
  const { settings, ports, signals, watchdog } = run;
  const { command, env, id: workloadId, service, namespace } = settings;
  const stopped = new Promise<'stopped'>((resolve) => {
    if (signals.stop.aborted) resolve('stopped');
    signals.stop.addEventListener('abort', () => resolve('stopped'), { once: true });
  });
  const application =
    command &&
    (await Application.start({
      command,
      env: applicationEnvironment(env, { outboundPort: ports.outbound, workloadId, service, namespace }),
      watchdog,
    }));
  signals.forwardTo((signal) => application?.kill(signal));
  // While the application starts nobody waits for the sidecar.
  await settle();
  const over = new AbortController();
  const health = followHealth(run, over.signal);
  const outcome = await Promise.race([stopped, ...(application ? [application.ended] : [])]);
  over.abort();
  await health;
  await leaveMesh(run);
  if (outcome !== 'stopped') return outcome;
  return application ? endApplication(application, signals) : 0;
}

async function runStarted(run: Run): Promise<number> {
  try {
    return await runApplication(run);
  } catch (thrown) {
    const { code, message } = toWeftError(thrown);
    if (code !== 'NOT_FOUND' && code !== 'PERMISSION_DENIED') throw thrown;
    run.settings.log.error({}, message);
    await leaveMesh(run);
    return code === 'NOT_FOUND' ? NOT_FOUND_CODE : NOT_RUNNABLE_CODE;
  } finally {
    await run.sidecar.close();
  }
}

/**
 * Runs a workload with its sidecar until the application ends, or SIGTERM or SIGINT has ended it. Gives the application's
 * exit code; 128 and the number of the signal when one ended it. Throws `WeftError` when the workload cannot be started:
 * each is one sentence that says what to do.
 */
export async function runAgent(options: AgentOptions): Promise<number> {
  const settings = settingsOf(options);
  const folder = openFolder(settings.stateDir, settings.namespace, settings.id);
  const signals = new RunSignals(settings.signals);
  const watchdog = new Watchdog();
  try {
    await checkPorts(settings, folder);
    const { port, upstreams, namespace, id } = settings;
    const taken = [...upstreams.map(({ localPort }) => localPort), ...(port === undefined ? [] : [port])];
    const picked = await pickPorts(folder, `${namespace}/${id}`, taken);
    try {
      const { ports } = picked;
      const sidecar = await startSidecar({ settings, folder, ports, watchdog, signal: signals.stop });
      if (signals.stop.aborted) {
        await sidecar.close();
        return signals.exitCode;
      }
      return await runStarted({ settings, ports, signals, watchdog, sidecar });
    } catch (thrown) {
      if (signals.stop.aborted) return signals.exitCode;
      throw thrown;
    } finally {
      picked.release();
    }
  } finally {
    watchdog.close();
    signals.close();
    folder.release();
  }
}
