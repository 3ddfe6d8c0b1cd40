/** A data plane as a process of its own on a processor of its own: Weft's proxy as users start it, or the real Envoy. */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { resolveBinary } from '@weft/binaries';
import { askAdmin, askPorts, askStat, freePort } from '@weft/proxy/testing';
import { ADMIN_PORT, fillPorts } from './bootstrap.ts';
import { pinned } from './cpus.ts';

const ENTRY = fileURLToPath(new URL('../../../packages/cli/bin/weft.mjs', import.meta.url));

export const SIDES = ['weft', 'envoy'] as const;
export type Side = (typeof SIDES)[number];

export interface PlaneOptions {
  readonly side: Side;
  /** What it is called in messages, and its file. */
  readonly name: string;
  /** The bootstrap, YAML or JSON. */
  readonly text: string;
  readonly format?: 'yaml' | 'json';
  /** What ports of the bootstrap are in this run. */
  readonly ports: Readonly<Record<number, number>>;
  readonly folder: string;
  readonly cpu: number;
  readonly readyWithinMs?: number;
}

export interface Plane {
  readonly pid: number;
  /** From the start of the process until it was ready. */
  readonly readyMs: number;
  /** The port of a listener, as bound. */
  port(listener: string): number;
  /** A number of `/stats`; 0 where there is none of that name. */
  stat(name: string): Promise<number>;
  close(): Promise<void>;
}

/** How long a process may take to end after a signal. */
const END_MS = 1000;

async function commandOf({ side, cpu }: PlaneOptions, file: string): Promise<[string, string[]]> {
  if (side === 'weft') {
    const flags = ['--disable-warning=ExperimentalWarning', ENTRY, 'proxy', '-c', file, '-l', 'warning'];
    return pinned(cpu, process.execPath, flags);
  }
  const { path } = await resolveBinary('envoy', { download: true, onProgress: (text) => console.error(text) });
  return pinned(cpu, path, ['-c', file, '--disable-hot-restart', '--concurrency', '1', '-l', 'warning']);
}

class RunningPlane implements Plane {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #options: PlaneOptions;
  readonly #adminPort: number;
  readonly #ended: Promise<void>;
  #ports: ReadonlyMap<string, number> = new Map();
  #output = '';
  #code: number | undefined;
  readyMs = 0;

  constructor(child: ChildProcess, options: PlaneOptions, adminPort: number) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.#options = options;
    this.#adminPort = adminPort;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-16_384);
      });
    }
    this.#ended = new Promise((resolve) => {
      child.once('close', (code) => {
        this.#code = code ?? 128;
        resolve();
      });
    });
  }

  #failure(what: string): Error {
    const { side, name } = this.#options;
    return new Error(`${side} ${what} with the bootstrap ${name}; it said:\n${this.#output.trim() || '(nothing)'}`);
  }

  async becomeReady(startedMs: number): Promise<void> {
    const deadline = startedMs + (this.#options.readyWithinMs ?? 30_000);
    while (!(await this.#isReady())) {
      if (this.#code !== undefined) throw this.#failure(`ended with ${this.#code}`);
      if (performance.now() > deadline) throw this.#failure('did not become ready');
      await delay(10);
    }
    this.readyMs = performance.now() - startedMs;
    this.#ports = await askPorts(this.#adminPort);
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await askAdmin(this.#adminPort, '/ready')).status === 200;
    } catch {
      return false; // does not listen yet
    }
  }

  port(listener: string): number {
    const port = this.#ports.get(listener);
    if (port === undefined) throw this.#failure(`has no listener ${listener}`);
    return port;
  }

  stat(name: string): Promise<number> {
    return askStat(this.#adminPort, name);
  }

  /** Ends it as its users do, twice where connections hold it up: so Weft keeps its compiled code for the next start. */
  async close(): Promise<void> {
    for (const signal of ['SIGTERM', 'SIGTERM', 'SIGKILL'] as const) {
      this.#child.kill(signal);
      await Promise.race([this.#ended, delay(signal === 'SIGKILL' ? 30_000 : END_MS, undefined, { ref: false })]);
      if (this.#code !== undefined) return;
    }
  }
}

/** Starts it and waits until it is ready. Throws `Error` with what it said where it does not come to that. */
export async function startPlane(options: PlaneOptions): Promise<Plane> {
  const { side, name, text, format = 'yaml', ports, folder } = options;
  const adminPort = await freePort();
  const file = join(folder, `${side}-${name}.${format}`);
  writeFileSync(file, fillPorts(text, { ...ports, [ADMIN_PORT]: adminPort }));
  const [command, args] = await commandOf(options, file);
  const env = { ...process.env };
  delete env.NODE_TEST_CONTEXT;
  const startedMs = performance.now();
  const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const plane = new RunningPlane(child, options, adminPort);
  try {
    await plane.becomeReady(startedMs);
  } catch (error) {
    await plane.close();
    throw error;
  }
  return plane;
}
