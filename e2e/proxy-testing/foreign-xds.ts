/** An xDS server that is not Weft's: that of the Envoy project, compiled here. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { until } from '../harness.ts';

const SOURCE = fileURLToPath(new URL('go-control-plane', import.meta.url));
const BUILD_MS = 300_000;

/** Why the server cannot be compiled here; undefined where it can. */
export function whyNoGo(): string | undefined {
  const { status, error } = spawnSync('go', ['version'], { stdio: 'ignore' });
  return error || status !== 0 ? 'Go is not installed; it compiles the xDS server of this test' : undefined;
}

/** One line that the server tells. */
export interface XdsEvent {
  readonly event: 'listening' | 'set' | 'request' | 'ack' | 'nack' | 'error';
  readonly port?: number;
  readonly type?: string;
  readonly node?: string;
  readonly message?: string;
}

/** Resources as ProtoJSON, by type URL. */
export type Resources = Readonly<Record<string, readonly unknown[]>>;

export class ForeignXds {
  readonly events: XdsEvent[] = [];
  readonly #child: ChildProcess;
  #version = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout) {
      createInterface({ input: child.stdout }).on('line', (line) => this.events.push(JSON.parse(line) as XdsEvent));
    }
  }

  /** Compiles it into `folder` and starts it; it ends with the test. */
  static async start(test: TestContext, folder: string): Promise<ForeignXds> {
    const program = join(folder, 'go-control-plane');
    await promisify(execFile)('go', ['build', '-o', program, '.'], { cwd: SOURCE, timeout: BUILD_MS });
    const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
    test.after(() => child.kill('SIGKILL'));
    const server = new ForeignXds(child);
    await server.find('listening');
    return server;
  }

  get port(): number {
    return this.events.find(({ event }) => event === 'listening')?.port ?? 0;
  }

  /** The first event of a kind from the `from`th on. */
  find(event: XdsEvent['event'], from = 0): Promise<XdsEvent> {
    const look = () => this.events.slice(from).find((one) => one.event === event);
    return until(`${event} from go-control-plane`, look, 30_000, () => JSON.stringify(this.events));
  }

  /** Serves these from now on, and nothing else; resolves once the server has taken them. */
  async set(node: string, resources: Resources): Promise<void> {
    const from = this.events.length;
    this.#child.stdin?.write(`${JSON.stringify({ node, version: String(++this.#version), resources })}\n`);
    const look = () => this.events.slice(from).find(({ event }) => event === 'set' || event === 'error');
    const told = await until('a snapshot', look, 10_000);
    if (told.event === 'error') throw new Error(told.message);
  }
}
