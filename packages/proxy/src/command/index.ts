/** `weft proxy`: Weft's proxy on a bootstrap, as a process of its own. */
import { toWeftError } from '@weft/contracts/error';
import { type CheckedBootstrap, checkBootstrap, issuesText } from '../config/check.ts';
import type { Log } from '../log.ts';
import { type RunningProxy, startProxy } from '../server.ts';
import { consoleLog } from './console-log.ts';
import { connectControlPlane } from './control-plane.ts';
import { HELP, type ProxyFlags, parseProxyFlags } from './flags.ts';
import { loadBootstrap } from './load.ts';

export interface CommandOutput {
  out(text: string): void;
  err(text: string): void;
}

/**
 * Runs the command line `argv` (without `weft proxy`) until a signal ends it; gives the exit code: 0, 1 where the
 * bootstrap is wrong or an address is taken, 2 for flags that are wrong.
 */
export async function runProxyCommand(
  argv: readonly string[],
  output: CommandOutput,
  version: string,
): Promise<number> {
  let flags: ProxyFlags;
  try {
    flags = parseProxyFlags(argv);
  } catch (thrown) {
    output.err(`weft proxy: ${toWeftError(thrown).message}`);
    return 2;
  }
  if (flags.help) output.out(HELP);
  else if (flags.version) output.out(`weft proxy ${version} (Envoy API v3)`);
  else return run(flags, output, version);
  return 0;
}

async function run(flags: ProxyFlags, output: CommandOutput, version: string): Promise<number> {
  const name = flags.path ?? '--config-yaml';
  try {
    const bootstrap = await loadBootstrap(flags);
    const checked = checkBootstrap(bootstrap);
    if (checked.issues.length > 0) {
      for (const line of issuesText(checked.issues).split('\n')) output.err(`${name}: ${line}`);
      return 1;
    }
    if (flags.mode === 'serve') return await serve(flags, bootstrap, checked, version);
    output.out(`configuration '${name}' OK`);
    return 0;
  } catch (thrown) {
    output.err(toWeftError(thrown).message);
    return 1;
  }
}

async function serve(
  flags: ProxyFlags,
  bootstrap: Awaited<ReturnType<typeof loadBootstrap>>,
  { controlPlane: clusters }: CheckedBootstrap,
  version: string,
): Promise<number> {
  const log = consoleLog((line) => process.stderr.write(line), Date.now);
  if (flags.concurrency > 1) log.warn({ concurrency: flags.concurrency }, 'this proxy has one worker');
  const controlPlane = connectControlPlane(clusters);
  const stop = stopSignals();
  const { drainMs, logLevel, given: commandLine } = flags;
  const onQuit = stop.request;
  const { streams } = controlPlane;
  try {
    const proxy = await startProxy({ bootstrap, streams, log, logLevel, drainMs, version, commandLine, onQuit });
    if (proxy.adminAddress !== undefined) log.info({ address: proxy.adminAddress }, 'the admin interface listens');
    const failed = await firstOf(proxy, stop.first);
    if (failed === undefined) await end(proxy, log, drainMs, stop.second);
    await proxy.close();
    if (failed === undefined) return 0;
    log.error({}, failed);
    return 1;
  } finally {
    // Until then these keep the process alive, whatever went wrong.
    controlPlane.close();
    stop.dispose();
  }
}

/** Waits for the end; gives why the proxy cannot serve its own listeners, where it cannot. */
async function firstOf(proxy: RunningProxy, stopped: Promise<void>): Promise<string | undefined> {
  const isUp = await Promise.race([proxy.ready().then(() => true), stopped.then(() => true), proxy.failed()]);
  if (typeof isUp === 'string') return isUp;
  await stopped;
  return undefined;
}

async function end(proxy: RunningProxy, log: Log, timeoutMs: number, second: Promise<void>): Promise<void> {
  log.info({}, 'ending: no more connections are taken, requests may end');
  await Promise.race([proxy.drain({ timeoutMs }), second]);
}

interface StopSignals {
  readonly first: Promise<void>;
  readonly second: Promise<void>;
  /** As a signal does. */
  readonly request: () => void;
  dispose(): void;
}

function stopSignals(): StopSignals {
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  let count = 0;
  const request = () => (++count === 1 ? first : second).resolve();
  // A process lives on for its listeners alone; until they are there it lives for this.
  const alive = setInterval(() => undefined, 0x7fff_ffff);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, request);
  return {
    first: first.promise,
    second: second.promise,
    request,
    dispose() {
      clearInterval(alive);
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.off(signal, request);
    },
  };
}
