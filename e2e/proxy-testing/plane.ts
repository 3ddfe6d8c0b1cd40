/** A data plane on one of the bootstraps of `e2e/bootstrap`: Weft's proxy or the real Envoy, as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { askAdmin, askPorts, askStat } from '@weft/proxy/testing';
import { binary, type DataPlane, freePort, until } from '../harness.ts';

const ENTRY = fileURLToPath(new URL('../../packages/cli/bin/weft.mjs', import.meta.url));

/** The text of a bootstrap that stands in `e2e/bootstrap`. */
export function bootstrapText(name: string): string {
  return readFileSync(new URL(`../bootstrap/${name}`, import.meta.url), 'utf8');
}

export interface PlaneOptions {
  readonly dataPlane: DataPlane;
  /** A file of `e2e/bootstrap`. */
  readonly bootstrap: string;
  /** Where it runs: what the bootstrap names by relative paths is there. */
  readonly folder: string;
  /** What the ports of the bootstrap are here: listeners are 0, so that a free one is found. */
  readonly ports: Readonly<Record<number, number>>;
  /** More changes of the text. */
  readonly edit?: (text: string) => string;
  readonly flags?: readonly string[];
}

export interface Plane {
  readonly dataPlane: DataPlane;
  readonly pid: number;
  readonly adminPort: number;
  /** The port of a listener, as bound. */
  port(listener?: string): number;
  admin(path: string, method?: 'GET' | 'POST'): Promise<{ readonly status: number; readonly body: string }>;
  /** A number of `/stats`; 0 where there is none of that name. */
  stat(name: string): Promise<number>;
  text(): string;
  signal(name: NodeJS.Signals): void;
  readonly ended: Promise<number>;
}

/** Access logs are written that often. */
const FLUSH = ['--file-flush-interval-msec', '200'];

async function spawnPlane(options: PlaneOptions, file: string): Promise<ChildProcess> {
  const { dataPlane, folder, flags = [] } = options;
  const env: NodeJS.ProcessEnv = { ...process.env };
  delete env.NODE_TEST_CONTEXT;
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
  if (dataPlane === 'weft') {
    return spawn(process.execPath, [ENTRY, 'proxy', '-c', file, ...flags], { cwd: folder, env, stdio });
  }
  const threads = flags.includes('--concurrency') ? [] : ['--concurrency', '1'];
  const args = ['-c', file, '--disable-hot-restart', ...threads, '-l', 'warn', ...FLUSH, ...flags];
  return spawn(await binary('envoy'), args, { cwd: folder, env, stdio });
}

/** Starts it, waits until it is ready, and ends it with the test. */
export async function startPlane(test: TestContext, options: PlaneOptions): Promise<Plane> {
  const adminPort = options.ports[9901] ?? (await freePort());
  const ports: Readonly<Record<number, number>> = { ...options.ports, 9901: adminPort };
  const text = (options.edit ?? ((given) => given))(bootstrapText(options.bootstrap)).replaceAll(
    /(port_value: )(\d+)/g,
    (_all, before: string, port: string) => `${before}${ports[Number(port)] ?? 0}`,
  );
  const file = join(options.folder, `${options.dataPlane}-${options.bootstrap}`);
  writeFileSync(file, text);
  const child = await spawnPlane(options, file);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  let code: number | undefined;
  const ended = new Promise<number>((resolve) => {
    child.once('close', (status) => {
      code = status ?? 128;
      resolve(code);
    });
  });
  test.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const admin: Plane['admin'] = (path, method) => askAdmin(adminPort, path, method);
  const isReady = async () => {
    if (code !== undefined)
      throw new Error(`${options.dataPlane} on ${options.bootstrap} ended with ${code}: ${output}`);
    const ready = await admin('/ready').catch(() => undefined);
    return ready?.status === 200 ? true : undefined;
  };
  await until(`${options.dataPlane} on ${options.bootstrap}`, isReady, 30_000, () => output);
  const bound = await askPorts(adminPort);
  return {
    dataPlane: options.dataPlane,
    pid: child.pid ?? 0,
    adminPort,
    port: (listener) => (listener === undefined ? [...bound.values()][0] : bound.get(listener)) ?? 0,
    admin,
    stat: (name) => askStat(adminPort, name),
    text: () => output,
    signal: (name) => {
      child.kill(name);
    },
    ended,
  };
}
