/** `weft` as users run it: its binary as a child process in a temporary folder, ended and removed with the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type ControlPlaneFile, readControlPlaneFile, stateFolder } from '../state-folder.ts';

const ENTRY = fileURLToPath(new URL('../../bin/weft.mjs', import.meta.url));
const UP_MS = 30_000;

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Ground {
  readonly folder: string;
  /** Runs a command to its end. */
  weft(...args: string[]): Promise<Finished>;
  /** The same with additional environment variables. */
  weftWith(env: Readonly<Record<string, string>>, ...args: string[]): Promise<Finished>;
  /** Starts `weft up` on free ports and resolves when it is up. */
  up(...flags: string[]): Promise<ControlPlaneFile>;
  /** Writes a file into the folder. */
  write(name: string, text: string): void;
}

interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
}

const FREE = ['--node-listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--http-listen', '127.0.0.1:0'];

function start(folder: string, env: Readonly<Record<string, string>>, args: readonly string[]): Running {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(WEFT_|NODE_TEST_CONTEXT$)/.test(name));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ENTRY, ...args], {
    cwd: folder,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  const finished = new Promise<Finished>((resolve) => child.on('close', (code) => resolve({ code, out, err })));
  return { child, finished };
}

async function untilUp(folder: string, { child, finished }: Running): Promise<ControlPlaneFile> {
  const deadline = performance.now() + UP_MS;
  let ended: Finished | undefined;
  void finished.then((result) => {
    ended = result;
  });
  while (performance.now() < deadline && ended === undefined) {
    const written = readControlPlaneFile(stateFolder(join(folder, '.weft')));
    if (written && written.pid === child.pid) return written;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`weft up is not up: ${ended?.err ?? 'it says nothing'}`);
}

/** A temporary folder to run `weft` in. What still runs when the test ends is ended. */
export function openGround(test: TestContext): Ground {
  const folder = mkdtempSync(join(tmpdir(), 'weft-cli-'));
  const running: Running[] = [];
  const run = (env: Readonly<Record<string, string>>, args: readonly string[]): Running => {
    const started = start(folder, env, args);
    running.push(started);
    return started;
  };
  test.after(async () => {
    for (const { child } of running) child.kill('SIGKILL');
    await Promise.all(running.map(({ finished }) => finished));
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    folder,
    weft: (...args) => run({}, args).finished,
    weftWith: (env, ...args) => run(env, args).finished,
    up: (...flags) => untilUp(folder, run({}, ['up', ...FREE, ...flags])),
    write: (name, text) => writeFileSync(join(folder, name), text),
  };
}
