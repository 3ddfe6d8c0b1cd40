import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Registry } from '@weft/contracts/node';
import { type AgentFolder, openFolder } from './folder.ts';
import { IdentityKeeper } from './identity-keeper.ts';
import { type AgentOptions, type AgentSettings, settingsOf } from './options.ts';
import { rejoin, startIdentity } from './start-identity.ts';
import { eventually } from './testing/eventually.ts';
import { FakeMesh, type FakeMeshOptions } from './testing/fake-mesh.ts';
import { SILENT } from './testing/silent-log.ts';
import { temporaryFolder } from './testing/temporary.ts';

const NEVER = new AbortController().signal;

async function startMesh(t: TestContext, options: FakeMeshOptions = {}): Promise<FakeMesh> {
  const mesh = new FakeMesh(options);
  await mesh.start();
  t.after(() => mesh.stop());
  return mesh;
}

function settings(mesh: FakeMesh, change: Partial<AgentOptions> = {}): AgentSettings {
  return settingsOf({
    join: mesh.address,
    token: mesh.token,
    namespace: 'shop',
    service: 'cart',
    protocol: 'http',
    dataPlane: 'weft',
    stateDir: '/nowhere',
    log: SILENT,
    joinTimeoutMs: 300,
    ...change,
  });
}

function folderOf(t: TestContext): AgentFolder {
  return openFolder(temporaryFolder(t), 'shop', 'cart-1');
}

async function keep(t: TestContext, mesh: FakeMesh, folder: AgentFolder): Promise<IdentityKeeper> {
  const identity = await startIdentity(settings(mesh), folder, NEVER);
  const keeper = new IdentityKeeper({
    identity,
    rejoin: (signal) => rejoin(settings(mesh), signal),
    join: mesh.address,
    folder,
    now: Date.now,
    log: SILENT,
  });
  const stop = new AbortController();
  const running = keeper.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
    keeper.close();
  });
  return keeper;
}

test('the join token gets a certificate, which is kept with its key for the owner alone', async (t) => {
  const mesh = await startMesh(t);
  const folder = folderOf(t);
  const identity = await startIdentity(settings(mesh), folder, NEVER);
  assert.equal(identity.trustDomain, 'mesh.test');
  assert.deepEqual(identity.addresses.discovery, [mesh.address]);
  assert.equal(identity.ownAddress, '127.0.0.1');
  assert.equal(statSync(join(folder.path, 'identity.json')).mode & 0o777, 0o600);
  const again = await startIdentity(settings(mesh, { token: 'spent' }), folder, NEVER);
  assert.equal(again.chainPem, identity.chainPem);
  assert.deepEqual(mesh.events, ['join cart']);
});

test('a kept identity of another service account is not used', async (t) => {
  const mesh = await startMesh(t);
  const folder = folderOf(t);
  await startIdentity(settings(mesh), folder, NEVER);
  await startIdentity(settings(mesh, { serviceAccount: 'pay' }), folder, NEVER);
  assert.deepEqual(mesh.events, ['join cart', 'join pay']);
});

test('a kept identity of another mesh is not used when the token is for this one', async (t) => {
  const [before, now] = [await startMesh(t), await startMesh(t)];
  const folder = folderOf(t);
  await startIdentity(settings(before), folder, NEVER);
  await startIdentity(settings(now), folder, NEVER);
  assert.deepEqual(now.events, ['join cart']);
});

test('a damaged file of the identity is as none', async (t) => {
  const mesh = await startMesh(t);
  const folder = folderOf(t);
  await startIdentity(settings(mesh), folder, NEVER);
  for (const content of ['', '{', '{"format":1}', '[]', 'null']) {
    writeFileSync(join(folder.path, 'identity.json'), content);
    await startIdentity(settings(mesh), folder, NEVER);
  }
  assert.equal(mesh.events.length, 6);
});

test('without a token, with one that is none, and with one of another mesh it says so', async (t) => {
  const mesh = await startMesh(t);
  const start = (change: object) => startIdentity({ ...settings(mesh), ...change }, folderOf(t), NEVER);
  await assert.rejects(start({ token: undefined }), {
    code: 'FAILED_PRECONDITION',
    message: /there is no join token: make one with weft token create --service cart/,
  });
  await assert.rejects(start({ token: undefined, tokenFile: '/no/such/file' }), {
    code: 'FAILED_PRECONDITION',
    message: /cannot be read from \/no\/such\/file/,
  });
  await assert.rejects(start({ token: 'nonsense' }), {
    code: 'INVALID_ARGUMENT',
    message: /join token is not of the form/,
  });
  await assert.rejects(start({ token: FakeMesh.foreignToken() }), {
    code: 'UNAUTHENTICATED',
    message: /is not of the mesh that the join token is for/,
  });
  assert.deepEqual(mesh.events, []);
});

test('a control plane that cannot be reached is waited for, and then told in one sentence', async (t) => {
  const mesh = await startMesh(t);
  await mesh.stop();
  await assert.rejects(startIdentity(settings(mesh), folderOf(t), NEVER), {
    code: 'UNAVAILABLE',
    message: new RegExp(`cannot be reached at ${mesh.address}: nothing listens there; start it with weft up`),
  });
  const waiting = startIdentity(settings(mesh, { joinTimeoutMs: 20_000 }), folderOf(t), NEVER);
  await mesh.start();
  assert.equal((await waiting).trustDomain, 'mesh.test');
});

test('a clock that makes every certificate invalid is told with how far it is off', async (t) => {
  const mesh = await startMesh(t);
  mesh.skewMs = 3600_000;
  await assert.rejects(startIdentity(settings(mesh), folderOf(t), NEVER), {
    code: 'FAILED_PRECONDITION',
    message: /this machine's clock is 3600 s behind that of the control plane/,
  });
});

test('a certificate is renewed before two thirds of its life, again and again, with a new key', async (t) => {
  const mesh = await startMesh(t, { svidLifeMs: 3000 });
  const keeper = await keep(t, mesh, folderOf(t));
  const keys = new Set<string>();
  const stop = new AbortController();
  keeper.onChange(() => keys.add(keeper.current().keyPem), stop.signal);
  const startedAt = Date.now();
  await eventually(() => keys.size >= 2);
  const lifeMs = keeper.identity.notAfterMs - keeper.identity.issuedAtMs;
  assert.ok(lifeMs >= 2900 && lifeMs <= 4100, String(lifeMs));
  assert.ok(Date.now() - startedAt < 2 * (2 / 3) * 4000 + 2000);
  assert.deepEqual(mesh.events.slice(0, 3), ['join cart', 'renew cart', 'renew cart']);
});

test('calls go on over renewals', async (t) => {
  const mesh = await startMesh(t, { svidLifeMs: 2000 });
  const keeper = await keep(t, mesh, folderOf(t));
  const client = keeper.discovery.client(Registry);
  const beat = { workloadId: 'x', incarnation: 'x', health: 'READY' } as const;
  const endAt = Date.now() + 5000;
  while (Date.now() < endAt) {
    await assert.rejects(client.heartbeat(beat), { code: 'NOT_FOUND' });
  }
  assert.ok(mesh.events.filter((event) => event === 'renew cart').length >= 2);
});

test('a certificate that has expired while the CA was away is replaced with the join token', async (t) => {
  const mesh = await startMesh(t, { svidLifeMs: 1000 });
  const keeper = await keep(t, mesh, folderOf(t));
  await mesh.stop();
  await eventually(() => Date.now() > keeper.identity.notAfterMs);
  await mesh.start();
  await eventually(() => mesh.events.filter((event) => event === 'join cart').length >= 2);
  await eventually(() => Date.now() < keeper.identity.notAfterMs);
});
