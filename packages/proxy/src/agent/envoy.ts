/** Envoy as a child process, and what is asked of its admin endpoint. */
import { type ChildProcess, spawn } from 'node:child_process';
import { request } from 'node:http';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { WeftError } from '@weft/contracts/error';
import type { Bootstrap } from '@weft/envoy-api';
import type { AgentFolder } from './folder.ts';
import type { Log } from './log.ts';
import type { Watchdog } from './watchdog.ts';

export interface EnvoyOptions {
  readonly path: string;
  readonly bootstrap: Bootstrap;
  readonly folder: AgentFolder;
  readonly adminPort: number;
  readonly log: Log;
  readonly watchdog: Watchdog;
}

/** How many of Envoy's last lines are kept for an error. */
const KEPT_LINES = 20;
const ADMIN_TIMEOUT_MS = 2000;

/** Asks the admin endpoint; throws when it does not answer. */
function ask(port: number, method: 'GET' | 'POST', path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, method, path, timeout: ADMIN_TIMEOUT_MS, agent: false });
    asked.once('timeout', () => asked.destroy(new Error(`no answer within ${ADMIN_TIMEOUT_MS} ms`)));
    asked.once('error', reject);
    asked.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    asked.end();
  });
}

/** What of the inbound side is still busy. */
export interface InboundActivity {
  /** HTTP requests under way. */
  readonly requests: number;
  /** HTTP requests that have come since the process began. */
  readonly requestsTotal: number;
  /** All connections, idle ones too; of TCP services each is work of its own. */
  readonly connections: number;
}

interface Stats {
  readonly stats: readonly { readonly name?: string; readonly value?: number }[];
}

export class EnvoyProcess {
  /** Resolves when the process is gone, with why. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #adminPort: number;
  readonly #lines: string[] = [];
  #isStopping = false;

  private constructor(child: ChildProcess, { adminPort, log, watchdog }: EnvoyOptions) {
    this.#child = child;
    this.#adminPort = adminPort;
    if (child.pid !== undefined) watchdog.guard(child.pid);
    if (child.stderr) createInterface({ input: child.stderr }).on('line', (line) => this.#told(line, log));
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        if (child.pid !== undefined) watchdog.forget(child.pid);
        resolve(signal ? `it was ended by ${signal}` : `it ended with code ${code}`);
      });
    });
  }

  static async start(options: EnvoyOptions): Promise<EnvoyProcess> {
    options.folder.write('envoy.json', JSON.stringify(options.bootstrap));
    const args = [
      ['-c', `${options.folder.path}/envoy.json`],
      ['--concurrency', String(Math.min(2, availableParallelism()))],
      ['--log-level', 'warn', '--log-format', '%l %v'],
      // Draining answers with connection: close from the first request on; the agent decides when it ends.
      ['--drain-strategy', 'immediate', '--drain-time-s', '600', '--parent-shutdown-time-s', '900'],
      ['--disable-hot-restart'],
    ].flat();
    const child = spawn(options.path, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (cause) =>
        reject(
          new WeftError('NOT_FOUND', `Envoy at ${options.path} cannot be started: ${cause.message}; set WEFT_ENVOY`, {
            cause,
          }),
        ),
      );
    });
    return new EnvoyProcess(child, options);
  }

  /** The last lines that it wrote, the newest last. */
  get lastLines(): readonly string[] {
    return this.#lines;
  }

  #told(line: string, log: Log): void {
    this.#lines.push(line);
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
    const [, level = '', text = line] = /^(trace|debug|info|warning|error|critical) (.*)$/.exec(line) ?? [];
    if (this.#isStopping) log.debug({}, `envoy: ${text}`);
    else if (level === 'error' || level === 'critical') log.error({}, `envoy: ${text}`);
    else log.warn({}, `envoy: ${text}`);
  }

  /** Whether it says of itself that it can serve. */
  async isReady(): Promise<boolean> {
    try {
      return (await ask(this.#adminPort, 'GET', '/ready')).status === 200;
    } catch {
      // It does not listen yet.
      return false;
    }
  }

  /**
   * Answers from now on say `connection: close`, and no inbound connection is accepted any more: callers that were not told
   * that the workload leaves are refused before they have sent anything, and go elsewhere.
   */
  async beginDrain(): Promise<void> {
    await ask(this.#adminPort, 'POST', '/healthcheck/fail');
    await ask(this.#adminPort, 'POST', '/drain_listeners?inboundonly');
  }

  /** Of the listener at that port. */
  async activity(inboundPort: number): Promise<InboundActivity> {
    const listener = `listener\\..*_${inboundPort}\\.downstream_cx_active`;
    const filter = `^(http\\.inbound\\.downstream_rq_(active|total)|${listener})$`;
    const { body } = await ask(this.#adminPort, 'GET', `/stats?format=json&filter=${encodeURIComponent(filter)}`);
    const { stats } = JSON.parse(body) as Stats;
    const sumOf = (suffix: string) =>
      stats.reduce((sum, { name, value }) => sum + (name?.endsWith(suffix) ? (value ?? 0) : 0), 0);
    return {
      requests: sumOf('.downstream_rq_active'),
      requestsTotal: sumOf('.downstream_rq_total'),
      connections: sumOf('.downstream_cx_active'),
    };
  }

  /** Ends it: at once, or by force after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    await this.ended;
    clearTimeout(timer);
  }
}
