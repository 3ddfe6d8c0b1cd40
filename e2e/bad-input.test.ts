import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  ask,
  askThrough,
  binary,
  controlPlaneFile,
  DATA_PLANES,
  type Finished,
  freePort,
  listen,
  type Mesh,
  openMesh,
  type StartOptions,
  until,
} from './harness.ts';

const DAY_MS = 86_400_000;

/** A clock that is off by so much, in the process that is started. */
function skewed(byMs: number): Readonly<Record<string, string>> {
  const script = `const now = Date.now; Date.now = () => now() + (${byMs});`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` };
}

/** What a command that failed told: its last line, which is the one sentence; lines before it are the log's. */
function sentence({ err }: Finished): string {
  const lines = err.trimEnd().split('\n');
  assert.ok(
    lines.slice(0, -1).every((line) => line.startsWith('{')),
    err,
  );
  return lines.at(-1) ?? '';
}

/** Runs `weft run` on Envoy to its end. */
async function runEnvoy(mesh: Mesh, flags: readonly string[], options: StartOptions = {}): Promise<Finished> {
  const env = { WEFT_ENVOY: await binary('envoy'), ...options.env };
  return mesh.start(['run', '--data-plane', 'envoy', ...flags], { ...options, env }).ended;
}

test('a port in use is named, with who has it and what to do', async (t) => {
  const mesh = openMesh(t);
  const port = await listen(t, createServer());
  const free = ['--node-listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--http-listen', '127.0.0.1:0'];
  for (const flag of ['--node-listen', '--admin-listen', '--http-listen']) {
    const up = await mesh.weft('up', ...free, flag, `127.0.0.1:${port}`);
    assert.equal(up.code, 1);
    assert.match(up.err, new RegExp(`^weft up: 127\\.0\\.0\\.1:${port} is in use by .*; .*(end|choose|give)`));
  }
  await mesh.up();
  const application = await runEnvoy(mesh, ['--service', 'cart', '--port', String(port), '--', 'true']);
  assert.equal(application.code, 1);
  assert.match(sentence(application), new RegExp(`^weft run: port ${port}, .*is in use .*name its port with --port$`));
  const upstream = await runEnvoy(mesh, ['--service', 'cart', '--upstream', `stock:${port}`, '--', 'true']);
  assert.equal(upstream.code, 1);
  assert.match(sentence(upstream), new RegExp(`port ${port} .*upstream stock was to have, is in use .*stock:<port>$`));
});

test('a missing, mistyped, foreign or ill-fitting token is told with what to do', async (t) => {
  const mesh = openMesh(t);
  await mesh.up();
  const { out: token } = await mesh.weft('token', 'create', '--service', 'cart');
  const run = (service: string, value: string) =>
    runEnvoy(mesh, ['--service', service, '--', 'true'], { env: { WEFT_JOIN_TOKEN: value } });
  const mistyped = await run('cart', 'weft1.abc');
  assert.deepEqual([mistyped.code, mistyped.out], [2, '']);
  assert.match(sentence(mistyped), /join token is not of the form weft1\.<id>.*make one with:? weft token create$/);
  const other = await run('stock', token.trim());
  assert.equal(other.code, 1);
  assert.match(
    sentence(other),
    /^weft run: the join token is for the service account "cart", and "stock" was asked for$/,
  );
  const foreign = await run('cart', `${token.trim().slice(0, -6)}AAAAAA`);
  assert.equal(foreign.code, 1);
  assert.match(sentence(foreign), /is not of the mesh that the join token is for: check the address, or take a token/);
  const [form, id, secret = '', hash] = token.trim().split('.');
  const forged = await run('cart', [form, id, 'A'.repeat(secret.length), hash].join('.'));
  assert.equal(forged.code, 1);
  assert.match(sentence(forged), /^weft run: the join token /);
  rmSync(join(mesh.state, 'join-token'));
  const missing = await runEnvoy(mesh, ['--service', 'cart', '--', 'true']);
  assert.equal(missing.code, 1);
  assert.match(sentence(missing), /^weft run: the join token cannot be read from .*: make one with weft token create/);
});

test('a control plane that cannot be reached is named with its address', async (t) => {
  const mesh = openMesh(t);
  const up = await mesh.up();
  const address = controlPlaneFile(mesh.state)?.node ?? '';
  await up.stop();
  const flags = ['--service', 'cart', '--join', address, '--join-timeout', '1s', '--', 'true'];
  const run = await runEnvoy(mesh, flags);
  assert.equal(run.code, 1);
  assert.equal(
    sentence(run),
    `weft run: the control plane cannot be reached at ${address}: nothing listens there; start it with weft up, or name its address with --join`,
  );
});

test('a clock past the life of the certificates, or before it, is told with both times and what to do', async (t) => {
  const mesh = openMesh(t);
  const up = await mesh.up();
  const flags = ['--service', 'cart', '--join-timeout', '1s', '--', 'true'];
  const ahead = await runEnvoy(mesh, flags, { env: skewed(3 * DAY_MS) });
  assert.equal(ahead.code, 1);
  assert.match(
    sentence(ahead),
    /expired at 20\S+Z, and the clock here says 20\S+Z; where that is wrong, set the clock/,
  );
  const behind = await runEnvoy(mesh, flags, { env: skewed(-3 * DAY_MS) });
  assert.equal(behind.code, 1);
  assert.match(
    sentence(behind),
    /not yet valid: it counts from 20\S+Z, and the clock here says 20\S+Z; .*set the clock/,
  );

  assert.equal((await runEnvoy(mesh, flags)).code, 0);
  await up.stop();
  const kept = await runEnvoy(mesh, flags, { env: skewed(3 * DAY_MS) });
  assert.equal(kept.code, 1);
  assert.match(
    sentence(kept),
    /^weft run: the certificate ended at 20\S+Z, and there is no new one: the control plane cannot be reached at .*; start it/,
  );
});

test('the exit code of weft run is that of its program, and of shells where it cannot be run', async (t) => {
  const mesh = openMesh(t);
  await mesh.up();
  const run = (...command: string[]) => runEnvoy(mesh, ['--service', 'cart', '--', ...command]);
  assert.equal((await run('sh', '-c', 'exit 7')).code, 7);
  assert.equal((await run('sh', '-c', 'kill -9 $$')).code, 137);
  const missing = await run('no-such-program');
  assert.deepEqual(
    [missing.code, missing.err],
    [127, 'weft run: there is no program no-such-program on PATH: check the command after --\n'],
  );
});

test('an Envoy that is not there is told with the ways to get one', async (t) => {
  const mesh = openMesh(t);
  await mesh.up();
  const flags = ['--service', 'cart', '--', 'true'];
  const named = await runEnvoy(mesh, flags, { env: { WEFT_ENVOY: join(mesh.folder, 'nothing') } });
  assert.equal(named.code, 1);
  assert.match(sentence(named), /^weft run: WEFT_ENVOY is .*nothing, which is not an executable file: set it to/);
  const nowhere = { WEFT_ENVOY: '', PATH: '/usr/bin:/bin', WEFT_CACHE: mesh.folder };
  const none = await runEnvoy(mesh, flags, { env: nowhere });
  assert.equal(none.code, 1);
  assert.match(sentence(none), /envoy was not found\. .*on PATH, set WEFT_ENVOY .*weft binaries fetch envoy/);
});

const PRINT_PROXY = ['-e', 'console.log(process.env.HTTP_PROXY); setInterval(() => undefined, 1e6)'];

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane}: an unknown service in HTTP_PROXY, and an upstream that nobody is, are named in the answer`, async (t) => {
    const mesh = openMesh(t, dataPlane);
    await mesh.up();
    const local = await freePort();
    const command = [process.execPath, ...PRINT_PROXY];
    const client = await mesh.run('client', { command, flags: ['--upstream', `nobody:${local}`] });
    const port = await until(
      'the environment of the client',
      () => Number(/^http:\/\/127\.0\.0\.1:(\d+)$/m.exec(client.process.text())?.[1] ?? Number.NaN) || undefined,
      30_000,
      client.process.text,
    );
    for (const host of ['stokc.mesh', 'stock.elsewhere.mesh', 'www.example.com']) {
      const unknown = await askThrough(port, `http://${host}/`);
      assert.equal(unknown.status, 404, host);
      assert.equal(
        unknown.body.trimEnd(),
        `weft: no service answers to "${host}"; services of the mesh are named <service>.mesh or <service>.<namespace>.mesh`,
      );
    }
    const nobody = await ask(`http://127.0.0.1:${local}/`);
    assert.equal(nobody.status, 503);
    assert.match(
      nobody.body,
      /^weft: no instance takes requests of outbound\/default\/nobody; weft get services shows/,
    );
  });
}
