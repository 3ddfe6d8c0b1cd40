import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Workload } from '@weft/contracts/bus';
import { WeftError } from '@weft/contracts/error';
import { fixedTls } from '@weft/rpc';
import { Link } from './link.ts';
import { Registration } from './registration.ts';
import { eventually } from './testing/eventually.ts';
import { FakeMesh } from './testing/fake-mesh.ts';
import { recordingLog } from './testing/silent-log.ts';

const CART = { trustDomain: 'mesh.test', namespace: 'shop', serviceAccount: 'cart' };
const WORKLOAD: Workload = {
  id: 'cart-1',
  namespace: 'shop',
  service: 'cart',
  spiffeId: '',
  labels: {},
  address: '127.0.0.1',
  ports: [],
  outboundPort: 15_001,
  upstreams: [],
  dataPlane: 'WEFT',
  health: 'STARTING',
  registeredAtMs: 0,
  incarnation: 'i1',
  host: 'laptop',
};

interface Fixture {
  readonly mesh: FakeMesh;
  readonly registration: Registration;
  readonly running: Promise<void>;
  readonly lines: readonly string[];
}

async function fixture(
  t: TestContext,
  addresses?: (mesh: FakeMesh) => readonly string[],
  refusal?: WeftError,
): Promise<Fixture> {
  const mesh = new FakeMesh();
  mesh.refuseRegistration = refusal;
  await mesh.start();
  const tls = fixedTls(mesh.identityOf(CART));
  const link = () => new Link({ trustDomain: 'mesh.test', tls, addresses: addresses?.(mesh) ?? [mesh.address] });
  const [discovery, xds] = [link(), link()];
  const log = recordingLog();
  const registration = new Registration({ workload: WORKLOAD, discovery, xds, log });
  const stop = new AbortController();
  const running = registration.run(stop.signal);
  running.catch(() => undefined);
  t.after(async () => {
    stop.abort();
    await running.catch(() => undefined);
    discovery.close();
    xds.close();
    await mesh.stop();
  });
  return { mesh, registration, running, lines: log.lines };
}

test('a workload is registered, and a change of its health is told at once', async (t) => {
  const { mesh, registration } = await fixture(t);
  await eventually(() => registration.isRegistered);
  registration.setHealth('READY');
  await eventually(() => mesh.workloads.get('cart-1')?.health === 'READY');
  registration.setHealth('UNREADY');
  await eventually(() => mesh.workloads.get('cart-1')?.health === 'UNREADY');
  assert.deepEqual(mesh.events, ['register cart-1 STARTING', 'health cart-1 READY', 'health cart-1 UNREADY']);
});

test('a workload that the registry has lost is registered again, with the health that it has', async (t) => {
  const { mesh, registration } = await fixture(t);
  registration.setHealth('READY');
  await eventually(() => mesh.workloads.get('cart-1')?.health === 'READY');
  mesh.workloads.clear();
  await eventually(() => mesh.events.filter((event) => event === 'register cart-1 READY').length >= 1);
});

test('discovery that goes away and comes back finds the workload again', async (t) => {
  const { mesh, registration, lines } = await fixture(t);
  await eventually(() => mesh.heartbeats.length > 0);
  await mesh.stop();
  await eventually(() => lines.some((line) => /discovery cannot be reached/.test(line)));
  mesh.workloads.clear();
  await mesh.start();
  await eventually(() => mesh.workloads.size === 1);
  await eventually(() => registration.isRegistered);
});

test('an instance that cannot be reached is passed over', async (t) => {
  const { registration } = await fixture(t, (mesh) => ['127.0.0.1:1', mesh.address]);
  await eventually(() => registration.isRegistered);
});

test('a workload that was taken over says so, and is silent from then on', async (t) => {
  const { mesh, registration, running, lines } = await fixture(t);
  await eventually(() => mesh.heartbeats.length > 0);
  mesh.workloads.set('cart-1', { ...WORKLOAD, incarnation: 'i2' });
  await running;
  assert.equal(registration.isRegistered, false);
  assert.ok(lines.some((line) => /taken over; this one gets no more requests/.test(line)));
  await registration.deregister(1000, new AbortController().signal);
  assert.equal(mesh.workloads.get('cart-1')?.incarnation, 'i2');
});

test('a refusal that trying again cannot mend ends the registration; later ones do not', async (t) => {
  const { mesh, registration } = await fixture(t);
  await eventually(() => registration.isRegistered);
  mesh.refuseRegistration = new WeftError('PERMISSION_DENIED', 'not you');
  mesh.workloads.clear();
  await eventually(() => registration.lastError?.code === 'PERMISSION_DENIED');
  mesh.refuseRegistration = undefined;
  await eventually(() => registration.isRegistered);
});

test('who does not register workloads is not discovery yet, and ends nothing; a refusal does', async (t) => {
  const early = await fixture(t, undefined, new WeftError('UNIMPLEMENTED', 'no such method'));
  await eventually(() => early.registration.lastError?.code === 'UNIMPLEMENTED');
  early.mesh.refuseRegistration = undefined;
  await eventually(() => early.registration.isRegistered);
  const refused = await fixture(t, undefined, new WeftError('PERMISSION_DENIED', 'not you'));
  await assert.rejects(refused.running, { code: 'PERMISSION_DENIED' });
});

test('a workload leaves and waits until everybody knows', async (t) => {
  const { mesh, registration } = await fixture(t);
  await eventually(() => registration.isRegistered);
  await registration.deregister(1000, new AbortController().signal);
  assert.deepEqual(mesh.events.slice(-2), ['deregister cart-1', 'propagated']);
  // Two heartbeats later it is still out of the registry.
  registration.setHealth('UNREADY');
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(mesh.workloads.size, 0);
});

test('leaving without a control plane takes no longer than it must, and is told', async (t) => {
  const { mesh, registration, lines } = await fixture(t);
  await eventually(() => registration.isRegistered);
  await mesh.stop();
  await registration.deregister(1000, new AbortController().signal);
  assert.ok(lines.some((line) => /could not be told that this workload leaves/.test(line)));
});
