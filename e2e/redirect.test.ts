/** Connections that the kernel redirects to the proxy, in a network of their own: nothing of the machine's is touched. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { binary } from './harness.ts';

const INSIDE = fileURLToPath(new URL('proxy-testing/redirected.ts', import.meta.url));

const rules = (iptables: string, from: string): readonly string[] =>
  [
    [81, 10000],
    [82, 10001],
  ].map(([of, to]) => `${iptables} -t nat -A OUTPUT -p tcp -s ${from} --dport ${of} -j REDIRECT --to-ports ${to}`);

const SETUP = [
  'ip link set lo up',
  'ip -6 addr add fd00::2/128 dev lo nodad',
  ...rules('iptables', '127.0.0.2'),
  ...rules('ip6tables', 'fd00::2'),
].join(' && ');

const NETWORK = ['--map-root-user', '--net'];

/** Why no network can be had in which connections are redirected; undefined where one can. */
function whyNot(): string | undefined {
  if (process.platform !== 'linux') return 'only Linux has networks of their own';
  const { status, stderr, error } = spawnSync('unshare', [...NETWORK, 'sh', '-c', SETUP], { encoding: 'utf8' });
  if (status === 0) return undefined;
  return `no network can be had in which connections are redirected: ${(error?.message ?? stderr).trim()}`;
}

test('connections that the kernel redirects go where they were going', {
  skip: whyNot() ?? false,
  timeout: 120_000,
}, async (t) => {
  await binary('envoy');
  const env: NodeJS.ProcessEnv = { ...process.env };
  delete env.NODE_TEST_CONTEXT;
  const run = `${SETUP} && exec "$0" --test --test-reporter=spec "$1"`;
  const child = spawn('unshare', [...NETWORK, 'sh', '-c', run, process.execPath, INSIDE], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 0, text);
  assert.match(text, /pass 2/);
});
