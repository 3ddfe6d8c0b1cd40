/** `weft proxy`: Weft's proxy on a bootstrap, as a process of its own. */
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { toWeftError } from '@weft/contracts/error';
import type { Bootstrap } from '@weft/envoy-api';
import { checkBootstrap, issuesText } from '../config/check.ts';
import { LeveledLog, type Log } from '../log.ts';
import { settle } from '../memory/settle.ts';
import { HOT_RESTART_VERSION } from '../restart/messages.ts';
import type { Replaceable } from '../restart/parent.ts';
import { type RunningProxy, startProxy } from '../server.ts';
import { consoleLog } from './console-log.ts';
import { HELP, type NodeFlags, type ProxyFlags, parseProxyFlags } from './flags.ts';
import { loadBootstrap } from './load.ts';
import { type LogOutput, openLogOutput } from './log-output.ts';
import { Restart } from './restart.ts';

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
  else if (flags.hotRestartVersion) output.out(HOT_RESTART_VERSION);
  else if (flags.version) output.out(`weft proxy ${version} (Envoy API v3)`);
  else return run(flags, output, version);
  return 0;
}

/** How long it is tried to have the admin interface back from a process that did not come up, and how often. */
const ADMIN_BACK_MS = 30_000;
const ADMIN_RETRY_MS = 100;

async function run(flags: ProxyFlags, output: CommandOutput, version: string): Promise<number> {
  const name = flags.path ?? '--config-yaml';
  try {
    for (const warning of flags.warnings) output.err(`weft proxy: ${warning}`);
    const bootstrap = withNode(await loadBootstrap(flags), flags.node);
    const checked = checkBootstrap(bootstrap);
    if (checked.issues.length > 0) {
      for (const line of issuesText(checked.issues).split('\n')) output.err(`${name}: ${line}`);
      return 1;
    }
    if (flags.mode === 'serve') return await serve(flags, bootstrap, version);
    output.out(`configuration '${name}' OK`);
    return 0;
  } catch (thrown) {
    output.err(toWeftError(thrown).message);
    return 1;
  }
}

async function serve(flags: ProxyFlags, bootstrap: Bootstrap, version: string): Promise<number> {
  // Until these are disposed of they keep the process alive, whatever goes wrong.
  await using ended = new AsyncDisposableStack();
  const logOutput = openLogOutput(flags.logPath);
  ended.defer(() => logOutput.close());
  const lines = consoleLog((line) => logOutput.write(line), Date.now);
  const log = new LeveledLog(lines, flags.logLevel);
  const stop = stopSignals();
  ended.defer(() => stop.dispose());
  const target = new Target(stop.request, log);
  ended.use(quietSignals(() => reopenLogs(logOutput, target, log)));
  const restart = await Restart.begin(flags, target, log);
  ended.defer(() => restart.close());
  const { drainMs, drainStrategy, logLevel, given: commandLine, restartEpoch, concurrency } = flags;
  const onQuit = stop.request;
  const hotRestartVersion = restart.version;
  const given = {
    bootstrap,
    log: lines,
    logLevel,
    drainMs,
    drainStrategy,
    version,
    commandLine,
    onQuit,
    hotRestartVersion,
  };
  const proxy = await startProxy({ ...given, inherited: restart.inherited, restartEpoch, concurrency });
  ended.defer(() => proxy.close());
  target.proxy = proxy;
  if (proxy.adminAddress !== undefined) {
    log.info({ address: proxy.adminAddress }, 'the admin interface listens');
    if (flags.adminAddressPath !== undefined) tellAddress(flags.adminAddressPath, proxy.adminAddress, log);
  }
  const failed = await firstOf(proxy, stop.first, () => restart.serving(target, proxy));
  target.ended();
  if (failed === undefined) await end(proxy, log, Math.min(drainMs, target.shutdownMs), stop.second);
  if (failed === undefined) return 0;
  log.error({}, failed);
  return 1;
}

/** Who reads the file does without it where it cannot be written, as with Envoy. */
function tellAddress(path: string, address: string, log: Log): void {
  try {
    writeFileSync(path, address);
  } catch (thrown) {
    log.error({}, `--admin-address-path ${path} cannot be written: ${(thrown as Error).message}`);
  }
}

/** What another process takes over from. */
class Target implements Replaceable {
  readonly #end: () => void;
  readonly #log: Log;
  proxy: RunningProxy | undefined;
  /** Whether another process is taking over. */
  #isWanted = false;
  #hasEnded = false;
  /** How long it may take to end. */
  shutdownMs = Number.POSITIVE_INFINITY;

  constructor(end: () => void, log: Log) {
    this.#end = end;
    this.#log = log;
  }

  async sockets(): ReturnType<RunningProxy['allSockets']> {
    return (await this.proxy?.allSockets()) ?? [];
  }

  begun(): void {
    this.#isWanted = true;
    this.proxy?.keepPaths(true);
  }

  async closeAdmin(): Promise<void> {
    await this.proxy?.closeAdmin();
  }

  abandoned(): void {
    this.#isWanted = false;
    this.proxy?.keepPaths(false);
    void this.#openAdmin();
  }

  /** The process that wanted the address of the admin interface may still be letting go of it. */
  async #openAdmin(): Promise<void> {
    const until = performance.now() + ADMIN_BACK_MS;
    for (;;) {
      if (this.#isWanted || this.#hasEnded) return;
      try {
        await this.proxy?.openAdmin();
        return;
      } catch (thrown) {
        if (performance.now() > until) {
          this.#log.error({}, `the admin interface is not back: ${toWeftError(thrown).message}`);
          return;
        }
      }
      await delay(ADMIN_RETRY_MS);
    }
  }

  /** The proxy is ending: there is nothing to have back. */
  ended(): void {
    this.#hasEnded = true;
  }

  connections(): number {
    return this.proxy?.connections() ?? 0;
  }

  replaced(shutdownMs: number): void {
    this.shutdownMs = shutdownMs;
    this.#end();
  }
}

/** Waits for the end; gives why the proxy cannot serve its own listeners, where it cannot. */
async function firstOf(
  proxy: RunningProxy,
  stopped: Promise<void>,
  onReady: () => Promise<void>,
): Promise<string | undefined> {
  const end = Promise.race([stopped, proxy.failed()]);
  const ready = proxy.ready().then(async () => {
    await onReady();
    await settle();
    return await end;
  });
  return (await Promise.race([end, ready])) ?? undefined;
}

async function end(proxy: RunningProxy, log: Log, timeoutMs: number, second: Promise<void>): Promise<void> {
  log.info({}, 'ending: no more connections are taken, requests may end');
  await Promise.race([proxy.drain({ timeoutMs }), second]);
}

/** What flags say of the node goes before what the bootstrap says. */
function withNode(bootstrap: Bootstrap, { id, cluster, zone }: NodeFlags): Bootstrap {
  const { node } = bootstrap;
  if (id === undefined && cluster === undefined && zone === undefined) return bootstrap;
  return {
    ...bootstrap,
    node: {
      ...node,
      ...(id !== undefined && { id }),
      ...(cluster !== undefined && { cluster }),
      ...(zone !== undefined && { locality: { ...node?.locality, zone } }),
    },
  };
}

function reopenLogs(output: LogOutput, { proxy }: Target, log: Log): void {
  proxy?.reopenLogs();
  try {
    output.reopen();
  } catch (thrown) {
    log.error({}, `${toWeftError(thrown).message}; the log goes on where it was`);
  }
}

/** Signals that end no proxy: Node would end with the first, and open a debugger with the other one. */
function quietSignals(onUser1: () => void): Disposable {
  const onHangup = () => undefined;
  process.on('SIGHUP', onHangup);
  process.on('SIGUSR1', onUser1);
  return {
    [Symbol.dispose]() {
      process.off('SIGHUP', onHangup);
      process.off('SIGUSR1', onUser1);
    },
  };
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
