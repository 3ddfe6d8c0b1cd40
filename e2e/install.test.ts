// The script `weft` as somebody meets it who has just cloned the repository.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Finished, until } from './harness.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PARTS = ['weft', 'package.json', 'package-lock.json', 'scripts', 'packages', 'e2e', 'bench'];
const LEFT_OUT = /(^|\/)(node_modules|testdata|envoy-api\/gen)$|\.test\.ts$/;

const REACHING =
  /^(NODE_EXTRA_CA_CERTS|npm_config_(registry|cafile|ca|proxy|https_proxy|noproxy|strict_ssl|userconfig|globalconfig))$/i;

interface Clone {
  readonly folder: string;
  readonly script: string;
  /** Where programs of the test's own are put, first on PATH. */
  readonly bin: string;
  readonly env: NodeJS.ProcessEnv;
}

/** A copy of this checkout where nothing is installed, in a folder whose name has a space, with an empty npm cache. */
function clone(t: TestContext): Clone {
  const folder = mkdtempSync(join(tmpdir(), 'weft a clone '));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const checkout = join(folder, 'weft');
  for (const part of PARTS) {
    cpSync(join(ROOT, part), join(checkout, part), {
      recursive: true,
      filter: (path) => !LEFT_OUT.test(path),
    });
  }
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  // What npm sets for the scripts that it runs is not what a user has, but for how the registry is reached.
  const own = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_)/i.test(name) || REACHING.test(name));
  const env = { ...Object.fromEntries(own), PATH: `${bin}:${process.env.PATH}`, npm_config_cache: join(folder, 'npm') };
  return { folder, script: join(checkout, 'weft'), bin, env };
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Finished>;
}

/** Starts the script as a terminal does: as the leader of a process group, which gets the signals. */
function start({ script, env, folder }: Clone, ...args: string[]): Running {
  const child = spawn(script, args, { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text.out += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text.err += chunk;
  });
  const ended = new Promise<Finished>((resolve) => {
    child.on('close', (code) => resolve({ code: code ?? -1, ...text }));
  });
  return { child, ended };
}

function signalGroup({ child }: Running, signal: NodeJS.Signals): void {
  assert.ok(child.pid);
  process.kill(-child.pid, signal);
}

/** A program of the test's own, as a shell script. */
function program({ bin }: Clone, name: string, ...lines: string[]): void {
  writeFileSync(join(bin, name), `${['#!/bin/sh', ...lines].join('\n')}\n`, { mode: 0o755 });
}

test('a clone installs itself once, without tools for testing, however it is called', {
  timeout: 300_000,
}, async (t) => {
  const cloned = clone(t);
  const link = join(cloned.folder, 'link');
  symlinkSync(cloned.script, link);
  const both = [start(cloned, 'version'), start({ ...cloned, script: link }, 'version')];
  const [one, other] = await Promise.all(both.map(({ ended }) => ended));
  assert.ok(one && other);
  for (const { code, out, err } of [one, other]) {
    assert.equal(code, 0, err);
    assert.match(out, /^weft \d/);
  }
  const said = `${one.err}${other.err}`;
  assert.equal(said.match(/installing what running needs/g)?.length, 1, said);

  const again = await start({ ...cloned, script: link }, '--help').ended;
  assert.equal(again.code, 0);
  assert.equal(again.err, '');
  const installed = readdirSync(join(cloned.folder, 'weft/node_modules'));
  for (const tool of ['typescript', '@typescript', 'nx', '@biomejs', 'protobufjs', 'testcontainers']) {
    assert.ok(!installed.includes(tool), `${tool} is not needed to run`);
  }
  assert.deepEqual(
    readdirSync(join(cloned.folder, 'weft')).filter((name) => name.startsWith('.weft')),
    [],
  );
});

test('an installation that is interrupted is begun anew', { timeout: 60_000 }, async (t) => {
  const cloned = clone(t);
  const begun = join(cloned.folder, 'begun');
  const lock = join(cloned.folder, 'weft/.weft-install.lock');
  const begins = () => until('npm', () => (existsSync(begun) ? true : undefined));
  program(cloned, 'npm', `: > "${begun}"`, 'exec sleep 60');
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const interrupted = start(cloned, 'version');
    await begins();
    signalGroup(interrupted, signal);
    assert.equal((await interrupted.ended).code, code);
    assert.ok(!existsSync(lock), `nothing is locked after ${signal}`);
    rmSync(begun);
  }
  const killed = start(cloned, 'version');
  await begins();
  signalGroup(killed, 'SIGKILL');
  await killed.ended;
  program(cloned, 'npm', 'echo it is npm that failed; exit 1');
  const next = await start(cloned, 'version').ended;
  assert.equal(next.code, 1);
  assert.match(next.err, /it is npm that failed\nweft: the installation failed; what npm said last stands above/);
});

test('why nothing can be installed is told in a sentence', { timeout: 60_000 }, async (t) => {
  const cloned = clone(t);
  const offline = { ...cloned.env, npm_config_registry: 'http://127.0.0.1:1/' };
  const { code, err } = await start({ ...cloned, env: offline }, 'up').ended;
  assert.equal(code, 1);
  assert.match(err, /weft: the npm registry http:\/\/127\.0\.0\.1:1\/ cannot be reached, .* check the connection/);

  const reasons = [
    ['echo npm error code ENOSPC', /no space left for the 250 MB/],
    ['echo npm error code EACCES', /cannot be written to/],
    ['echo node: error while loading shared libraries: libatomic.so.1', /apt-get install libatomic1/],
  ] as const;
  for (const [says, expected] of reasons) {
    program(cloned, 'npm', says, 'exit 1');
    assert.match((await start(cloned, 'up').ended).err, expected);
  }
  program(cloned, 'node', 'case "$1" in -p) echo 18 ;; *) echo v18.20.4 ;; esac');
  assert.match((await start(cloned, 'up').ended).err, /needs Node 20 or newer to install itself; found v18\.20\.4/);
});
