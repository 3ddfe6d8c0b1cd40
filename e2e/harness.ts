/** Meshes of real processes for tests: `weft` run as users run it, everything ended and removed with the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { resolveBinary } from '@weft/binaries';
import { freePort, listen } from '@weft/proxy/testing';

export { freePort, listen };

const ENTRY = fileURLToPath(new URL('../packages/cli/bin/weft.mjs', import.meta.url));
const SHOP = fileURLToPath(new URL('../examples/shop/service.mjs', import.meta.url));

/** Fetches a program that the tests run, once, and gives its path. */
export async function binary(name: 'envoy' | 'nats-server'): Promise<string> {
  return (await resolveBinary(name, { download: true, onProgress: (text) => console.error(text) })).path;
}

export type DataPlane = 'weft' | 'envoy';
export const DATA_PLANES: readonly DataPlane[] = ['weft', 'envoy'];

export interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Process {
  readonly pid: number;
  readonly ended: Promise<Finished>;
  /** What it has printed so far, both streams. */
  text(): string;
  signal(name: NodeJS.Signals): void;
  /** Ends it and all that it started at once. */
  kill(): Promise<Finished>;
  stop(): Promise<Finished>;
}

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs `weft` with these arguments. */
export function weftProcess(args: readonly string[], options: StartOptions): Process {
  const flags = ['--disable-warning=ExperimentalWarning', ENTRY];
  const env: NodeJS.ProcessEnv = { ...process.env, ...options.env };
  delete env.NODE_TEST_CONTEXT;
  const child = spawn(process.execPath, [...flags, ...args], {
    cwd: options.cwd ?? tmpdir(),
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  const ended = new Promise<Finished>((resolve) => {
    child.on('close', (code, signal) => resolve({ code: code ?? (signal === 'SIGKILL' ? 137 : 143), out, err }));
  });
  return {
    pid: child.pid ?? 0,
    ended,
    text: () => out + err,
    signal: (name) => {
      child.kill(name);
    },
    kill() {
      killGroup(child);
      return ended;
    },
    stop() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown;
  }
}

/** Polls until `probe` gives a value. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  timeoutMs = 30_000,
  explain: () => string = () => '',
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`${what} did not happen within ${timeoutMs} ms\n${explain()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly agent?: Agent;
}

/** One HTTP request; rejects when there is no whole answer within 15 s. */
export function ask(url: string, options: AskOptions = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body, agent } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers, agent: agent ?? new Agent(), timeout: 15_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        });
      });
      response.on('error', reject);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer from ${url} within 15 s`)));
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** A request through an HTTP proxy, in absolute form, as HTTP_PROXY has clients send it. */
export function askThrough(proxyPort: number, url: string, options: AskOptions = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body } = options;
  return new Promise((resolve, reject) => {
    const target = new URL(url);
    const outgoing = request(
      { host: '127.0.0.1', port: proxyPort, method, path: url, headers: { host: target.host, ...headers } },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
        response.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

export interface Mesh {
  readonly folder: string;
  readonly state: string;
  readonly dataPlane: DataPlane;
  /** Runs a command to its end. */
  weft(...args: string[]): Promise<Finished>;
  /** Starts a command that goes on; it is ended with the test. */
  start(args: readonly string[], options?: StartOptions): Process;
  /** Starts `weft up`, at the addresses that it had before, and resolves once it is up. */
  up(...flags: string[]): Promise<Process>;
  /** Starts a program with its sidecar; the program is given PORT. */
  run(service: string, options?: RunOptions): Promise<Workload>;
  /** Resolves once `weft get workloads` shows `count` ready ones of the service. */
  ready(service: string, count: number): Promise<void>;
}

export interface RunOptions {
  readonly version?: string;
  readonly calls?: readonly string[];
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the sample shop's service. */
  readonly command?: readonly string[];
  readonly dataPlane?: DataPlane;
}

export interface Workload {
  readonly process: Process;
  /** Of the application, at 127.0.0.1. */
  readonly port: number;
}

interface Addresses {
  readonly node: string;
  readonly admin: string;
  readonly http: string;
  readonly pid: number;
}

/** What the running control plane of a state folder wrote. */
export function controlPlaneFile(state: string): Addresses | undefined {
  try {
    return JSON.parse(readFileSync(join(state, 'control-plane.json'), 'utf8'));
  } catch {
    return undefined; // not up yet
  }
}

class TestMesh implements Mesh {
  readonly folder = mkdtempSync(join(tmpdir(), 'weft-e2e-'));
  readonly state = join(this.folder, '.weft');
  readonly dataPlane: DataPlane;
  readonly #started: Process[] = [];

  constructor(dataPlane: DataPlane) {
    this.dataPlane = dataPlane;
  }

  weft(...args: string[]): Promise<Finished> {
    return this.start(args).ended;
  }

  start(args: readonly string[], options: StartOptions = {}): Process {
    const started = weftProcess(args, { cwd: this.folder, ...options });
    this.#started.push(started);
    return started;
  }

  async up(...flags: string[]): Promise<Process> {
    const before = controlPlaneFile(this.state);
    const up = this.start([
      'up',
      '--node-listen',
      before?.node ?? '127.0.0.1:0',
      '--admin-listen',
      before?.admin ?? '127.0.0.1:0',
      '--http-listen',
      before?.http ?? '127.0.0.1:0',
      ...flags,
    ]);
    const isUp = () => (controlPlaneFile(this.state)?.pid === up.pid ? true : undefined);
    await until('weft up', isUp, 30_000, up.text);
    return up;
  }

  async run(service: string, options: RunOptions = {}): Promise<Workload> {
    const port = await freePort();
    const version = options.version ?? 'v1';
    const dataPlane = options.dataPlane ?? this.dataPlane;
    const envoy = dataPlane === 'envoy' ? { WEFT_ENVOY: await binary('envoy') } : {};
    const flags = ['--service', service, '--port', String(port), '--version', version, '--data-plane', dataPlane];
    const command = options.command ?? [process.execPath, SHOP];
    const shop = { SERVICE: service, VERSION: version, PORT: String(port), CALLS: (options.calls ?? []).join(',') };
    const started = this.start(['run', ...flags, ...(options.flags ?? []), '--', ...command], {
      env: { ...envoy, ...shop, ...options.env },
    });
    return { process: started, port };
  }

  async ready(service: string, count: number): Promise<void> {
    const probe = async () => {
      const { code, out } = await this.weft('get', 'workloads', '-o', 'json');
      if (code !== 0) return undefined;
      const workloads = JSON.parse(out) as { service: string; health: string }[];
      const ready = workloads.filter((workload) => workload.service === service && workload.health === 'READY');
      return ready.length === count ? true : undefined;
    };
    const texts = () => this.#started.map((started) => started.text()).join('\n---\n');
    await until(`${count} ready workloads of ${service}`, probe, 30_000, texts);
  }

  /** Workloads leave in order while the control plane is there; then what is left is ended. */
  async close(): Promise<void> {
    for (const started of this.#started) started.signal('SIGTERM');
    const patience = setTimeout(() => {
      for (const started of this.#started) void started.kill();
    }, 20_000);
    await Promise.all(this.#started.map((started) => started.ended));
    clearTimeout(patience);
    await Promise.all(this.#started.map((started) => started.kill()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A mesh in a temporary folder that ends with the test. */
export function openMesh(test: TestContext, dataPlane: DataPlane = 'weft'): Mesh {
  const mesh = new TestMesh(dataPlane);
  test.after(() => mesh.close());
  return mesh;
}
