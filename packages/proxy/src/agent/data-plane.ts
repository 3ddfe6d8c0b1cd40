/** The two data planes behind one interface: Weft's proxy in this process, or Envoy beside it. */
import { toWeftError, WeftError } from '@weft/contracts/error';
import type { Bootstrap } from '@weft/envoy-api';
import { Backoff, sleep } from './backoff.ts';
import { EnvoyProcess } from './envoy.ts';
import type { AgentFolder } from './folder.ts';
import type { Log } from './log.ts';
import type { NodeApi } from './node-api.ts';
import type { ProxyPorts } from './ports.ts';
import type { Watchdog } from './watchdog.ts';

export interface DataPlane {
  /** Whether it serves what it has been given. */
  isReady(): Promise<boolean>;
  /** Why it cannot become ready, as far as it has said; undefined when it has said nothing. */
  trouble(): string | undefined;
  /** Asks callers to leave, and resolves once nothing inbound is under way, or after `timeoutMs`. */
  drain(timeoutMs: number, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface DataPlaneOptions {
  readonly bootstrap: Bootstrap;
  readonly nodeApi: NodeApi;
  readonly log: Log;
}

/** Loaded by those alone that run it. */
export type ProxyModule = typeof import('../index.ts');

/** Weft's proxy, in this process. */
export async function startWeft(
  { bootstrap, nodeApi, log }: DataPlaneOptions,
  { startProxy }: ProxyModule,
): Promise<DataPlane> {
  const proxy = await startProxy({ bootstrap, streams: (_cluster, path, signal) => nodeApi.open(path, signal), log });
  return {
    isReady: async () => proxy.isReady(),
    trouble: () => proxy.troubles()[0],
    drain: (timeoutMs) => proxy.drain({ timeoutMs, direction: 'INBOUND' }),
    close: () => proxy.close(),
  };
}

export interface EnvoyDataPlaneOptions extends DataPlaneOptions {
  readonly envoyPath: string;
  readonly folder: AgentFolder;
  readonly ports: ProxyPorts;
  readonly protocol: 'http' | 'tcp';
  readonly watchdog: Watchdog;
}

const POLL_MS = 25;
/** How long the inbound side must have been without requests while callers keep idle connections. */
const QUIET_MS = 500;
const STOP_GRACE_MS = 5000;

/** Envoy, started again when it dies. */
class EnvoyDataPlane implements DataPlane {
  readonly #options: EnvoyDataPlaneOptions;
  readonly #stopping = new AbortController();
  readonly #supervision: Promise<void>;
  #process: EnvoyProcess;
  #trouble: string | undefined;

  constructor(options: EnvoyDataPlaneOptions, process: EnvoyProcess) {
    this.#options = options;
    this.#process = process;
    this.#supervision = this.#supervise();
  }

  isReady(): Promise<boolean> {
    return this.#process.isReady();
  }

  trouble(): string | undefined {
    return this.#trouble;
  }

  async #supervise(): Promise<void> {
    const { log } = this.#options;
    const { signal } = this.#stopping;
    const backoff = new Backoff({ firstMs: 200, maxMs: 10_000 });
    while (!signal.aborted) {
      const startedAt = performance.now();
      const reason = await this.#process.ended;
      if (signal.aborted) return;
      const lines = this.#process.lastLines.slice(-5).join('; ');
      this.#trouble = `Envoy does not run: ${reason}${lines === '' ? '' : `, after it said: ${lines}`}`;
      log.error({ reason }, 'Envoy died; it is started again');
      if (performance.now() - startedAt > 60_000) backoff.reset();
      await backoff.wait(signal);
      if (!signal.aborted) await this.#restart();
    }
  }

  async #restart(): Promise<void> {
    try {
      this.#process = await startProcess(this.#options);
    } catch (thrown) {
      this.#options.log.error({ reason: toWeftError(thrown).message }, 'Envoy cannot be started again');
    }
  }

  async drain(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { ports, protocol } = this.#options;
    const endAt = performance.now() + timeoutMs;
    let quietSince: number | undefined;
    let seen = -1;
    try {
      await this.#process.beginDrain();
      while (!signal.aborted && performance.now() < endAt) {
        const { requests, requestsTotal, connections } = await this.#process.activity(ports.inbound);
        if (connections === 0) return;
        // Between two looks requests may have come and gone.
        if (requests > 0 || requestsTotal !== seen || protocol === 'tcp') quietSince = undefined;
        else quietSince ??= performance.now();
        seen = requestsTotal;
        if (quietSince !== undefined && performance.now() - quietSince >= QUIET_MS) return;
        await sleep(POLL_MS, signal);
      }
      if (!signal.aborted) this.#options.log.warn({}, `requests were still under way after ${timeoutMs} ms`);
    } catch (thrown) {
      this.#options.log.warn({ reason: toWeftError(thrown).message }, 'Envoy could not be drained');
    }
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#process.stop(STOP_GRACE_MS);
    await this.#supervision;
  }
}

async function startProcess(options: EnvoyDataPlaneOptions): Promise<EnvoyProcess> {
  const { envoyPath, bootstrap, folder, ports, log, watchdog } = options;
  return EnvoyProcess.start({ path: envoyPath, bootstrap, folder, adminPort: ports.admin, log, watchdog });
}

/** Envoy as a child process. Throws `WeftError` NOT_FOUND when the binary cannot be started. */
export async function startEnvoy(options: EnvoyDataPlaneOptions): Promise<DataPlane> {
  return new EnvoyDataPlane(options, await startProcess(options));
}

/** The error of `dataPlane: 'envoy'` without a binary. */
export function noEnvoy(): WeftError {
  return new WeftError(
    'NOT_FOUND',
    'no Envoy was found: install it so that it is on PATH, set WEFT_ENVOY to the binary, or run weft binaries fetch envoy',
  );
}
